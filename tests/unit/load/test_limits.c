/* SPDX-License-Identifier: MIT
 *
 * Descriptors for connections, and what is said where there cannot be so many.
 */
#include "load/limits.h"

#include "tests/unit/scratch.h"

#include <errno.h>
#include <sys/resource.h>

static void the_limit_is_raised(void **state)
{
    struct rlimit limit = {.rlim_cur = 40, .rlim_max = 1000};
    char error[256];

    (void)state;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limits_raise(500, 2, error, sizeof error), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur >= 500 + 2);
}

/* More than fs.nr_open nobody may have. */
static void what_is_too_many_is_said(void **state)
{
    char error[256];

    (void)state;
    assert_int_equal(limits_raise(2000000000, 1, error, sizeof error), -EPERM);
    assert_contains(error, "--connections=2000000000: needs 20000000");
    assert_contains(error, " descriptors, and ulimit -Hn allows ");
}

static void each_shortage_has_its_advice(void **state)
{
    (void)state;
    assert_contains(limits_advice(EADDRNOTAVAIL), "net.ipv4.ip_local_port_range");
    assert_contains(limits_advice(EMFILE), "ulimit -n");
    assert_contains(limits_advice(ENOMEM), "vm.max_map_count");
    assert_contains(limits_advice(EAGAIN), "backlog");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_raised),
        cmocka_unit_test(what_is_too_many_is_said),
        cmocka_unit_test(each_shortage_has_its_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
