/* SPDX-License-Identifier: MIT
 *
 * Tasks: their scheduling and the wait that all others are made of.
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

#include <assert.h>
#include <errno.h>

#include "coro/expect.h"
#include "coro/loop.h"
#include "coro/timer.h"

static_assert(sizeof(struct coro_task) <= CORO_RECORD_BYTES, "a task lives in its stack's record");

enum { BATCHES = 16 };

/* ---- the ready list ---- */

static void make_ready(struct coro_task *t)
{
    t->state = CORO_READY;
    coro_list_append(&t->scheduler->ready, &t->ready);
}

void coro_wake(struct coro_task *t)
{
    if (t->state == CORO_BLOCKED)
        make_ready(t);
}

/* ---- life ---- */

static void task_main(void *arg)
{
    struct coro_task *t = arg;

    coro_arrived(&t->co);
    t->future.value = t->fn(t->arg);
    t->state = CORO_ENDED;
    coro_thread.task = NULL;
    coro_leave_for_good(&t->co, coro_thread.looper, NULL);
}

static struct coro_task *task_of(struct coro_future *f)
{
    return CORO_HOLDER(f, struct coro_task, future);
}

static int cancel_task_of(struct coro_future *f)
{
    return coro_task_cancel(task_of(f));
}

/* The one place where a task's stack is freed, and the task with it. */
static void free_task_of(struct coro_future *f)
{
    struct coro_task *t = task_of(f);
    struct coro_stack *stack = t->co.stack;

    coro_expect(t->state == CORO_ENDED, t->name, "freed before it has ended");
    coro_term(&t->co);
    coro_stack_put(t->scheduler->stacks, stack);
}

static const struct coro_future_hooks task_hooks = {cancel_task_of, free_task_of};

struct coro_task *coro_spawn(struct coro_loop *loop, coro_task_fn *fn, void *arg, const char *name)
{
    struct coro_scheduler *s = loop->scheduler;
    struct coro_stack *stack;
    struct coro_task *t;

    if (s->stopping) {
        errno = ECANCELED;
        return NULL;
    }
    if (s->max_tasks != 0 && s->tasks >= s->max_tasks) {
        errno = EAGAIN;
        return NULL;
    }
    stack = coro_stack_get(s->stacks, name);
    if (stack == NULL)
        return NULL;
    t = (void *)stack->record;
    *t = (struct coro_task){.leaf = &t->co,
                            .scheduler = s,
                            .fn = fn,
                            .arg = arg,
                            .name = stack->name,
                            .future = {.loop = loop, .hooks = &task_hooks, .refs = 1}};
    coro_init(&t->co, stack, s->stack_bytes, task_main, t);
    coro_list_append(&s->alive, &t->alive);
    s->tasks++;
    make_ready(t);
    return t;
}

struct coro_task *coro_task_ref(struct coro_task *t)
{
    coro_future_ref(&t->future);
    return t;
}

void coro_task_unref(struct coro_task *t)
{
    if (t != NULL)
        coro_future_unref(&t->future);
}

struct coro_future *coro_task_future(struct coro_task *t)
{
    return &t->future;
}

int coro_task_error(const struct coro_task *t)
{
    if (t->error != 0)
        return t->error;
    return t->flags & CORO_TOLD ? -ECANCELED : 0;
}

/* A task's function has returned; on the loop's stack. */
void coro_task_ended(struct coro_task *t)
{
    int error = coro_task_error(t);

    coro_expect(t->future.state < CORO_DONE, t->name, "ended a second time");
    coro_list_remove(&t->scheduler->alive, &t->alive);
    t->scheduler->tasks--;
    coro_future_complete(&t->future, error == -ECANCELED ? CORO_CANCELLED : CORO_DONE,
                         t->future.value, error);
    coro_task_unref(t);
}

/* ---- all of a loop's ---- */

void coro_run_ready(struct coro_scheduler *s)
{
    /* What becomes ready meanwhile is run in a further batch, without asking the kernel in
     * between, which would cost more than most tasks' turns; but only so many times, lest events
     * starve, and not when a task paused to let them in. */
    s->paused = false;
    for (int batch = 0; batch < BATCHES && s->ready.first != NULL && !s->paused; batch++) {
        const struct coro_link *last = s->ready.last, *link;

        do {
            struct coro_task *t;

            link = coro_list_take(&s->ready);
            t = CORO_HOLDER(link, struct coro_task, ready);
            t->future.state = CORO_RUNNING;
            coro_task_run(t);
        } while (link != last);
    }
}

void coro_cancel_all(struct coro_scheduler *s)
{
    for (struct coro_link *link = s->alive.last; link != NULL; link = link->prev)
        (void)coro_task_cancel(CORO_HOLDER(link, struct coro_task, alive));
}

void coro_release_all(struct coro_scheduler *s)
{
    for (struct coro_link *link = s->alive.first; link != NULL; link = link->next)
        coro_term(&CORO_HOLDER(link, struct coro_task, alive)->co);
}

/* ---- waiting ---- */

/* Notes that the task is told of its cancellation now. */
static int told(struct coro_task *t)
{
    if (!(t->flags & CORO_TOLD))
        t->cleanup_at_ns = coro_now_ns() + coro_ms_to_ns(t->scheduler->cleanup_ms);
    t->flags = (t->flags | CORO_TOLD) & ~(unsigned)CORO_CANCEL;
    return -ECANCELED;
}

struct deadline {
    struct coro_task *task;
    bool passed;
};

static void on_deadline(struct coro_loop *loop, struct coro_timer *timer)
{
    struct deadline *d = timer->data;

    (void)loop;
    d->passed = true;
    if (d->task->state == CORO_PARKED || d->task->state == CORO_BLOCKED)
        make_ready(d->task);
}

/* Waits in the given state until something makes the task ready. 0, -ETIMEDOUT, -ECANCELED. */
static int wait_in(struct coro_task *t, enum coro_run_state state, int64_t deadline_ns)
{
    struct deadline d = {.task = t};
    bool bounded = false; /* by what a cancelled task may still wait */

    assert(t != NULL);
    if (t->flags & CORO_CANCEL)
        return told(t);
    if ((t->flags & CORO_TOLD) && (deadline_ns < 0 || t->cleanup_at_ns < deadline_ns)) {
        deadline_ns = t->cleanup_at_ns;
        bounded = true;
    }
    if (deadline_ns < 0) {
        coro_task_leave(t, state);
    } else {
        struct coro_loop *loop = t->scheduler->loop;
        struct coro_timer timer;

        if (coro_now_ns() >= deadline_ns)
            return bounded ? -ECANCELED : -ETIMEDOUT;
        coro_timer_init(&timer, on_deadline, &d);
        coro_timer_start_at(loop, &timer, deadline_ns);
        coro_task_leave(t, state);
        coro_timer_stop(loop, &timer);
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
    coro_task_leave(coro_thread.task, CORO_BLOCKED);
}

int coro_park_slowly(int64_t deadline_ms)
{
    struct coro_task *t = coro_thread.task;
    int64_t deadline_ns = coro_ms_to_ns(deadline_ms);
    int rc = 0;

    while (!(t->flags & CORO_PERMIT)) {
        rc = wait_in(t, CORO_PARKED, deadline_ns);
        if (rc != 0)
            break;
        if (!(t->flags & CORO_CANCEL))
            break; /* resumed at once, without a permit */
    }
    if (t->flags & CORO_PERMIT) {
        t->flags &= ~(unsigned)CORO_PERMIT;
        rc = 0;
    }
    return rc;
}

void coro_unpark(struct coro_task *t)
{
    t->flags |= CORO_PERMIT;
    if (t->state == CORO_PARKED)
        make_ready(t);
}

/* Resumes a task that is not parked. */
void coro_resume_else(struct coro_task *t)
{
    if (t->state != CORO_READY) {
        t->flags |= CORO_PERMIT;
        return;
    }
    coro_list_remove(&t->scheduler->ready, &t->ready);
    if (t->future.state == CORO_RUNNING)
        t->flags |= CORO_PERMIT;
    t->future.state = CORO_RUNNING;
    coro_task_run(t);
}

int coro_task_cancel(struct coro_task *t)
{
    if (t->state == CORO_ENDED)
        return -EALREADY;
    t->flags |= CORO_CANCEL;
    if (t->state == CORO_PARKED || t->state == CORO_BLOCKED)
        make_ready(t);
    return 0;
}

void coro_untell(void)
{
    struct coro_task *t = coro_thread.task;

    t->flags = (t->flags | CORO_CANCEL) & ~(unsigned)CORO_TOLD;
}

void coro_uncancel(void)
{
    struct coro_task *t = coro_thread.task;

    assert(t != NULL);
    t->flags &= ~(unsigned)CORO_TOLD;
}

int coro_cancellation_point(void)
{
    struct coro_task *t = coro_thread.task;

    assert(t != NULL);
    if (t->flags & CORO_CANCEL)
        return told(t);
    if ((t->flags & CORO_TOLD) && coro_now_ns() >= t->cleanup_at_ns)
        return -ECANCELED;
    return 0;
}

int coro_pause(void)
{
    struct coro_task *t = coro_thread.task;
    int rc = coro_cancellation_point();

    if (rc != 0)
        return rc;
    t->scheduler->paused = true;
    make_ready(t);
    coro_task_leave(t, CORO_READY);
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
    return t->scheduler->loop;
}
