/* SPDX-License-Identifier: MIT
 *
 * A coroutine as tasks and generators see it: a suspended context together with what the memory
 * checkers must know of its stack. Internal to src/coro; users include task.h or generator.h.
 *
 * Every stack that execution can leave has one struct coro, the thread's own stack too
 * (coro_thread.host). coro_thread.current is the one whose stack is running. So a task and the
 * generator it resumes are two coroutines, and a generator's body may suspend the whole task:
 *
 *     loop (host) ──resume──► task ──send──► generator ──coro_sleep()──► back to the loop
 *          ▲                                    │
 *          └────── next time: straight to the generator, where the task's `leaf` points
 *
 * Because the place where each stack stopped, its bounds and its checker's fibre belong to the
 * stack and not to the task, any such chain is described truthfully at every switch.
 *
 * Inlined into users by way of task.h and generator.h: they must be compiled with the same
 * sanitizer, if any, and the same CORO_UCONTEXT as the library.
 */
#ifndef CORO_CORO_H
#define CORO_CORO_H

#include "coro/context.h"
#include "coro/sanitize.h"
#include "coro/stack.h"

#include <stdbool.h>

struct coro_task;

struct coro {
    struct coro_context ctx;  /* where it stopped; meaningless while running */
    struct coro_stack *stack; /* NULL for a thread's own stack */
    bool is_generator;
#ifdef CORO_ASAN
    void *fake_stack;
    const void *low; /* of the stack; a thread's own is learnt at the first switch away */
    size_t bytes;
#endif
#ifdef CORO_TSAN
    void *fibre;
#endif
};

/* What is being executed by this thread. Thread-local because any thread and any forked process
 * may run generators or a loop of its own; initial-exec so that reading it costs one
 * instruction and no call. A coroutine never moves to another thread, so a compiler that keeps
 * its address across a switch does no harm. */
struct coro_thread {
    struct coro *current;   /* NULL before the first switch: the host */
    struct coro_task *task; /* running task or NULL */
    struct coro *looper;    /* who runs coro_loop_run(), where tasks return to when they wait */
    struct coro host;       /* the thread's own stack */
#ifdef CORO_ASAN
    struct coro *left; /* whom the last switch left: learns its stack's bounds on arrival */
#endif
};
extern _Thread_local struct coro_thread coro_thread __attribute__((tls_model("initial-exec")));

static inline struct coro *coro_running(void)
{
    struct coro *c = coro_thread.current;

    return c != NULL ? c : &coro_thread.host;
}

/* Prepares *c to run entry(arg) on the stack when first switched to. entry must begin with
 * coro_arrived() and end with coro_leave_for_good(). */
void coro_init(struct coro *c, struct coro_stack *stack, size_t stack_bytes, coro_entry_fn *entry,
               void *arg);

/* Forgets *c, which must not be running and will never run again. */
void coro_term(struct coro *c);

/* To be called first on a stack that was switched to, before anything else. */
__attribute__((always_inline)) static inline void coro_arrived(struct coro *self)
{
#ifdef CORO_ASAN
    struct coro *left = coro_thread.left;

    __sanitizer_finish_switch_fiber(self->fake_stack, &left->low, &left->bytes);
#else
    (void)self;
#endif
}

/* Suspends `from`, which must be the running coroutine, and continues `to`, handing it `value`;
 * returns what is handed to `from` when it is continued. A first switch to `to` hands nothing. */
__attribute__((always_inline)) static inline void *coro_switch(struct coro *from, struct coro *to,
                                                               void *value)
{
#ifdef CORO_ASAN
    coro_thread.left = from;
    __sanitizer_start_switch_fiber(&from->fake_stack, to->low, to->bytes);
#endif
#ifdef CORO_TSAN
    if (from->fibre == NULL)
        from->fibre = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->fibre, 0);
#endif
    coro_thread.current = to;
    value = coro_context_switch(&from->ctx, &to->ctx, value);
    coro_arrived(from);
    return value;
}

/* The last switch of a coroutine: its stack may be reused as soon as `to` runs. */
_Noreturn void coro_leave_for_good(struct coro *from, struct coro *to, void *value);

#endif
