/* SPDX-License-Identifier: MIT
 *
 * threads: a pool of POSIX threads; each request is given a thread, which goes
 * back to the pool when the request is done.
 *
 * The same pool as prefork's with one difference, which is the experiment: the
 * workers share their memory. So a switch between two of them keeps the address
 * space, and a crash of one is a crash of all. They run in one process under the
 * master, which replaces it when that happens; its first thread serves nothing,
 * it looks for parked connections whose time is over, and for the order to stop.
 *
 * --pool=none has no pool: a thread is made for each request, or connection, by that first thread
 * (pool/spawner.h). It shows what making them before is worth.
 *
 * --gil puts one lock around handler code (gil.h), as a thread pool in CPython
 * has it: waiting overlaps, computing does not.
 *
 * Read this with pool/lot.h (who may touch a connection), pool/pool.c (one worker's turn),
 * pool/leaders.h (which workers look for work) and pool/pool_io.c (how they wait); for --gil
 * pool/gil.h, for --dispatch=connection pool/dedicated.c, for what the first thread does
 * pool/timekeeper.h.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "io.h"
#include "log.h"
#include "http/context.h"
#include "models/pool/dedicated.h"
#include "models/pool/gil.h"
#include "models/model.h"
#include "models/pool/pool_io.h"
#include "models/pool/spawner.h"
#include "models/pool/timekeeper.h"
#include "server.h"
#include "system/latch.h"
#include "shortage.h"
#include "worker.h"

enum {
    THREAD_STACK = 256 * 1024, /* bytes of address space; a handler uses a few pages of it */
    JOIN_LOOK_MS = 1,
};

struct crew; /* the process: its threads and what they share */

struct member {
    struct pool_io pool_io; /* first: its functions are given this */
    struct crew *crew;
    struct dedicated *dedicated; /* owned; with --dispatch=connection */
    pthread_t thread;
};

struct crew {
    struct server *server;
    struct pool *pool; /* NULL with --dispatch=connection */
    struct io_ops ops; /* of its threads */
    struct gil gil;
    unsigned first; /* slot of thread 0; behind those of all threads comes the first thread's own */
    pthread_barrier_t started; /* all threads and the first: twice, set up and allowed to begin */
    int stop_fd;               /* the threads', not the process's */
    struct member *members;
    unsigned count; /* threads started */
};

static void choose_ops(struct io_ops *ops, const struct config *config)
{
    *ops = (struct io_ops){.model = "threads", .context_is = "thread", .blocks = pool_io_blocks};
    if (config->dispatch == DISPATCH_REQUEST) {
        ops->wait_client = pool_io_wait_client;
        ops->give_way = pool_io_give_way;
    }
    if (config->gil) {
        ops->goes_on = pool_io_goes_on;
        ops->begin = pool_io_begin;
        ops->end = pool_io_end;
        ops->checkpoint = pool_io_checkpoint;
    }
}

static void *thread_main(void *arg)
{
    struct member *self = arg;
    struct crew *crew = self->crew;

    model_begin_worker(&self->pool_io.io, "thread");
    pthread_barrier_wait(&crew->started);
    pthread_barrier_wait(&crew->started);
    if (crew->pool != NULL) {
        pool_work(crew->pool, &self->pool_io.io);
    } else {
        while (dedicated_wait(self->dedicated))
            dedicated_accept(self->dedicated);
        dedicated_accept_last(self->dedicated);
    }
    return NULL;
}

static int start_threads(struct crew *crew)
{
    pthread_attr_t attributes;
    int result = 0;

    choose_ops(&crew->ops, crew->server->config);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    while (result == 0 && crew->count < crew->server->workers) {
        struct member *member = &crew->members[crew->count];

        member->crew = crew;
        member->pool_io.pool = crew->pool;
        member->pool_io.number = crew->count;
        member->pool_io.gil = crew->server->config->gil ? &crew->gil : NULL;
        result =
            context_init(&member->pool_io.io, &crew->ops, crew->server, crew->first + crew->count);
        if (result == 0 && crew->pool == NULL) {
            member->dedicated = dedicated_new(&member->pool_io.io, crew->stop_fd, crew->count);
            result = member->dedicated == NULL ? -errno : 0;
        }
        if (result == 0)
            result = -pthread_create(&member->thread, &attributes, thread_main, member);
        if (result == 0)
            crew->count++;
    }
    pthread_attr_destroy(&attributes);
    if (result < 0)
        log_line(LOG_ERROR, "cannot start thread %u of %u: %s", crew->count + 1,
                 crew->server->workers, shortage_of_tasks(-result));
    return result;
}

/* Waits for all threads to end, at most until the drain deadline, which may come nearer
 * meanwhile: false then. Not by pthread_timedjoin_np(), whose time is that of the clock on the
 * wall. */
static bool join_threads(const struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        while (pthread_tryjoin_np(crew->members[i].thread, NULL) != 0) {
            if (io_now_ms() >= server_drain_deadline(crew->server))
                return false;
            atomic_store(&crew->server->control->beat_ms, io_now_ms());
            poll(NULL, 0, JOIN_LOOK_MS);
        }
    return true;
}

static void free_crew(struct crew *crew, struct io *io)
{
    for (unsigned i = 0; i < crew->count; i++) {
        dedicated_free(crew->members[i].dedicated);
        context_term(&crew->members[i].pool_io.io);
    }
    free(crew->members);
    context_term(io);
    if (crew->pool != NULL)
        pool_free(crew->pool);
    if (crew->stop_fd >= 0)
        close(crew->stop_fd);
    pthread_barrier_destroy(&crew->started);
    gil_term(&crew->gil);
}

/* Each thread may have a file open that it sends; of a pool with --dispatch=connection it has an
 * epoll set. */
static void resolve_connections(struct server *server)
{
    const struct config *config = server->config;
    unsigned each = config->dispatch == DISPATCH_CONNECTION && config->pool == POOL_BEFORE ? 2 : 1;

    descriptors_resolve(server, 1, server->workers * each);
}

/* Everything but the threads. Returns 0 or a negative errno; free_crew() in either case. */
static int open_crew(struct crew *crew, struct io *io)
{
    struct server *server = crew->server;
    int result = context_init(io, &context_never_waits, server, crew->first + server->workers);

    gil_init(&crew->gil);
    pthread_barrier_init(&crew->started, NULL, server->workers + 1);
    crew->members = calloc(server->workers, sizeof *crew->members);
    crew->stop_fd = latch_new();
    if (result < 0 || crew->stop_fd < 0)
        return result < 0 ? result : crew->stop_fd;
    if (crew->members == NULL)
        return -ENOMEM;
    if (server->config->dispatch == DISPATCH_REQUEST) {
        crew->pool = pool_new(server, crew->stop_fd);
        result = crew->pool == NULL ? -errno : 0;
    }
    resolve_connections(server);
    return result;
}

/* --- --pool=none --------------------------------------------------------------------- */

static void *serve_once(void *arg)
{
    struct spawned *self = arg;
    int ended_fd = self->spawner->ended_fd;

    model_begin_worker(&self->pool_io.io, "thread");
    self->next = spawned_serve(self);
    atomic_store(&self->ended, true);
    latch_set(ended_fd); /* self may be another thread's by now */
    return NULL;
}

static int open_latch(struct spawner *spawner)
{
    (void)spawner;
    return latch_new();
}

static int start_thread(struct spawned *worker)
{
    pthread_attr_t attributes;
    int result;

    atomic_store(&worker->ended, false);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    result = pthread_create(&worker->thread, &attributes, serve_once, worker);
    pthread_attr_destroy(&attributes);
    return -result;
}

static void join_ended(struct spawner *spawner)
{
    latch_unset(spawner->ended_fd); /* before the look: who ends later sets it again */
    for (unsigned i = 0; i < spawner->server->workers; i++) {
        struct spawned *worker = &spawner->each[i];

        if (worker->record != NULL && atomic_load(&worker->ended)) {
            pthread_join(worker->thread, NULL);
            spawned_ended(worker, worker->next);
        }
    }
}

static const struct spawner_kind SPAWNED_THREADS = {
    .choose_ops = choose_ops,
    .open = open_latch,
    .start = start_thread,
    .reap = join_ended,
};

/* ---- the model ---- */

static int work(struct server *server, const struct worker_process *self, void *arg)
{
    struct crew crew = {.server = server, .first = self->first};
    struct io io; /* the first thread's: never waits */
    struct timekeeper keeper = {.io = &io, .first = self->first, .slots = server->workers};
    int result;

    (void)arg;
    if (server->config->pool == POOL_NONE)
        return spawner_work(server, self, &SPAWNED_THREADS);
    result = open_crew(&crew, &io);
    if (result < 0) {
        log_line(LOG_ERROR, "cannot make the pool: %s", strerror(-result));
        free_crew(&crew, &io);
        return EXIT_FAILURE;
    }
    if (start_threads(&crew) < 0)
        _exit(EXIT_FAILURE); /* those that did start wait for the others */
    pthread_barrier_wait(&crew.started);
    worker_ready(server, self);
    pthread_barrier_wait(&crew.started);
    keeper.pool = crew.pool;
    if (!timekeeper_run(&keeper, self))
        _exit(EXIT_SUCCESS); /* threads still serve: their requests are cut off */
    latch_set(crew.stop_fd);
    if (!join_threads(&crew))
        _exit(EXIT_SUCCESS);
    free_crew(&crew, &io);
    return EXIT_SUCCESS;
}

static int threads_open(struct server *server, const struct model_plan *before,
                        struct model_plan *plan)
{
    (void)before;
    resolve_connections(server);
    plan->processes = 1;
    plan->slots_each = server->workers + 1; /* the first thread's as well */
    return 0;
}

static int threads_check(const struct config *config, char *error, size_t error_size)
{
    if (model_check_accept(config, true, error, error_size) < 0)
        return -EINVAL;
    return model_check_slice(config, error, error_size);
}

const struct model threads_model = {
    .name = "threads",
    .summary = "a pool of POSIX threads: one is taken for each request and blocks while it waits",
    .workers_per_core = 16,
    .work = work,
    .check = threads_check,
    .open = threads_open,
};
