/* SPDX-License-Identifier: MIT
 *
 * Waiting inside a request of the coro model: io.h by suspending the coroutine. The
 * code that waits reads as if it blocked; the loop runs whatever else is ready.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "coro/offload.h"
#include "models/loop/loop.h"

static int io_wait_suspended(struct io *io, int fd, int events, int64_t deadline_ms)
{
    struct loop_context *x = (struct loop_context *)io;
    struct loop_conn *c = x->job;
    int result;

    if (c == NULL || fd != c->conn.fd || events != IO_READ)
        return coro_wait_fd(fd, events, deadline_ms); /* IO_ and CORO_ bits are the same */
    coro_watch_start(x->process->loop, &c->watch);
    c->waiting = true;
    result = coro_park(deadline_ms);
    c->waiting = false;
    if (result == 0 && !coro_watch_active(&c->watch)) /* the kernel had no room for it */
        return coro_wait_fd(fd, events, deadline_ms);
    return result == 0 ? IO_READ : result;
}

static_assert((int)IO_READ == (int)CORO_READ && (int)IO_WRITE == (int)CORO_WRITE,
              "passed on as they are");

static int io_sleep_suspended(struct io *io, int64_t ms)
{
    (void)io;
    return coro_sleep(ms);
}

/* A semaphore of one context: what was released is never told of a timeout in its stead, and no
 * wake-up of the task itself is left over to disturb another of its waits. */
static int io_suspend_task(struct io *io, int64_t deadline_ms)
{
    return coro_sem_acquire(&((struct loop_context *)io)->resumed, deadline_ms);
}

static void io_resume_task(struct io *io)
{
    struct coro_sem *resumed = &((struct loop_context *)io)->resumed;

    if (resumed->count == 0) /* one is remembered, not a count */
        coro_sem_release(resumed);
}

/* Whoever pauses is not told of a cancellation, so that one that came meanwhile, which is told only
 * once, must be told at the next wait. */
static void tell_later(int result)
{
    if (result == -ECANCELED)
        (void)coro_task_cancel(coro_task_self());
}

/* Of those who move much one goes on in each iteration of the loop, so whoever wants little waits
 * for one of them only. */
static void io_pause_task(struct io *io)
{
    struct coro_sem *movers = &((struct loop_context *)io)->process->movers;
    int result = coro_sem_acquire(movers, CORO_FOREVER);

    if (result == 0) {
        result = coro_pause();
        coro_sem_release(movers);
    }
    tell_later(result);
}

static bool has_slices(const struct io *io)
{
    return io->server->config->slice_ms != 0;
}

static void io_begin_slice(struct io *io)
{
    if (has_slices(io))
        ((struct loop_context *)io)->slice_from_ns = io_now_ns();
}

/* With --slice: who has computed for so long goes on when others had their turn, and one in an
 * iteration of the loop of those who compute, like those who move much. What its handler waited is
 * counted too: it gives way once more often than it would have to. */
static void io_end_slice(struct io *io)
{
    const struct loop_context *x = (const struct loop_context *)io;

    if (!has_slices(io) ||
        io_now_ns() - x->slice_from_ns < (int64_t)io->server->config->slice_ms * 1000000)
        return;
    io_pause_task(io);
    io_begin_slice(io);
}

static bool io_give_way_task(struct io *io)
{
    (void)io;
    tell_later(coro_pause());
    return false;
}

struct gathered {
    struct loop_context context; /* what the job waits through */
    io_job *job;
    void *arg;
};

static void *run_gathered(void *arg)
{
    struct gathered *g = arg;
    int result = g->job(&g->context.io, g->arg);

    return result < 0 ? coro_fail(result) : NULL;
}

/* Each job as a task of its own, all at once; connections keep their places. */
static int io_gather_tasks(struct io *io, io_job *job, void *args, size_t arg_size, size_t count)
{
    const struct loop_context *x = (const struct loop_context *)io;
    struct loop_process *p = x->process;
    struct coro_call *calls = calloc(count, sizeof *calls);
    struct gathered *gathered = calloc(count, sizeof *gathered);
    int result = -ENOMEM;

    if (calls != NULL && gathered != NULL && count <= loop_max_gathered(p->server) - p->gathered) {
        for (size_t i = 0; i < count; i++) {
            gathered[i] =
                (struct gathered){.context = *x, .job = job, .arg = (char *)args + i * arg_size};
            gathered[i].context.job = NULL;
            coro_sem_init(&gathered[i].context.resumed, 0);
            calls[i].fn = run_gathered;
            calls[i].arg = &gathered[i];
        }
        p->gathered += (unsigned)count;
        result = coro_run_all(calls, count, CORO_FOREVER);
        p->gathered -= (unsigned)count;
    }
    free(calls);
    free(gathered);
    return result == -EAGAIN ? -ENOMEM : result;
}

struct offloaded {
    void (*call)(void *arg);
    void *arg;
};

static void *run_offloaded(void *arg)
{
    struct offloaded *o = arg;

    o->call(o->arg);
    return NULL;
}

static int io_offload_threads(struct io *io, void (*call)(void *arg), void *arg,
                              int64_t deadline_ms)
{
    struct offloaded offloaded = {call, arg};
    int result = coro_offload(run_offloaded, &offloaded, NULL, deadline_ms);

    (void)io;
    return result == -EAGAIN ? -ENOMEM : result;
}

const struct io_ops loop_io_ops = {
    .wait = io_wait_suspended,
    .sleep = io_sleep_suspended,
    .suspend = io_suspend_task,
    .resume = io_resume_task,
    .gather = io_gather_tasks,
    .offload = io_offload_threads,
    .pause = io_pause_task,
    .give_way = io_give_way_task,
    .begin = io_begin_slice,
    .checkpoint = io_end_slice,
    .model = "coro",
    .gather_how = "concurrently",
    .context_is = "coroutine",
};
