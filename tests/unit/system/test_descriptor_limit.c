/* SPDX-License-Identifier: MIT
 *
 * descriptor_limit.h: the soft limit is raised to the hard one, and lowered but never raised again;
 * there is room before it is needed.
 */
#include "tests/unit/child.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

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

static unsigned room(void)
{
    char line[128];
    unsigned size = 0;
    FILE *status = fopen("/proc/self/status", "r");

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        sscanf(line, "FDSize: %u", &size);
    if (status != NULL)
        fclose(status);
    return size;
}

static void grow(void *arg)
{
    const struct rlimit limit = {.rlim_cur = 4000, .rlim_max = 4000};
    unsigned before = room();
    int next = dup(STDERR_FILENO);

    (void)arg;
    close(next);
    CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0 && before < 2000);
    descriptor_table_grow(0);
    descriptor_table_grow(4001); /* more than are allowed */
    CHILD_EXPECT(room() == before);
    descriptor_table_grow(2000);
    CHILD_EXPECT(room() >= 2000);
    CHILD_EXPECT(dup(STDERR_FILENO) == next); /* it keeps none */
}

static void there_is_room_before_it_is_needed(void **state)
{
    (void)state;
    in_child(grow, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_follows_the_hard_limit),
        cmocka_unit_test(no_more_than_a_million),
        cmocka_unit_test(there_is_room_before_it_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
