/* SPDX-License-Identifier: MIT
 *
 * coro: a pool of stackful coroutines on an event loop; each request is given a
 * coroutine, which goes back to the pool when the request is done. With
 * --dispatch=connection it stays with its connection until that is closed. With --pool=none there
 * is no pool: it is made, stack and all, for that request or connection, and nothing is left of it.
 *
 * One process, one thread, one loop: the coroutines take turns. Where a pool's
 * worker would block in the kernel, a coroutine suspends and the loop goes on with
 * whatever is ready, so thousands of requests can wait at the price of a stack
 * each. They are concurrent but not parallel: one that computes, or blocks in a
 * call that cannot suspend, holds up the loop. --workers=N runs N such processes
 * under the master, to use N cores; they share the listening socket and nothing else.
 *
 * Read this with loop/loop.h (what a loop process holds), then loop/lot.c (parked connections),
 * loop/serve.c (how one is served), loop/contexts.c (idle coroutines), loop/accept.c and loop/io.c;
 * what a coroutine is, in coro/.
 *
 * A connection keeps one watch for its life. While it is parked, an event on it
 * takes an idle coroutine and switches to it at once; the coroutine serves what is
 * ready, parks the connection and switches back: no queue, no timer, no
 * allocation, and no system call beyond the reading and writing.
 */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "http/connection.h"
#include "expect.h"
#include "log.h"
#include "http/context.h"
#include "models/loop/loop.h"
#include "models/model.h"
#include "server.h"
#include "shortage.h"
#include "worker.h"

enum {
    TICK_MS = 250, /* between looks for expired connections */
    DRAIN_TICK_MS = 20,
    OFFLOAD_THREADS = 4,
};

/* ---- connections ------------------------------------------------------------------------ */

static void on_readable(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct loop_conn *c = (struct loop_conn *)((char *)watch - offsetof(struct loop_conn, watch));
    struct loop_process *p = watch->data;

    if (events == 0)
        shortage_report(p->server, "epoll", ENOSPC);
    if (c->busy == NULL && events != 0)
        loop_serve(p, c);
    else if (c->busy == NULL)
        return; /* parked without a watch: the sweep looks */
    else if (c->waiting)
        coro_resume_now(c->busy->task); /* which sees a failure by the watch that is not active */
    else
        coro_watch_stop(loop, watch); /* more input while a request is served: later */
}

static void admit(struct loop_process *p, int fd, const struct in6_addr *client, bool at_once)
{
    struct loop_conn *c = loop_open_conn(p, fd, client);

    coro_watch_init(&c->watch, fd, CORO_READ, on_readable, p);
    if (at_once)
        loop_serve(p, c); /* the request is often there already */
    else
        coro_watch_start(p->loop, &c->watch);
}

/* ---- time and stopping ------------------------------------------------------------------ */

/* While draining: accepts what waited to be, if nobody else is going to. */
static void take_backlog(struct loop_process *p)
{
    if (!atomic_load(&p->control->take_backlog) || atomic_load(&p->control->backlog_taken) ||
        p->stopping)
        return;
    if (loop_accept_rest(p))
        worker_backlog_taken(p->server);
}

static void begin_draining(struct loop_process *p)
{
    p->draining = true;
    coro_watch_stop(p->loop, &p->stop);
    loop_accept_end(p);
    take_backlog(p);
    coro_timer_start(p->loop, &p->tick, 0, DRAIN_TICK_MS);
}

static void on_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    struct loop_process *p = timer->data;

    atomic_store_explicit(&p->control->beat_ms, io_now_ms(), memory_order_relaxed);
    loop_sweep(p, loop_serve);
    loop_serve_queue(p);
    loop_trim_contexts(p);
    atomic_store_explicit(&p->stats->stack_peak, coro_loop_stack_peak(loop), memory_order_relaxed);
    worker_look_spent(p->server, p->worker, 1);
    if (!p->draining && server_told_to_finish(p->server))
        begin_draining(p);
    else if (p->draining)
        take_backlog(p);
    if (p->draining && !p->stopping &&
        (p->open == 0 || io_now_ms() >= server_drain_deadline(p->server)))
        loop_stop(p, 2 * DRAIN_TICK_MS); /* what has not finished by now is cancelled */
}

static void on_stop(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    (void)loop;
    (void)events;
    begin_draining(watch->data);
}

/* ---- the process ------------------------------------------------------------------------ */

static int open_process(struct loop_process *p, const struct worker_process *self)
{
    struct coro_loop_config config = {.stack_bytes = p->server->config->stack_size,
                                      .stacks_anew = p->server->config->pool == POOL_NONE,
                                      .offload_threads = OFFLOAD_THREADS};
    int result = context_init(&p->loop_io, &context_never_waits, p->server, self->first);

    if (result < 0)
        return result;
    p->worker = self->first;
    p->stats = &p->server->shared->workers[self->first];
    p->control = p->server->control;
    p->run = loop_run_context;
    p->ops = &loop_io_ops;
    p->put_back = loop_put_back;
    p->fair = p->server->workers > 1;
    p->keeps = p->server->config->dispatch == DISPATCH_CONNECTION;
    p->anew = config.stacks_anew;
    p->queue_end = &p->queue;
    coro_sem_init(&p->movers, 1);
    result = loop_open_lot(p);
    if (result < 0)
        return result;
    descriptors_resolve(p->server, p->server->workers, 0);
    config.max_tasks = p->server->process_connections + loop_max_gathered(p->server);
    p->loop = coro_loop_new(&config);
    if (p->loop == NULL)
        return -errno;
    coro_watch_init(&p->stop, self->stop_fd, CORO_READ, on_stop, p);
    coro_timer_init(&p->tick, on_tick, p);
    coro_timer_start(p->loop, &p->tick, TICK_MS, TICK_MS);
    result = coro_watch_start_now(p->loop, &p->stop);
    return result < 0 ? result : loop_accept_start(p, admit);
}

static void close_process(struct loop_process *p)
{
    coro_loop_free(p->loop);
    loop_accept_free(p);
    loop_close_lot(p);
    context_term(&p->loop_io);
}

static int work(struct server *server, const struct worker_process *self, void *arg)
{
    struct loop_process p = {.server = server};
    int result;

    (void)arg;
    /* The buffers of coroutines that a flood of clients took go back to the kernel when they end,
     * and are not kept from it by whatever came to lie behind them. */
    mallopt(M_MMAP_THRESHOLD, HTTP_OUT_SIZE);
    result = open_process(&p, self);
    if (result == 0) {
        model_begin_worker(&p.loop_io, "loop");
        atomic_store(&p.control->beat_ms, io_now_ms());
        worker_ready(server, self);
        result = coro_loop_run(p.loop);
    }
    if (result == -ETIMEDOUT && p.stopping)
        _exit(EXIT_SUCCESS); /* requests were cut off where they cannot be cancelled */
    if (result < 0)
        log_line(LOG_ERROR, "loop %u: %s", self->first, strerror(-result));
    close_process(&p);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct model coro_model = {
    .name = "coro",
    .summary = "a pool of coroutines on an event loop: one is taken for each request and suspends "
               "while it waits",
    .workers_per_core = 0,
    .work = work,
    .check = model_check_coroutines,
};
