/* SPDX-License-Identifier: MIT
 *
 * What the tests of tasks share: a trace of what happened in which order, and running a function
 * as the main task of a loop of its own. Included after cmocka.h.
 */
#ifndef TEST_CORO_TASKS_H
#define TEST_CORO_TASKS_H

#include "coro/await.h"
#include "coro/loop.h"
#include "coro/offload.h"
#include "coro/run.h"
#include "coro/timer.h"
#include "coro/wait.h"

#include <errno.h>
#include <string.h>

static char trace[256];

static inline void note(const char *what)
{
    strncat(trace, what, sizeof trace - strlen(trace) - 1);
}

static inline struct coro_loop *new_loop(void)
{
    struct coro_loop *loop = coro_loop_new(NULL);

    assert_non_null(loop);
    trace[0] = '\0';
    return loop;
}

static inline void spawn(struct coro_loop *loop, coro_task_fn *fn, void *arg)
{
    assert_non_null(coro_spawn(loop, fn, arg, "test"));
}

static inline struct coro_loop *this_loop(void)
{
    return coro_task_loop(coro_task_self());
}

/* Spawns a task and takes a reference to it as a future. */
static inline struct coro_future *go(coro_task_fn *fn, void *arg)
{
    struct coro_task *t = coro_spawn(this_loop(), fn, arg, "test");

    assert_non_null(t);
    return coro_future_ref(coro_task_future(t));
}

/* A task that ends the loop when its function returns. */
struct main_call {
    coro_task_fn *fn;
    void *arg;
};

static inline void *main_task(void *arg)
{
    struct main_call *call = arg;
    void *result = call->fn(call->arg);

    coro_loop_stop(coro_task_loop(coro_task_self()), 5000);
    return result;
}

static inline void run_main(coro_task_fn *fn, void *arg)
{
    struct coro_loop *loop = new_loop();
    struct main_call call = {fn, arg};

    spawn(loop, main_task, &call);
    assert_int_equal(coro_loop_run(loop), 0);
    assert_int_equal(coro_loop_tasks(loop), 0);
    coro_loop_free(loop);
}

/* Waits, 60 s if nobody objects, and says what the wait said. */
static inline void *wait_sleep(void *arg)
{
    *(int *)arg = coro_sleep(60000);
    return NULL;
}

#endif
