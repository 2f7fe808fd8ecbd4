/* SPDX-License-Identifier: MIT
 *
 * slice.h: the kernel's own account of the slice, before and after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "system/slice.h"

enum { SHORT = 200000, SHORTER = 150000 };

/* In a thread of its own, as a slice that is made shorter is not made longer again. */
static void in_a_thread(void *(*body)(void *))
{
    pthread_t thread;

    if (slice_ns() == 0)
        skip(); /* a kernel that has one slice for all */
    assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *shorten(void *arg)
{
    assert_true(slice_ns() > SHORT);
    slice_shorten(SHORT);
    assert_int_equal(slice_ns(), SHORT);
    slice_shorten(SHORTER);
    assert_int_equal(slice_ns(), SHORTER);
    slice_shorten(SHORT); /* would be longer */
    assert_int_equal(slice_ns(), SHORTER);
    return arg;
}

static void a_slice_gets_shorter_and_of_this_thread_alone(void **state)
{
    uint64_t own = slice_ns();

    (void)state;
    in_a_thread(shorten);
    assert_int_equal(slice_ns(), own);
}

static void *be_batch(void *arg)
{
    const struct sched_param none = {.sched_priority = 0};

    assert_int_equal(setpriority(PRIO_PROCESS, (id_t)gettid(), 5), 0);
    assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0);
    slice_shorten(SHORT);
    assert_int_equal(slice_ns(), SHORT);
    assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), 5);
    return arg;
}

static void policy_and_nice_value_stay(void **state)
{
    (void)state;
    in_a_thread(be_batch);
}

static void *be_idle(void *arg)
{
    const struct sched_param none = {.sched_priority = 0};
    uint64_t before;

    assert_int_equal(sched_setscheduler(0, SCHED_IDLE, &none), 0);
    before = slice_ns();
    slice_shorten(SHORT);
    assert_int_equal(sched_getscheduler(0), SCHED_IDLE);
    assert_int_equal(slice_ns(), before);
    return arg;
}

static void another_policy_is_left_alone(void **state)
{
    (void)state;
    in_a_thread(be_idle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_gets_shorter_and_of_this_thread_alone),
        cmocka_unit_test(policy_and_nice_value_stay),
        cmocka_unit_test(another_policy_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
