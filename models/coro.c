/* SPDX-License-Identifier: MIT
 *
 * coro: a pool of stackful coroutines on an event loop; each request is given a
 * coroutine, which goes back to the pool when the request is done.
 *
 * One process, one thread, one loop: the coroutines take turns. Where a pool's
 * worker would block in the kernel, a coroutine suspends and the loop goes on with
 * whatever is ready, so thousands of requests can wait at the price of a stack
 * each. They are concurrent but not parallel: one that computes, or blocks in a
 * call that cannot suspend, holds up the loop. --workers=N runs N such processes
 * under the master, to use N cores; they share the listening socket and nothing else.
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
#include <sys/mman.h>
#include <unistd.h>

#include "db/db.h"
#include "descriptors.h"
#include "http/connection.h"
#include "log.h"
#include "models/context.h"
#include "http/crowd.h"
#include "models/loop/loop.h"
#include "master/master.h"
#include "models/model.h"
#include "server.h"
#include "shortage.h"
#include "worker.h"

enum {
    TICK_MS = 250, /* between looks for expired connections */
    DRAIN_TICK_MS = 20,
    UNWATCHED_KEPT = 256, /* before the first of them is looked after: see leave_unwatched() */
    IDLE_KEPT = 16,       /* idle coroutines kept even when none was needed of late */
    OFFLOAD_THREADS = 4,
    MAX_GATHERED = 16384, /* coroutines beside those that serve connections */
};

/* Gives the pages of the spill back to the kernel. */
static void clean(const struct loop_process *p, struct loop_conn *c)
{
    if (c->conn.dirty)
        madvise(c->conn.spill, p->spill_size, MADV_DONTNEED);
    c->conn.dirty = false;
}

static void close_conn(struct loop_process *p, struct loop_conn *c)
{
    coro_watch_stop(p->loop, &c->watch);
    clean(p, c);
    c->open = false;
    c->busy = NULL;
    p->open--;
    close(c->conn.fd);
    shared_connection_closed(p->server->shared, p->stats);
    loop_accept_resume(p);
}

static void put_back(struct loop_process *p, struct loop_conn *c, enum conn_next next);

/* Looks after the first connection left unwatched: it is watched if its client has not closed it
 * yet. */
static void look_after(struct loop_process *p)
{
    struct loop_conn *c = p->unwatched;

    p->unwatched = c->next;
    p->unwatched_count--;
    if (p->unwatched == NULL)
        p->unwatched_end = &p->unwatched;
    put_back(p, c, connection_serve(&c->conn, &p->loop_io));
}

static bool may_go_unwatched(struct loop_process *p, const struct loop_conn *c)
{
    return rush_note(&p->rush) && !coro_watch_active(&c->watch) && server_has_places(p->server) &&
           !p->draining;
}

/* The client has its last answer, and most close at once. Where many do, it takes no watch and no
 * event to see that: the loop looks when the 256th after it ends, or at its next tick. */
static void leave_unwatched(struct loop_process *p, struct loop_conn *c)
{
    c->next = NULL;
    *p->unwatched_end = c;
    p->unwatched_end = &c->next;
    if (++p->unwatched_count > UNWATCHED_KEPT)
        look_after(p);
}

/* After serving: the record is parked or closed. */
static void put_back(struct loop_process *p, struct loop_conn *c, enum conn_next next)
{
    c->busy = NULL;
    if (next == CONN_CLOSE) {
        close_conn(p, c);
        return;
    }
    if (c->conn.spilled == 0)
        clean(p, c);
    if (c->conn.phase == CONN_ENDING && may_go_unwatched(p, c))
        leave_unwatched(p, c);
    else
        coro_watch_start(p->loop, &c->watch);
}

/* ---- the pool of coroutines ------------------------------------------------------------ */

static struct loop_conn *next_job(struct loop_process *p)
{
    struct loop_conn *c = p->queue;

    if (c != NULL) {
        p->queue = c->next;
        c->queued = false;
        if (p->queue == NULL)
            p->queue_end = &p->queue;
    }
    return c;
}

static void free_context(struct loop_context *x)
{
    free(x->io.in);
    free(x->io.out);
    free(x);
}

/* A coroutine of the pool: serves one connection after another until it is resumed without one. */
static void *context_main(void *arg)
{
    struct loop_context *x = arg;
    struct loop_process *p = x->process;

    while (x->job != NULL) {
        struct loop_conn *c = x->job;

        shared_context_enter(p->server->shared, p->stats);
        put_back(p, c, connection_serve(&c->conn, &x->io));
        shared_context_leave(p->server->shared, p->stats);
        x->job = next_job(p);
        if (x->job != NULL) {
            x->job->busy = x;
            continue;
        }
        if (p->stopping)
            break; /* nothing is looked up in `idle` any more */
        x->next = p->idle;
        p->idle = x;
        p->idle_count++;
        if (coro_park(CORO_FOREVER) < 0)
            break;
    }
    free_context(x);
    return NULL;
}

__attribute__((cold, noinline)) static struct loop_context *new_context(struct loop_process *p)
{
    struct loop_context *x = calloc(1, sizeof *x);

    if (x == NULL)
        return NULL;
    x->process = p;
    x->io = p->loop_io;
    x->io.ops = &loop_io_ops;
    x->io.context = ++p->contexts;
    coro_sem_init(&x->resumed, 0);
    x->io.in = malloc(x->io.in_size);
    x->io.out = malloc(x->io.out_size);
    if (x->io.in != NULL && x->io.out != NULL)
        x->task = coro_spawn(p->loop, context_main, x, "request");
    if (x->task == NULL) {
        free_context(x);
        return NULL;
    }
    return x;
}

static struct loop_context *take_context(struct loop_process *p)
{
    struct loop_context *x = p->idle;

    if (x == NULL)
        return new_context(p);
    p->idle = x->next;
    if (--p->idle_count < p->idle_least)
        p->idle_least = p->idle_count;
    return x;
}

/* Ends coroutines that were idle all the time since the last call. */
static void trim_contexts(struct loop_process *p)
{
    unsigned excess = p->idle_least > IDLE_KEPT ? p->idle_least - IDLE_KEPT : 0;

    while (excess-- > 0 && p->idle != NULL)
        coro_resume_now(take_context(p)->task); /* without a job: it ends */
    p->idle_least = p->idle_count;
}

/* No coroutine can be had: c is served when one is free again. */
__attribute__((cold, noinline)) static void enqueue(struct loop_process *p, struct loop_conn *c)
{
    if (!p->stopping)
        shortage_report(p->server, "no coroutine", ENOMEM);
    coro_watch_stop(p->loop, &c->watch);
    c->queued = true;
    c->next = NULL;
    *p->queue_end = c;
    p->queue_end = &c->next;
}

/* Switches to a coroutine that serves c; back when it is done or waits. */
void loop_serve(struct loop_process *p, struct loop_conn *c)
{
    struct loop_context *x = p->stopping ? NULL : take_context(p);

    if (x == NULL) {
        enqueue(p, c);
        return;
    }
    x->job = c;
    c->busy = x;
    coro_resume_now(x->task);
}

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

void loop_open_conn(struct loop_process *p, int fd, const struct in6_addr *client, bool serve)
{
    struct loop_conn *c = &p->conns[fd];

    *c = (struct loop_conn){.open = true};
    connection_init(&c->conn, fd, client, p->spill + (size_t)fd * p->spill_size, p->server->config);
    coro_watch_init(&c->watch, fd, CORO_READ, on_readable, p);
    if ((unsigned)fd >= p->high)
        p->high = (unsigned)fd + 1;
    p->open++;
    if (serve)
        loop_serve(p, c); /* the request is often there already */
    else
        coro_watch_start(p->loop, &c->watch);
}

/* Connections that found no coroutine, when none is busy that would take them on. */
static void serve_queue(struct loop_process *p)
{
    while (p->queue != NULL && !p->stopping) {
        struct loop_context *x = take_context(p);

        if (x == NULL)
            return;
        x->job = next_job(p);
        x->job->busy = x;
        coro_resume_now(x->task);
    }
}

/* ---- time and stopping ------------------------------------------------------------------ */

static bool is_parked(const struct loop_conn *c)
{
    return c->open && c->busy == NULL && !c->queued;
}

/* Ends what has expired; while draining also what is idle. Serves what cannot be watched. */
static void sweep(struct loop_process *p)
{
    int64_t now = io_now_ms();
    struct crowd crowd;

    while (p->unwatched != NULL)
        look_after(p);
    crowd_begin(&crowd, p->server);
    for (unsigned fd = 0; fd < p->high; fd++) {
        struct loop_conn *c = &p->conns[fd];

        if (is_parked(c) && atomic_load_explicit(&c->conn.deadline_ms, memory_order_relaxed) <= now)
            put_back(p, c, connection_expire(&c->conn, &p->loop_io));
        if (p->draining && is_parked(c))
            put_back(p, c, connection_drain(&c->conn, &p->loop_io));
        if (is_parked(c) && !coro_watch_active(&c->watch))
            loop_serve(p, c); /* the kernel had no room for its watch */
        if (is_parked(c))
            crowd_offer(&crowd, &c->conn, (int)fd);
    }
    for (unsigned i = 0; i < crowd.count; i++) {
        struct loop_conn *c = &p->conns[crowd.idle[i].fd];

        if (is_parked(c))
            put_back(p, c, connection_make_room(&c->conn, &p->loop_io));
    }
}

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
    uint64_t most = p->server->config->max_requests;

    atomic_store_explicit(&p->control->beat_ms, io_now_ms(), memory_order_relaxed);
    sweep(p);
    serve_queue(p);
    trim_contexts(p);
    atomic_store_explicit(&p->stats->stack_peak, coro_loop_stack_peak(loop), memory_order_relaxed);
    if (most > 0 && stats_get(&p->stats->requests) - stats_get(&p->stats->requests_before) >= most)
        worker_spent(p->server);
    if (!p->draining && server_told_to_finish(p->server))
        begin_draining(p);
    else if (p->draining)
        take_backlog(p);
    if (p->draining && !p->stopping &&
        (p->open == 0 || io_now_ms() >= server_drain_deadline(p->server))) {
        p->stopping = true; /* what has not finished by now is cancelled */
        p->idle = NULL;
        p->idle_count = p->idle_least = 0;
        coro_loop_stop(loop, 2 * DRAIN_TICK_MS);
    }
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
                                      .offload_threads = OFFLOAD_THREADS};
    int result = context_init(&p->loop_io, &context_never_waits, p->server, self->first);

    if (result < 0)
        return result;
    p->worker = self->first;
    p->stats = &p->server->shared->workers[self->first];
    p->control = p->server->control;
    p->queue_end = &p->queue;
    p->unwatched_end = &p->unwatched;
    p->rush.least = RUSH_LEAST;
    coro_sem_init(&p->movers, 1);
    p->spill_size = connection_spill_size(p->server->config); /* whole pages */
    p->spill =
        descriptors_map(p->server, 0, p->spill_size + sizeof *p->conns, MAP_PRIVATE, &p->mapped);
    if (p->spill == NULL)
        return -ENOMEM;
    p->conns = (struct loop_conn *)(p->spill + p->server->descriptors * p->spill_size);
    descriptors_resolve(p->server, p->server->workers, 0);
    config.max_tasks = p->server->process_connections + MAX_GATHERED;
    p->loop = coro_loop_new(&config);
    if (p->loop == NULL)
        return -errno;
    coro_watch_init(&p->stop, self->stop_fd, CORO_READ, on_stop, p);
    coro_timer_init(&p->tick, on_tick, p);
    coro_timer_start(p->loop, &p->tick, TICK_MS, TICK_MS);
    result = coro_watch_start_now(p->loop, &p->stop);
    return result < 0 ? result : loop_accept_start(p);
}

static void close_process(struct loop_process *p)
{
    coro_loop_free(p->loop);
    free(p->rivals);
    if (p->spill != NULL)
        munmap(p->spill, p->mapped);
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
        context_begin(&p.loop_io, "loop");
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

static void died(struct server *server, unsigned first, bool killed, void *arg)
{
    (void)killed;
    (void)arg;
    shared_worker_lost_connections(server->shared, first);
    shared_worker_died(server->shared, first);
}

static int coro_open(struct server *server, const struct master_plan *before,
                     struct master_plan *plan)
{
    (void)before;
    descriptors_resolve(server, server->workers, 0);
    *plan = (struct master_plan){
        .processes = server->workers, .slots_each = 1, .work = work, .died = died};
    return 0;
}

static void coro_close(struct master_plan *plan)
{
    (void)plan;
}

static int coro_check(const struct config *config, char *error, size_t error_size)
{
    if (config->gil) {
        snprintf(error, error_size, "--gil: only --model=threads has a lock to share, not coro");
        return -EINVAL;
    }
    if (config->dispatch == DISPATCH_CONNECTION) {
        snprintf(error, error_size,
                 "--dispatch=connection: only --model=prefork and --model=threads have a pool; "
                 "coro takes a coroutine for each request");
        return -EINVAL;
    }
    if (config->stack_size < db_stack_bytes(config)) {
        snprintf(error, error_size,
                 "--stack-size=%zu: expected %zuk or more, as the library for --db needs with%s "
                 "--no-offload",
                 config->stack_size, db_stack_bytes(config) / 1024, config->offload ? "out" : "");
        return -EINVAL;
    }
    return 0;
}

const struct model coro_model = {
    .name = "coro",
    .summary = "a pool of coroutines on an event loop: one is taken for each request and suspends "
               "while it waits",
    .workers_per_core = 0,
    .check = coro_check,
    .open = coro_open,
    .close = coro_close,
};
