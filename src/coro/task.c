// SPDX-License-Identifier: MIT
/* Tasks: their scheduling and the ways in which they wait.
 *
 * All waiting comes down to coro_task_leave(), which switches from wherever the task is (its own
 * stack or that of a generator it runs) to the loop. Who wakes a task sets the condition it waits
 * for, then moves it to the ready list; the task looks at the condition again when it runs. So
 * wakes may be spurious, nothing is lost, and a wake-up before the wait is seen before waiting.
 *
 * Timers and watches of a wait live in the waiting function's frame: a task that is suspended
 * holds no memory but its stack.
 */
#include "coro/task.h"
#include "coro/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct coro_task) <= CORO_RECORD_BYTES, "a task lives in its stack's record");
static_assert(offsetof(struct coro_task, hot) == 0, "task_inline.h knows no more of it");

#define BATCHES 16

/* ---- the ready list ---- */

static void make_ready(struct coro_task *t)
{
    struct coro_loop *loop = t->loop;
    t->hot.state = CORO_READY;
    t->ready_next = NULL;
    t->ready_prev = loop->ready_tail;
    if (loop->ready_tail != NULL)
        loop->ready_tail->ready_next = t;
    else
        loop->ready_head = t;
    loop->ready_tail = t;
}

static void unready(struct coro_task *t)
{
    struct coro_loop *loop = t->loop;
    if (t->ready_prev != NULL)
        t->ready_prev->ready_next = t->ready_next;
    else
        loop->ready_head = t->ready_next;
    if (t->ready_next != NULL)
        t->ready_next->ready_prev = t->ready_prev;
    else
        loop->ready_tail = t->ready_prev;
}

void coro_wake(struct coro_task *t)
{
    if (t->hot.state == CORO_BLOCKED)
        make_ready(t);
}

/* ---- life ---- */

static void task_main(void *arg)
{
    struct coro_task *t = arg;
    coro_arrived(&t->hot.co);
    t->future.value = t->fn(t->arg);
    t->hot.state = CORO_ENDED;
    coro_thread.task = NULL;
    coro_leave_for_good(&t->hot.co, coro_thread.looper, NULL);
}

struct coro_task *coro_spawn(struct coro_loop *loop, coro_task_fn *fn, void *arg, const char *name)
{
    if (loop->stopping) {
        errno = ECANCELED;
        return NULL;
    }
    if (loop->config.max_tasks != 0 && loop->tasks >= loop->config.max_tasks) {
        errno = EAGAIN;
        return NULL;
    }
    struct coro_stack *stack = coro_stack_get(loop->stacks, name);
    if (stack == NULL)
        return NULL;
    struct coro_task *t = (void *)stack->record;
    *t = (struct coro_task){.hot.leaf = &t->hot.co,
                            .loop = loop,
                            .fn = fn,
                            .arg = arg,
                            .name = stack->name,
                            .future = {.loop = loop, .task = t, .refs = 1, .state = CORO_PENDING}};
    coro_init(&t->hot.co, stack, coro_stack_pool_bytes(loop->stacks), task_main, t);
    t->all_next = loop->all;
    if (loop->all != NULL)
        loop->all->all_prev = t;
    loop->all = t;
    loop->tasks++;
    make_ready(t);
    return t;
}

struct coro_task *coro_task_ref(struct coro_task *t)
{
    t->future.refs++;
    return t;
}

void coro_task_unref(struct coro_task *t)
{
    if (t != NULL)
        coro_future_unref(&t->future);
}

void coro_task_release(struct coro_task *t)
{
    struct coro_stack_pool *pool = t->loop->stacks;
    struct coro_stack *stack = t->hot.co.stack;
    coro_term(&t->hot.co);
    coro_stack_put(pool, stack);
}

int coro_task_error(const struct coro_task *t)
{
    if (t->error != 0)
        return t->error;
    return t->hot.flags & CORO_TOLD ? -ECANCELED : 0;
}

/* A task's function has returned; on the loop's stack. */
void coro_task_ended(struct coro_task *t)
{
    struct coro_loop *loop = t->loop;
    if (t->all_prev != NULL)
        t->all_prev->all_next = t->all_next;
    else
        loop->all = t->all_next;
    if (t->all_next != NULL)
        t->all_next->all_prev = t->all_prev;
    loop->tasks--;
    int error = coro_task_error(t);
    coro_future_complete(&t->future, error == -ECANCELED ? CORO_CANCELLED : CORO_DONE,
                         t->future.value, error);
    coro_task_unref(t);
}

void coro_task_release_all(struct coro_loop *loop)
{
    while (loop->all != NULL) {
        struct coro_task *t = loop->all;
        loop->all = t->all_next;
        coro_term(&t->hot.co); /* the stack goes with the pool */
    }
}

void coro_run_ready(struct coro_loop *loop)
{
    /* What becomes ready meanwhile is run in a further batch, without asking the kernel in
     * between, which would cost more than most tasks' turns; but only so many times, lest events
     * starve, and not when a task paused to let them in. */
    loop->paused = false;
    for (int batch = 0; batch < BATCHES && loop->ready_head != NULL && !loop->paused; batch++) {
        struct coro_task *t, *last = loop->ready_tail;
        do {
            t = loop->ready_head;
            unready(t);
            t->future.state = CORO_RUNNING;
            coro_task_run(t);
        } while (t != last);
    }
}

/* ---- waiting ---- */

/* Notes that the task is told of its cancellation now. */
static int told(struct coro_task *t)
{
    if (!(t->hot.flags & CORO_TOLD))
        t->cleanup_at_ns = coro_now_ns() + coro_ms_to_ns(t->loop->config.cleanup_ms);
    t->hot.flags = (t->hot.flags | CORO_TOLD) & ~(unsigned)CORO_CANCEL;
    return -ECANCELED;
}

struct deadline {
    struct coro_task *task;
    int64_t at_ns;
    bool passed;
};

static void on_deadline(struct coro_loop *loop, struct coro_timer *timer)
{
    struct deadline *d = timer->data;
    if (coro_now_ns() < d->at_ns) { /* libev's clock is a double; ours is exact */
        coro_timer_start_at(loop, timer, d->at_ns);
        return;
    }
    d->passed = true;
    if (d->task->hot.state == CORO_PARKED || d->task->hot.state == CORO_BLOCKED)
        make_ready(d->task);
}

/* Waits in the given state until something makes the task ready. 0, -ETIMEDOUT, -ECANCELED. */
static int wait_in(struct coro_task *t, enum coro_run_state state, int64_t deadline_ns)
{
    bool bounded = false; /* by what a cancelled task may still wait */
    assert(t != NULL);
    if (t->hot.flags & CORO_CANCEL)
        return told(t);
    if ((t->hot.flags & CORO_TOLD) && (deadline_ns < 0 || t->cleanup_at_ns < deadline_ns)) {
        deadline_ns = t->cleanup_at_ns;
        bounded = true;
    }
    struct deadline d = {.task = t, .at_ns = deadline_ns};
    if (deadline_ns < 0) {
        coro_task_leave(&t->hot, state);
    } else {
        struct coro_timer timer;
        if (coro_now_ns() >= deadline_ns)
            return bounded ? -ECANCELED : -ETIMEDOUT;
        coro_timer_init(&timer, on_deadline, &d);
        coro_timer_start_at(t->loop, &timer, deadline_ns);
        coro_task_leave(&t->hot, state);
        coro_timer_stop(t->loop, &timer);
    }
    if (d.passed)
        return bounded ? -ECANCELED : -ETIMEDOUT;
    return 0; /* a cancellation that woke us is told by the next call */
}

int coro_block(int64_t deadline_ns)
{
    return wait_in(coro_thread.task, CORO_BLOCKED, deadline_ns);
}

void coro_block_uncancellable(void)
{
    coro_task_leave(&coro_thread.task->hot, CORO_BLOCKED);
}

int coro_park_slowly(int64_t deadline_ms)
{
    struct coro_task *t = coro_thread.task;
    int64_t deadline_ns = coro_ms_to_ns(deadline_ms);
    int rc = 0;
    while (!(t->hot.flags & CORO_PERMIT)) {
        rc = wait_in(t, CORO_PARKED, deadline_ns);
        if (rc != 0)
            break;
        if (!(t->hot.flags & CORO_CANCEL))
            break; /* resumed at once, without a permit */
    }
    if (t->hot.flags & CORO_PERMIT) {
        t->hot.flags &= ~(unsigned)CORO_PERMIT;
        rc = 0;
    }
    return rc;
}

void coro_unpark(struct coro_task *t)
{
    t->hot.flags |= CORO_PERMIT;
    if (t->hot.state == CORO_PARKED)
        make_ready(t);
}

/* Resumes a task that is not parked. */
void coro_resume_else(struct coro_task *t)
{
    if (t->hot.state != CORO_READY) {
        t->hot.flags |= CORO_PERMIT;
        return;
    }
    unready(t);
    if (t->future.state == CORO_RUNNING)
        t->hot.flags |= CORO_PERMIT;
    t->future.state = CORO_RUNNING;
    coro_task_run(t);
}

int coro_task_cancel(struct coro_task *t)
{
    if (t->hot.state == CORO_ENDED)
        return -EALREADY;
    t->hot.flags |= CORO_CANCEL;
    if (t->hot.state == CORO_PARKED || t->hot.state == CORO_BLOCKED)
        make_ready(t);
    return 0;
}

void coro_untell(void)
{
    struct coro_task *t = coro_thread.task;
    t->hot.flags = (t->hot.flags | CORO_CANCEL) & ~(unsigned)CORO_TOLD;
}

void coro_uncancel(void)
{
    struct coro_task *t = coro_thread.task;
    assert(t != NULL);
    t->hot.flags &= ~(unsigned)CORO_TOLD;
}

int coro_cancellation_point(void)
{
    struct coro_task *t = coro_thread.task;
    assert(t != NULL);
    if (t->hot.flags & CORO_CANCEL)
        return told(t);
    if ((t->hot.flags & CORO_TOLD) && coro_now_ns() >= t->cleanup_at_ns)
        return -ECANCELED;
    return 0;
}

int coro_pause(void)
{
    struct coro_task *t = coro_thread.task;
    int rc = coro_cancellation_point();
    if (rc != 0)
        return rc;
    t->loop->paused = true;
    make_ready(t);
    coro_task_leave(&t->hot, CORO_READY);
    return 0;
}

void *coro_fail(int error)
{
    assert(coro_thread.task != NULL && error < 0);
    coro_thread.task->error = error;
    return NULL;
}

struct coro_task *coro_task_self(void)
{
    return coro_thread.task;
}

struct coro_loop *coro_task_loop(const struct coro_task *t)
{
    return t->loop;
}

const char *coro_task_name(const struct coro_task *t)
{
    return t->name;
}
