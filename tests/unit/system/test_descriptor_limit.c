/* SPDX-License-Identifier: MIT
 *
 * descriptor_limit.h: the soft limit is raised to the hard one, and lowered but never raised again.
 */
#include "tests/unit/child.h"

#include <stdio.h>
#include <sys/resource.h>

#include "system/descriptor_limit.h"

static rlim_t soft(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

static void change(void *arg)
{
    const struct rlimit limit = {.rlim_cur = 100, .rlim_max = 500};
    unsigned count = 0;

    (void)arg;
    CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_EXPECT(descriptor_limit_raise(&count) == 0);
    CHILD_EXPECT(count == 500 && soft() == 500);
    CHILD_EXPECT(descriptor_limit_lower(200) == 0 && soft() == 200);
    CHILD_EXPECT(descriptor_limit_lower(300) == 0 && soft() == 200);
    CHILD_EXPECT(descriptor_limit_raise(&count) == 0);
    CHILD_EXPECT(count == 500 && soft() == 500);
}

static void it_follows_the_hard_limit(void **state)
{
    (void)state;
    in_child(change, NULL);
}

/* Where there is no limit, or one that nobody can use, a million is enough. */
static void raise_without_end(void *arg)
{
    struct rlimit limit = {.rlim_cur = 1U << 21, .rlim_max = 1U << 21};
    unsigned count = 0;

    (void)arg;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return; /* only root may, where fs.nr_open allows it */
    CHILD_EXPECT(descriptor_limit_raise(&count) == 0);
    CHILD_EXPECT(count == 1U << 20 && soft() == 1U << 20);
}

static void no_more_than_a_million(void **state)
{
    (void)state;
    in_child(raise_without_end, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_hard_limit),
        cmocka_unit_test(no_more_than_a_million),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
