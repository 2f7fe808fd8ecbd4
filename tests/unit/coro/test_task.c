/* SPDX-License-Identifier: MIT
 *
 * Tasks: order, parking, deadlines, how many there may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

static void *say_twice(void *arg)
{
    note(arg);
    assert_int_equal(coro_pause(), 0);
    note(arg);
    return NULL;
}

static void test_tasks_take_turns(void **state)
{
    struct coro_loop *loop = new_loop();

    (void)state;
    assert_null(coro_task_self());
    spawn(loop, say_twice, "a");
    spawn(loop, say_twice, "b");
    assert_int_equal(coro_loop_run(loop), -EDEADLK); /* nothing left, nobody stops it */
    assert_string_equal(trace, "abab");
    coro_loop_free(loop);
}

struct worker {
    struct coro_task *task;
    int served;
    int end;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    w->task = coro_task_self();
    while ((w->end = coro_park(CORO_FOREVER)) == 0)
        w->served++;
    note("w");
    return NULL;
}

static void on_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    struct worker *w = timer->data;
    int before = w->served;

    coro_resume_now(w->task);
    assert_int_equal(w->served, before + 1);
    coro_resume_now(w->task);
    assert_int_equal(w->served, before + 2);
    coro_unpark(w->task);
    coro_unpark(w->task); /* one permit, not two */
    assert_int_equal(w->served, before + 2);
    coro_loop_stop(loop, 1000);
}

static void test_resume_now_and_unpark(void **state)
{
    struct coro_loop *loop = new_loop();
    struct worker w = {0};
    struct coro_timer timer;

    (void)state;
    spawn(loop, worker_main, &w);
    coro_timer_init(&timer, on_tick, &w);
    coro_timer_start(loop, &timer, 1, 0);
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(w.served, 3);
    assert_int_equal(w.end, -ECANCELED);
    assert_string_equal(trace, "w");
    coro_loop_free(loop);
}

static void *set_flag(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

static void on_spawn_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    int ran = 0;
    struct coro_task *t = coro_spawn(loop, set_flag, &ran, "now");
    struct worker w;

    (void)timer;
    assert_non_null(t);
    assert_int_equal(coro_future_state(coro_task_future(t)), CORO_PENDING);
    coro_resume_now(t);
    assert_int_equal(ran, 1);
    w = (struct worker){0};
    t = coro_spawn(loop, worker_main, &w, "worker");
    assert_non_null(t);
    coro_resume_now(t);
    assert_int_equal(coro_future_state(coro_task_future(t)), CORO_RUNNING);
    coro_task_cancel(t);
    coro_resume_now(t); /* cancelled, but served first */
    assert_int_equal(w.served, 1);
    assert_int_equal(w.end, -ECANCELED);
    coro_loop_stop(loop, 1000);
}

static void test_resume_now_just_spawned(void **state)
{
    struct coro_loop *loop = new_loop();
    struct coro_timer timer;

    (void)state;
    coro_timer_init(&timer, on_spawn_tick, NULL);
    coro_timer_start(loop, &timer, 0, 0);
    assert_int_equal(coro_loop_run(loop), 0);
    coro_loop_free(loop);
}

static void *park_cases(void *arg)
{
    int64_t before;

    (void)arg;
    coro_unpark(coro_task_self());
    assert_int_equal(coro_park(CORO_FOREVER), 0); /* the permit */
    before = coro_now_ms();
    assert_int_equal(coro_park(before + 10), -ETIMEDOUT);
    assert_true(coro_now_ms() >= before + 10);
    assert_int_equal(coro_park(before), -ETIMEDOUT); /* past: does not wait */
    coro_unpark(coro_task_self());
    assert_int_equal(coro_park(before), 0);
    return NULL;
}

static void test_park_permit_and_deadline(void **state)
{
    (void)state;
    run_main(park_cases, NULL);
}

/* ---- both at once: what was handed over is told first ---- */

static void *parks_twice(void *arg)
{
    int *rc = arg;

    rc[0] = coro_park(CORO_FOREVER);
    rc[1] = coro_park(CORO_FOREVER);
    return NULL;
}

static void *unpark_and_cancel(void *arg)
{
    struct coro_loop *loop = coro_task_loop(coro_task_self());

    (void)arg;
    for (int order = 0; order < 2; order++) {
        int rc[2] = {1, 1};
        struct coro_task *t = coro_spawn(loop, parks_twice, rc, "parks");

        assert_non_null(t);
        assert_int_equal(coro_sleep(1), 0);
        if (order == 0)
            coro_unpark(t);
        assert_int_equal(coro_task_cancel(t), 0);
        if (order == 1)
            coro_unpark(t);
        while (coro_loop_tasks(loop) > 1)
            assert_int_equal(coro_pause(), 0);
        assert_int_equal(rc[0], 0);
        assert_int_equal(rc[1], -ECANCELED);
    }
    return NULL;
}

static void test_unpark_before_cancellation(void **state)
{
    (void)state;
    run_main(unpark_and_cancel, NULL);
}

static void *parks_shortly(void *arg)
{
    *(int *)arg = coro_park(coro_now_ms() + 2);
    return NULL;
}

static void on_unpark_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    (void)loop;
    coro_unpark(timer->data);
}

/* The deadline passes and the unpark comes in the same turn of the loop, in that order. */
static void *unpark_late(void *arg)
{
    int rc = 1;
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    struct coro_task *t = coro_spawn(loop, parks_shortly, &rc, "parks");
    struct coro_timer timer;

    (void)arg;
    assert_non_null(t);
    assert_int_equal(coro_pause(), 0);
    coro_timer_init(&timer, on_unpark_tick, t);
    coro_timer_start(loop, &timer, 3, 0);
    for (int64_t until = coro_now_ms() + 6; coro_now_ms() < until;)
        continue; /* until both are due */
    while (coro_loop_tasks(loop) > 1)
        assert_int_equal(coro_pause(), 0);
    assert_int_equal(rc, 0);
    return NULL;
}

static void test_unpark_beats_deadline(void **state)
{
    (void)state;
    run_main(unpark_late, NULL);
}

static void test_max_tasks(void **state)
{
    struct coro_loop_config config = {.max_tasks = 2};
    struct coro_loop *loop = coro_loop_new(&config);

    (void)state;
    trace[0] = '\0';
    spawn(loop, say_twice, "a");
    spawn(loop, say_twice, "b");
    assert_null(coro_spawn(loop, say_twice, "c", "c"));
    assert_int_equal(errno, EAGAIN);
    coro_loop_stop(loop, CORO_FOREVER);
    coro_loop_free(loop); /* never run: tasks freed as they stand */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_take_turns),
        cmocka_unit_test(test_resume_now_and_unpark),
        cmocka_unit_test(test_resume_now_just_spawned),
        cmocka_unit_test(test_park_permit_and_deadline),
        cmocka_unit_test(test_unpark_before_cancellation),
        cmocka_unit_test(test_unpark_beats_deadline),
        cmocka_unit_test(test_max_tasks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
