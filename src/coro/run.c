/* SPDX-License-Identifier: MIT
 *
 * The one file that knows all that a loop runs: it alternates between the tasks that are ready, one
 * turn of the loop, and the timers that are due.
 */
#include "coro/run.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "coro/loop.h"
#include "coro/offload.h"
#include "coro/task.h"
#include "coro/timer.h"

enum { WARM_STACKS = 16, OFFLOAD_THREADS = 4, CLEANUP_MS = 1000 };

/* What a loop is to this file. */
struct runner {
    struct coro_loop loop; /* first: it is what callers know */
    struct coro_scheduler scheduler;
    struct coro_timer grace;
    int64_t grace_at_ns;
    bool running, grace_over;
};

static struct runner *runner_of(struct coro_loop *loop)
{
    return (struct runner *)loop;
}

static void on_grace_over(struct coro_loop *loop, struct coro_timer *timer)
{
    (void)timer;
    runner_of(loop)->grace_over = true;
}

struct coro_loop *coro_loop_new(const struct coro_loop_config *config)
{
    static const struct coro_loop_config defaults;
    const struct coro_loop_config *c = config != NULL ? config : &defaults;
    struct runner *r = calloc(1, sizeof *r);
    size_t warm = c->stacks_anew ? CORO_STACK_ANEW : WARM_STACKS;
    int rc = -ENOMEM;

    if (r == NULL)
        return NULL;
    r->scheduler = (struct coro_scheduler){.loop = &r->loop,
                                           .stacks = coro_stack_pool_new(c->stack_bytes, warm),
                                           .max_tasks = c->max_tasks,
                                           .cleanup_ms = c->cleanup_ms};
    if (r->scheduler.stacks == NULL) {
        rc = -errno;
        goto no_stacks;
    }
    if (r->scheduler.cleanup_ms <= 0)
        r->scheduler.cleanup_ms = CLEANUP_MS;
    rc = coro_loop_open(&r->loop);
    if (rc < 0)
        goto no_loop;
    r->scheduler.stack_bytes = coro_stack_pool_bytes(r->scheduler.stacks);
    r->loop.scheduler = &r->scheduler;
    r->loop.offload =
        coro_offload_new(&r->loop, c->offload_threads != 0 ? c->offload_threads : OFFLOAD_THREADS);
    if (r->loop.offload == NULL) {
        rc = -ENOMEM;
        goto no_offload;
    }
    coro_timer_init(&r->grace, on_grace_over, NULL);
    return &r->loop;
no_offload:
    coro_loop_close(&r->loop);
no_loop:
    coro_stack_pool_free(r->scheduler.stacks);
no_stacks:
    free(r);
    errno = -rc;
    return NULL;
}

void coro_loop_free(struct coro_loop *loop)
{
    struct runner *r = runner_of(loop);

    if (r == NULL)
        return;
    assert(!r->running);
    coro_offload_free(loop->offload);
    coro_release_all(&r->scheduler);
    coro_loop_close(loop);
    coro_stack_pool_free(r->scheduler.stacks);
    free(r);
}

int coro_loop_run(struct coro_loop *loop)
{
    struct runner *r = runner_of(loop);
    struct coro_scheduler *s = &r->scheduler;
    struct coro *outer = coro_thread.looper; /* of a loop whose callback runs this one */
    int rc = 0;

    if (r->running || coro_thread.task != NULL)
        return -EBUSY;
    r->running = true;
    coro_thread.looper = coro_thread.current = coro_running();
    for (;;) {
        bool ready;

        coro_future_run_soon(loop);
        coro_run_ready(s);
        if (s->stopping && s->tasks == 0 && loop->soon.first == NULL)
            break;
        if (r->grace_over) {
            rc = -ETIMEDOUT;
            break;
        }
        ready = s->ready.first != NULL || loop->soon.first != NULL;
        if (!ready && loop->active == 0) {
            rc = -EDEADLK;
            break;
        }
        if (coro_loop_turn(loop, ready ? 0 : coro_timers_next(loop)))
            coro_timers_run(loop);
    }
    coro_thread.looper = outer;
    coro_timer_stop(loop, &r->grace);
    s->stopping = r->grace_over = r->running = false;
    return rc;
}

void coro_loop_stop(struct coro_loop *loop, int64_t grace_ms)
{
    struct runner *r = runner_of(loop);

    if (grace_ms >= 0) {
        int64_t at = coro_now_ns() + coro_ms_to_ns(grace_ms);

        if (!coro_timer_active(&r->grace) || at < r->grace_at_ns) {
            r->grace_at_ns = at;
            coro_timer_start_at(loop, &r->grace, at);
        }
    }
    if (r->scheduler.stopping)
        return;
    r->scheduler.stopping = true;
    coro_cancel_all(&r->scheduler);
}

unsigned coro_loop_tasks(const struct coro_loop *loop)
{
    return loop->scheduler->tasks;
}

size_t coro_loop_stack_peak(const struct coro_loop *loop)
{
    return coro_stack_pool_peak(loop->scheduler->stacks);
}

size_t coro_loop_stack_bytes(const struct coro_loop *loop)
{
    return loop->scheduler->stack_bytes;
}
