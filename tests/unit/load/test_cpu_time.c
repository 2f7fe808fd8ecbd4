/* SPDX-License-Identifier: MIT
 *
 * A thread that spins takes time of its core, whether it has that for itself or not; one that
 * sleeps takes none.
 */
#include "load/cpu_time.h"

#include "coro/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

enum { MS = 1000000 };

static int64_t taken_ns(void)
{
    struct cpu_time now = cpu_time_now();

    return now.ran_ns + now.waited_ns;
}

/* What the hypervisor takes is in neither, so that only a part can be asked for; not each time. */
static void spinning_takes_it(void **state)
{
    int64_t taken = 0;

    (void)state;
    for (int i = 0; i < 100 && taken <= 50 * MS; i++) {
        int64_t before = taken_ns(), begun = coro_now_ns();

        while (coro_now_ns() - begun < 100 * MS)
            continue;
        taken = taken_ns() - before;
    }
    assert_true(taken > 50 * MS);
}

static void sleeping_does_not(void **state)
{
    const struct timespec pause = {.tv_nsec = 100 * MS};
    int64_t taken = INT64_MAX;

    (void)state;
    /* Whoever wakes up may wait for the core; not each time on any machine. */
    for (int i = 0; i < 100 && taken > 50 * MS; i++) {
        int64_t before = taken_ns();

        nanosleep(&pause, NULL);
        taken = taken_ns() - before;
    }
    assert_true(taken <= 50 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spinning_takes_it),
        cmocka_unit_test(sleeping_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
