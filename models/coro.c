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
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coro/loop.h"
#include "coro/task.h"
#include "http.h"
#include "http/connection.h"
#include "log.h"
#include "models/blocking.h"
#include "models/master.h"
#include "models/model.h"
#include "server.h"

enum {
    ACCEPT_BATCH = 16,      /* connections accepted in one turn of the loop */
    ACCEPT_DEFER_MS = 2,    /* head start for loops with fewer connections ... */
    ACCEPT_EAGER_MS = 100,  /* ... which none gets for so long after one was not used */
    ACCEPT_RETRY_MS = 100,  /* after running out of descriptors or memory */
    TICK_MS = 250,          /* between looks for expired connections */
    DRAIN_TICK_MS = 20,
    IDLE_KEPT = 16,         /* idle coroutines kept even when none was needed of late */
    OFFLOAD_THREADS = 4,
    MAX_GATHERED = 16384, /* coroutines beside those that serve connections */
    COMPLAINT_INTERVAL_MS = 1000,
};

struct context;

/* A connection's record, and its place in the loop. Indexed by descriptor. */
struct coro_conn {
    struct conn conn;
    struct coro_watch watch;
    bool open;
    bool waiting;           /* `busy` waits for the connection to be readable */
    bool queued;            /* in process.queue */
    struct context *busy;   /* serves it; NULL while parked */
    struct coro_conn *next; /* in process.queue */
};

/* A coroutine of the pool with its buffers, or one job of a gather (buffers NULL). */
struct context {
    struct io io; /* first: the io functions below are given this */
    struct process *process;
    struct coro_task *task;
    struct coro_conn *job; /* NULL when idle */
    struct context *next;  /* in process.idle */
};

/* One worker process. */
struct process {
    struct server *server;
    struct worker_stats *stats;
    struct coro_loop *loop;
    unsigned worker;
    const struct master_worker *self;
    struct coro_conn *conns; /* server->descriptors of them; untouched ones cost nothing */
    unsigned high;           /* one more than the highest descriptor used */
    unsigned open;           /* connections */
    char *spill;             /* spill_size bytes for each descriptor */
    size_t spill_size;       /* connection_spill_size() */
    struct context *idle;    /* last in, first out: the warmest stack first */
    unsigned idle_count, idle_least; /* now, and the fewest since the last trim */
    unsigned contexts;               /* numbered so far */
    struct coro_conn *queue, **queue_end; /* readable, but no coroutine can be had */
    struct http_clock clock;
    struct io loop_io; /* of the loop itself: never waits */
    struct coro_watch listener, stop;
    struct coro_timer tick, retry;
    bool deferred; /* accepting was put off: others had their head start */
    int64_t eager_until_ms;
    bool draining; /* the stop descriptor was seen */
    bool stopping; /* coro_loop_stop() was called: nothing is served any more */
    int64_t last_complaint_ms;
};

static const struct io_ops OPS; /* at the end of the io functions below */

/* Gives the pages of the spill back to the kernel. */
static void clean(const struct process *p, struct coro_conn *c)
{
    if (c->conn.dirty)
        madvise(c->conn.spill, p->spill_size, MADV_DONTNEED);
    c->conn.dirty = false;
}

static void close_conn(struct process *p, struct coro_conn *c)
{
    coro_watch_stop(p->loop, &c->watch);
    clean(p, c);
    c->open = false;
    c->busy = NULL;
    p->open--;
    close(c->conn.fd);
    server_connection_closed(p->server, p->stats);
    if (!p->draining && !coro_watch_active(&p->listener) && !coro_timer_active(&p->retry))
        coro_watch_start(p->loop, &p->listener);
}

/* After serving: the record is parked or closed. */
static void put_back(struct process *p, struct coro_conn *c, enum conn_next next)
{
    c->busy = NULL;
    if (next == CONN_CLOSE) {
        close_conn(p, c);
        return;
    }
    if (c->conn.spilled == 0)
        clean(p, c);
    coro_watch_start(p->loop, &c->watch);
}

/* ---- the pool of coroutines ------------------------------------------------------------ */

static struct coro_conn *next_job(struct process *p)
{
    struct coro_conn *c = p->queue;

    if (c != NULL) {
        p->queue = c->next;
        c->queued = false;
        if (p->queue == NULL)
            p->queue_end = &p->queue;
    }
    return c;
}

static void free_context(struct context *x)
{
    free(x->io.in);
    free(x->io.out);
    free(x);
}

/* A coroutine of the pool: serves one connection after another until it is resumed without one. */
static void *context_main(void *arg)
{
    struct context *x = arg;
    struct process *p = x->process;

    while (x->job != NULL) {
        struct coro_conn *c = x->job;

        server_context_enter(p->server, p->stats);
        put_back(p, c, connection_serve(&c->conn, &x->io));
        server_context_leave(p->server, p->stats);
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

static struct context *new_context(struct process *p)
{
    struct context *x = calloc(1, sizeof *x);

    if (x == NULL)
        return NULL;
    x->process = p;
    x->io = (struct io){
        .ops = &OPS,
        .server = p->server,
        .stats = p->stats,
        .worker = p->worker,
        .context = ++p->contexts,
        .clock = &p->clock,
        .in_size = connection_in_size(p->server->config),
        .out_size = HTTP_OUT_SIZE,
    };
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

static struct context *take_context(struct process *p)
{
    struct context *x = p->idle;

    if (x == NULL)
        return new_context(p);
    p->idle = x->next;
    if (--p->idle_count < p->idle_least)
        p->idle_least = p->idle_count;
    return x;
}

/* Ends coroutines that were idle all the time since the last call. */
static void trim_contexts(struct process *p)
{
    unsigned excess = p->idle_least > IDLE_KEPT ? p->idle_least - IDLE_KEPT : 0;

    while (excess-- > 0 && p->idle != NULL)
        coro_resume_now(take_context(p)->task); /* without a job: it ends */
    p->idle_least = p->idle_count;
}

static void complain(struct process *p, const char *what, int error)
{
    if (io_now_ms() - p->last_complaint_ms < COMPLAINT_INTERVAL_MS)
        return;
    p->last_complaint_ms = io_now_ms();
    log_line(LOG_WARN, "%s: %s; connections wait", what, strerror(error));
}

/* Switches to a coroutine that serves c; back when it is done or waits. */
static void serve(struct process *p, struct coro_conn *c)
{
    struct context *x = p->stopping ? NULL : take_context(p);

    if (x == NULL) { /* served when a coroutine is free again */
        if (!p->stopping)
            complain(p, "no coroutine", ENOMEM);
        coro_watch_stop(p->loop, &c->watch);
        c->queued = true;
        c->next = NULL;
        *p->queue_end = c;
        p->queue_end = &c->next;
        return;
    }
    x->job = c;
    c->busy = x;
    coro_resume_now(x->task);
}

static void on_readable(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct coro_conn *c = (struct coro_conn *)((char *)watch - offsetof(struct coro_conn, watch));

    (void)events;
    if (c->busy == NULL)
        serve(watch->data, c);
    else if (c->waiting)
        coro_resume_now(c->busy->task);
    else
        coro_watch_stop(loop, watch); /* more input while a request is served: later */
}

/* ---- waiting inside a request: io.h by suspending --------------------------------------- */

static int io_wait_suspended(struct io *io, int fd, int events, int64_t deadline_ms)
{
    struct context *x = (struct context *)io;
    struct coro_conn *c = x->job;
    int result;

    if (c == NULL || fd != c->conn.fd || events != IO_READ)
        return coro_wait_fd(fd, events, deadline_ms); /* IO_ and CORO_ bits are the same */
    coro_watch_start(x->process->loop, &c->watch);
    c->waiting = true;
    result = coro_park(deadline_ms);
    c->waiting = false;
    return result == 0 ? IO_READ : result;
}

static_assert((int)IO_READ == (int)CORO_READ && (int)IO_WRITE == (int)CORO_WRITE,
              "passed on as they are");

static int io_sleep_suspended(struct io *io, int64_t ms)
{
    (void)io;
    return coro_sleep(ms);
}

static void io_yield_turn(struct io *io)
{
    (void)io;
    (void)!coro_pause(); /* a cancellation is told again at the next wait */
}

struct gathered {
    struct context context; /* what the job waits through */
    io_job *job;
    void *arg;
};

static void *run_gathered(void *arg)
{
    struct gathered *g = arg;
    int result = g->job(&g->context.io, g->arg);

    return result < 0 ? coro_fail(result) : NULL;
}

/* Each job as a task of its own, all at once. */
static int io_gather_tasks(struct io *io, io_job *job, void *args, size_t arg_size, size_t count)
{
    const struct context *x = (const struct context *)io;
    struct coro_call *calls = calloc(count, sizeof *calls);
    struct gathered *gathered = calloc(count, sizeof *gathered);
    int result = -ENOMEM;

    if (calls != NULL && gathered != NULL) {
        for (size_t i = 0; i < count; i++) {
            gathered[i] = (struct gathered){
                .context = *x, .job = job, .arg = (char *)args + i * arg_size};
            gathered[i].context.job = NULL;
            calls[i].fn = run_gathered;
            calls[i].arg = &gathered[i];
        }
        result = coro_run_all(calls, count, CORO_FOREVER);
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

static int io_offload_threads(struct io *io, void (*call)(void *arg), void *arg)
{
    struct offloaded offloaded = {call, arg};
    int result = coro_offload(run_offloaded, &offloaded, NULL);

    (void)io;
    return result == -EAGAIN ? -ENOMEM : result;
}

static const struct io_ops OPS = {
    .wait = io_wait_suspended,
    .sleep = io_sleep_suspended,
    .gather = io_gather_tasks,
    .offload = io_offload_threads,
    .yield = io_yield_turn,
    .model = "coro",
    .gather_how = "concurrently",
    .context_is = "coroutine",
};

/* ---- accepting -------------------------------------------------------------------------- */

/* The fewest connections any other loop has. */
static uint64_t fewest_elsewhere(const struct process *p)
{
    uint64_t fewest = UINT64_MAX;

    for (unsigned i = 0; i < p->server->workers; i++) {
        const struct worker_stats *other = &p->server->shared->workers[i];
        uint64_t open = stats_get(&other->accepted) - stats_get(&other->closed);

        if (i != p->worker && open < fewest && atomic_load(&other->pid) != 0)
            fewest = open;
    }
    return fewest;
}

/* How many connections to accept now. All loops are told of a new connection; so that they end
 * up with equal shares, one that has more than another gives it a head start: 0. Where nobody
 * uses it, because the others are busy, it is not given again for a while. */
static unsigned accept_share(const struct process *p)
{
    uint64_t fewest;

    if (p->server->workers == 1 || p->deferred || io_now_ms() < p->eager_until_ms)
        return ACCEPT_BATCH;
    fewest = fewest_elsewhere(p);
    if (p->open > fewest)
        return 0;
    return fewest - p->open < ACCEPT_BATCH ? (unsigned)(fewest - p->open) + 1 : ACCEPT_BATCH;
}

static void retry_later(struct process *p, int64_t ms)
{
    coro_watch_stop(p->loop, &p->listener);
    coro_timer_start(p->loop, &p->retry, ms, 0);
}

static void on_retry(struct coro_loop *loop, struct coro_timer *timer)
{
    struct process *p = timer->data;

    if (!p->draining)
        coro_watch_start(loop, &p->listener);
}

static void open_conn(struct process *p, int fd)
{
    struct coro_conn *c = &p->conns[fd];

    *c = (struct coro_conn){.open = true};
    connection_init(&c->conn, fd, p->spill + (size_t)fd * p->spill_size, p->server->config);
    coro_watch_init(&c->watch, fd, CORO_READ, on_readable, p);
    if ((unsigned)fd >= p->high)
        p->high = (unsigned)fd + 1;
    p->open++;
    server_connection_opened(p->server, p->stats);
    serve(p, c); /* the request is often there already */
}

static void on_connection(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct process *p = watch->data;
    unsigned share = accept_share(p);
    bool was_deferred = p->deferred;

    (void)events;
    p->deferred = share == 0;
    if (share == 0) {
        retry_later(p, ACCEPT_DEFER_MS);
        return;
    }
    while (share-- > 0 && !server_is_full(p->server)) {
        int fd = accept4(p->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            if (was_deferred)
                p->eager_until_ms = io_now_ms() + ACCEPT_EAGER_MS;
            open_conn(p, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            complain(p, "accept", errno);
            retry_later(p, ACCEPT_RETRY_MS);
            return;
        } else if (errno == EINVAL) { /* shut down for draining */
            coro_watch_stop(loop, watch);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
    if (server_is_full(p->server))
        retry_later(p, ACCEPT_RETRY_MS);
}

/* Connections that found no coroutine, when none is busy that would take them on. */
static void serve_queue(struct process *p)
{
    while (p->queue != NULL && !p->stopping) {
        struct context *x = take_context(p);

        if (x == NULL)
            return;
        x->job = next_job(p);
        x->job->busy = x;
        coro_resume_now(x->task);
    }
}

/* ---- time and stopping ------------------------------------------------------------------ */

static bool is_parked(const struct coro_conn *c)
{
    return c->open && c->busy == NULL && !c->queued;
}

/* Ends what has expired; while draining also what is idle. */
static void sweep(struct process *p)
{
    int64_t now = io_now_ms();

    for (unsigned fd = 0; fd < p->high; fd++) {
        struct coro_conn *c = &p->conns[fd];

        if (is_parked(c) &&
            atomic_load_explicit(&c->conn.deadline_ms, memory_order_relaxed) <= now)
            put_back(p, c, connection_expire(&c->conn, &p->loop_io));
        if (p->draining && is_parked(c))
            put_back(p, c, connection_drain(&c->conn, &p->loop_io));
    }
}

static void on_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    struct process *p = timer->data;
    int64_t deadline = atomic_load(&p->server->shared->drain_deadline_ms);

    sweep(p);
    serve_queue(p);
    trim_contexts(p);
    atomic_store_explicit(&p->stats->stack_peak, coro_loop_stack_peak(loop), memory_order_relaxed);
    if (p->draining && !p->stopping && (p->open == 0 || io_now_ms() >= deadline)) {
        p->stopping = true; /* what has not finished by now is cancelled */
        p->idle = NULL;
        p->idle_count = p->idle_least = 0;
        coro_loop_stop(loop, 2 * DRAIN_TICK_MS);
    }
}

/* Accepts what waits to be. */
static void take_backlog(struct process *p)
{
    int fd;

    while ((fd = accept4(p->server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        open_conn(p, fd);
}

static void on_stop(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct process *p = watch->data;

    (void)events;
    p->draining = true;
    coro_watch_stop(loop, watch);
    take_backlog(p);
    master_worker_ready(p->self);
    coro_watch_stop(loop, &p->listener);
    coro_timer_stop(loop, &p->retry);
    coro_timer_start(loop, &p->tick, 0, DRAIN_TICK_MS);
}

/* ---- the process ------------------------------------------------------------------------ */

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static int open_process(struct process *p, const struct master_worker *self)
{
    struct coro_loop_config config = {.stack_bytes = p->server->config->stack_size,
                                      .max_tasks = p->server->max_connections + MAX_GATHERED,
                                      .offload_threads = OFFLOAD_THREADS};
    int result =
        blocking_io_init(&p->loop_io, &blocking_never_ops, p->server, self->index);

    if (result < 0)
        return result;
    p->worker = self->index;
    p->self = self;
    p->stats = &p->server->shared->workers[self->index];
    p->queue_end = &p->queue;
    p->conns = map(p->server->descriptors * sizeof *p->conns);
    p->spill_size = connection_spill_size(p->server->config);
    p->spill = map(p->server->descriptors * p->spill_size);
    if (p->conns == NULL || p->spill == NULL)
        return -ENOMEM;
    p->loop = coro_loop_new(&config);
    if (p->loop == NULL)
        return -errno;
    coro_watch_init(&p->listener, p->server->listen_fd, CORO_READ, on_connection, p);
    coro_watch_init(&p->stop, self->stop_fd, CORO_READ, on_stop, p);
    coro_timer_init(&p->tick, on_tick, p);
    coro_timer_init(&p->retry, on_retry, p);
    coro_watch_start(p->loop, &p->listener);
    coro_watch_start(p->loop, &p->stop);
    coro_timer_start(p->loop, &p->tick, TICK_MS, TICK_MS);
    return 0;
}

static void close_process(struct process *p)
{
    coro_loop_free(p->loop);
    if (p->conns != NULL)
        munmap(p->conns, p->server->descriptors * sizeof *p->conns);
    if (p->spill != NULL)
        munmap(p->spill, p->server->descriptors * p->spill_size);
    blocking_io_term(&p->loop_io);
}

static int work(struct server *server, const struct master_worker *self, void *arg)
{
    struct process p = {.server = server};
    int result = open_process(&p, self);

    (void)arg;
    if (result == 0) {
        blocking_report_overflows("loop", self->index);
        server_worker_begins(server, self->index, getpid(), gettid());
        master_worker_ready(self);
        result = coro_loop_run(p.loop);
    }
    if (result == -ETIMEDOUT && p.stopping)
        _exit(EXIT_SUCCESS); /* requests were cut off where they cannot be cancelled */
    if (result < 0)
        log_line(LOG_ERROR, "loop %u: %s", self->index, strerror(-result));
    close_process(&p);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void died(struct server *server, unsigned process, void *arg)
{
    (void)arg;
    server_worker_lost_connections(server, process);
    server_worker_died(server, process);
}

static int coro_run(struct server *server)
{
    struct master_plan plan = {.processes = server->workers, .work = work, .died = died};
    int result;

    plan.stop_fd = master_stop_new();
    if (plan.stop_fd < 0)
        return plan.stop_fd;
    result = master_run(server, &plan);
    close(plan.stop_fd);
    return result;
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
    return 0;
}

const struct model coro_model = {
    .name = "coro",
    .summary = "a pool of coroutines on an event loop: one is taken for each request and suspends "
               "while it waits",
    .workers_per_core = 0,
    .check = coro_check,
    .run = coro_run,
};
