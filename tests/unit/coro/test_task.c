// SPDX-License-Identifier: MIT
/* Tasks and the loop: order, parking, deadlines, descriptors, cancellation, stopping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/future.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char trace[256];

static void note(const char *what)
{
    strncat(trace, what, sizeof trace - strlen(trace) - 1);
}

static struct coro_loop *new_loop(void)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    assert_non_null(loop);
    trace[0] = '\0';
    return loop;
}

static void spawn(struct coro_loop *loop, coro_task_fn *fn, void *arg)
{
    assert_non_null(coro_spawn(loop, fn, arg, "test"));
}

/* Runs main_fn as the task that ends the loop when it returns. */
struct main_call {
    coro_task_fn *fn;
    void *arg;
};

static void *main_task(void *arg)
{
    struct main_call *call = arg;
    void *result = call->fn(call->arg);
    coro_loop_stop(coro_task_loop(coro_task_self()), 5000);
    return result;
}

static void run_main(coro_task_fn *fn, void *arg)
{
    struct coro_loop *loop = new_loop();
    struct main_call call = {fn, arg};
    spawn(loop, main_task, &call);
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(coro_loop_tasks(loop), 0);
    coro_loop_free(loop);
}

/* ---- order and parking ---- */

static void *say_twice(void *arg)
{
    note(arg);
    assert_int_equal(coro_pause(), 0);
    note(arg);
    return NULL;
}

static void test_tasks_take_turns(void **state)
{
    (void)state;
    struct coro_loop *loop = new_loop();
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
    (void)state;
    struct coro_loop *loop = new_loop();
    struct worker w = {0};
    struct coro_timer timer;
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
    (void)timer;
    struct coro_task *t = coro_spawn(loop, set_flag, &ran, "now");
    assert_non_null(t);
    assert_int_equal(coro_future_state(coro_task_future(t)), CORO_PENDING);
    coro_resume_now(t);
    assert_int_equal(ran, 1);
    struct worker w = {0};
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
    (void)state;
    struct coro_loop *loop = new_loop();
    struct coro_timer timer;
    coro_timer_init(&timer, on_spawn_tick, NULL);
    coro_timer_start(loop, &timer, 0, 0);
    assert_int_equal(coro_loop_run(loop), 0);
    coro_loop_free(loop);
}

static void *park_cases(void *arg)
{
    (void)arg;
    coro_unpark(coro_task_self());
    assert_int_equal(coro_park(CORO_FOREVER), 0); /* the permit */
    int64_t before = coro_now_ms();
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

static void *sleeps_then_parks(void *arg)
{
    assert_int_equal(coro_sleep(1), 0);
    return coro_park(CORO_FOREVER) == 0 ? arg : NULL;
}

static void test_deadlock_is_noticed(void **state)
{
    (void)state;
    struct coro_loop *loop = new_loop();
    spawn(loop, sleeps_then_parks, NULL);
    assert_int_equal(coro_loop_run(loop), -EDEADLK);
    coro_loop_stop(loop, 1000); /* it can still be ended in order */
    assert_int_equal(coro_loop_run(loop), 0);
    coro_loop_free(loop);
}

static void *sleep_a_little(void *arg)
{
    (void)arg;
    assert_int_equal(coro_sleep(30), 0);
    return NULL;
}

static void *sleep_cases(void *arg)
{
    struct coro_call calls[50];
    int64_t before = coro_now_ms();
    (void)arg;
    for (int i = 0; i < 50; i++)
        calls[i] = (struct coro_call){.fn = sleep_a_little};
    assert_int_equal(coro_run_all(calls, 50, CORO_FOREVER), 0);
    assert_true(coro_now_ms() - before >= 30);
    assert_true(coro_now_ms() - before < 30 * 50); /* together, not one after the other */
    return NULL;
}

static void test_sleeps_overlap(void **state)
{
    (void)state;
    run_main(sleep_cases, NULL);
}

/* ---- descriptors ---- */

static void *fd_cases(void *arg)
{
    int s[2];
    char c;
    (void)arg;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(coro_wait_fd(s[0], CORO_READ, coro_now_ms() + 10), -ETIMEDOUT);
    assert_int_equal(coro_wait_fd(s[0], CORO_READ | CORO_WRITE, CORO_FOREVER), CORO_WRITE);
    assert_int_equal(write(s[1], "x", 1), 1);
    assert_int_equal(coro_wait_fd(s[0], CORO_READ, CORO_FOREVER), CORO_READ);
    assert_int_equal(read(s[0], &c, 1), 1);
    close(s[1]);
    assert_true(coro_wait_fd(s[0], CORO_READ, CORO_FOREVER) & CORO_READ);
    close(s[0]);
    return NULL;
}

static void test_wait_fd(void **state)
{
    (void)state;
    run_main(fd_cases, NULL);
}

/* ---- cancellation ---- */

static int broken_pipe[2];

static void *wait_sleep(void *arg)
{
    *(int *)arg = coro_sleep(60000);
    return NULL;
}

static void *wait_descriptor(void *arg)
{
    *(int *)arg = coro_wait_fd(broken_pipe[0], CORO_READ, CORO_FOREVER);
    return NULL;
}

static void *wait_parked(void *arg)
{
    *(int *)arg = coro_park(coro_now_ms() + 60000);
    return NULL;
}

static void *wait_group(void *arg)
{
    int inner = 0;
    struct coro_call call = {.fn = wait_sleep, .arg = &inner};
    *(int *)arg = coro_run_all(&call, 1, CORO_FOREVER);
    assert_int_equal(call.error, -ECANCELED);
    note(inner == -ECANCELED ? "i" : "n"); /* was it begun at all? */
    return NULL;
}

static void *cancel_cases(void *arg)
{
    static coro_task_fn *const waits[] = {wait_sleep, wait_descriptor, wait_parked, wait_group};
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    (void)arg;
    for (size_t i = 0; i < 2 * sizeof waits / sizeof *waits; i++) {
        int result = 1;
        struct coro_task *t = coro_spawn(loop, waits[i / 2], &result, "waits");
        assert_non_null(t);
        coro_task_ref(t);
        if (i % 2 == 0) /* let it wait first; otherwise it is cancelled before its first turn */
            assert_int_equal(coro_sleep(1), 0);
        assert_int_equal(coro_task_cancel(t), 0);
        assert_int_equal(coro_task_cancel(t), 0);
        while (coro_loop_tasks(loop) > 1)
            assert_int_equal(coro_pause(), 0);
        assert_int_equal(result, -ECANCELED);
        assert_int_equal(coro_task_cancel(t), -EALREADY);
        coro_task_unref(t);
    }
    return NULL;
}

static void test_cancel_in_each_wait(void **state)
{
    (void)state;
    assert_int_equal(pipe(broken_pipe), 0);
    run_main(cancel_cases, NULL);
    assert_string_equal(trace, "in");
    close(broken_pipe[0]);
    close(broken_pipe[1]);
}

static void *clean_up_slowly(void *arg)
{
    assert_int_equal(coro_park(CORO_FOREVER), -ECANCELED);
    assert_int_equal(coro_sleep(1), 0);                    /* clean-up may wait */
    assert_int_equal(coro_park(CORO_FOREVER), -ECANCELED); /* but not for ever */
    assert_int_equal(coro_sleep(1000), -ECANCELED);
    assert_int_equal(coro_pause(), -ECANCELED);
    *(int *)arg = 1;
    return NULL;
}

static void test_cleanup_is_bounded(void **state)
{
    (void)state;
    int done = 0;
    struct coro_loop_config config = {.cleanup_ms = 30};
    struct coro_loop *loop = coro_loop_new(&config);
    struct coro_timer timer;
    spawn(loop, clean_up_slowly, &done);
    coro_timer_init(&timer, on_spawn_tick, NULL);
    coro_timer_start(loop, &timer, 0, 0);
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(done, 1);
    coro_loop_free(loop);
}

static void *never_ends(void *arg)
{
    int *go_on = arg;
    while (*go_on)
        (void)!coro_pause();
    return NULL;
}

static void test_grace_ends(void **state)
{
    (void)state;
    int go_on = 1;
    struct coro_loop *loop = new_loop();
    spawn(loop, never_ends, &go_on);
    coro_loop_stop(loop, 20);
    assert_null(coro_spawn(loop, never_ends, &go_on, "late"));
    assert_int_equal(errno, ECANCELED);
    assert_int_equal(coro_loop_run(loop), -ETIMEDOUT);
    coro_loop_free(loop); /* with the task still in it */
}

static void test_max_tasks(void **state)
{
    (void)state;
    struct coro_loop_config config = {.max_tasks = 2};
    struct coro_loop *loop = coro_loop_new(&config);
    trace[0] = '\0';
    spawn(loop, say_twice, "a");
    spawn(loop, say_twice, "b");
    assert_null(coro_spawn(loop, say_twice, "c", "c"));
    assert_int_equal(errno, EAGAIN);
    coro_loop_stop(loop, CORO_FOREVER);
    coro_loop_free(loop); /* never run: tasks freed as they stand */
}

/* ---- offload ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static atomic_int begun;

static void *through_gate(void *arg)
{
    begun++;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    ++*(int *)arg;
    return arg;
}

struct offloaded {
    int ran, rc;
    void *result;
};

static void *offloads(void *arg)
{
    struct offloaded *o = arg;
    o->rc = coro_offload(through_gate, &o->ran, &o->result);
    if (o->rc == 0 && coro_sleep(0) == -ECANCELED)
        note("c"); /* told at the next wait */
    return NULL;
}

static void *offload_cases(void *arg)
{
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    struct offloaded o[3] = {0};
    struct coro_task *t[3];
    (void)arg;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 3; i++) {
        t[i] = coro_spawn(loop, offloads, &o[i], "offloads");
        assert_non_null(t[i]);
    }
    while (begun < 2) /* 0 and 1 hold the two threads, 2 is queued */
        assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_task_cancel(t[0]), 0);
    assert_int_equal(coro_task_cancel(t[2]), 0);
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_loop_tasks(loop), 3);
    pthread_mutex_unlock(&gate);
    while (coro_loop_tasks(loop) > 1)
        assert_int_equal(coro_pause(), 0);
    assert_int_equal(o[0].rc, 0);
    assert_int_equal(o[0].ran, 1);
    assert_int_equal(o[1].rc, 0);
    assert_ptr_equal(o[1].result, &o[1].ran);
    assert_int_equal(o[2].rc, -ECANCELED);
    assert_int_equal(o[2].ran, 0);
    assert_string_equal(trace, "c");
    coro_loop_stop(loop, 1000);
    return NULL;
}

static void test_offload(void **state)
{
    (void)state;
    struct coro_loop_config config = {.offload_threads = 2};
    struct coro_loop *loop = coro_loop_new(&config);
    trace[0] = '\0';
    spawn(loop, offload_cases, NULL);
    assert_int_equal(coro_loop_run(loop), 0);
    coro_loop_free(loop);
}

static void *fails(void *arg)
{
    (void)arg;
    return coro_fail(-EIO);
}

static void *run_all_cases(void *arg)
{
    int one = 0, two = 0;
    struct coro_call calls[] = {
        {.fn = set_flag, .arg = &one}, {.fn = fails}, {.fn = set_flag, .arg = &two}};
    (void)arg;
    assert_int_equal(coro_run_all(calls, 3, CORO_FOREVER), -EIO);
    assert_int_equal(one + two, 2);
    assert_int_equal(calls[0].error, 0);
    assert_int_equal(calls[1].error, -EIO);
    int slept = 0;
    struct coro_call slow = {.fn = wait_sleep, .arg = &slept};
    assert_int_equal(coro_run_all(&slow, 1, coro_now_ms() + 5), -ETIMEDOUT);
    assert_int_equal(slept, -ECANCELED);
    return NULL;
}

static void test_run_all(void **state)
{
    (void)state;
    run_main(run_all_cases, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tasks_take_turns),
        cmocka_unit_test(test_resume_now_and_unpark),
        cmocka_unit_test(test_resume_now_just_spawned),
        cmocka_unit_test(test_park_permit_and_deadline),
        cmocka_unit_test(test_unpark_before_cancellation),
        cmocka_unit_test(test_deadlock_is_noticed),
        cmocka_unit_test(test_unpark_beats_deadline),
        cmocka_unit_test(test_sleeps_overlap),
        cmocka_unit_test(test_wait_fd),
        cmocka_unit_test(test_cancel_in_each_wait),
        cmocka_unit_test(test_cleanup_is_bounded),
        cmocka_unit_test(test_grace_ends),
        cmocka_unit_test(test_max_tasks),
        cmocka_unit_test(test_offload),
        cmocka_unit_test(test_run_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
