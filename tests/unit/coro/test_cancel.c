// SPDX-License-Identifier: MIT
/* Cancellation in each wait, bounded clean-up, stopping a loop, offloaded calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- cancellation ---- */

static int broken_pipe[2];

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

static void on_stop_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    (void)timer;
    coro_loop_stop(loop, 1000);
}

static void test_cleanup_is_bounded(void **state)
{
    (void)state;
    int done = 0;
    struct coro_loop_config config = {.cleanup_ms = 30};
    struct coro_loop *loop = coro_loop_new(&config);
    struct coro_timer timer;
    spawn(loop, clean_up_slowly, &done);
    coro_timer_init(&timer, on_stop_tick, NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel_in_each_wait),
        cmocka_unit_test(test_cleanup_is_bounded),
        cmocka_unit_test(test_grace_ends),
        cmocka_unit_test(test_offload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
