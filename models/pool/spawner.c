/* SPDX-License-Identifier: MIT */
#include "models/pool/spawner.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "http/connection.h"
#include "http/context.h"
#include "log.h"
#include "models/pool/attendant.h"
#include "models/pool/pool.h"
#include "models/pool/timekeeper.h"
#include "server.h"
#include "shortage.h"
#include "worker.h"

enum { AGAIN_MS = 50 }; /* after a worker could not be made, unless one ends before */

static bool keeps_connections(const struct spawner *s)
{
    return s->server->config->dispatch == DISPATCH_CONNECTION;
}

/* --- in the worker ---------------------------------------------------------------- */

enum conn_next spawned_serve(struct spawned *w)
{
    struct io *io = &w->pool_io.io;
    struct attendant attendant = {.io = io, .stop_fd = w->spawner->stop_fd};
    enum conn_next next;

    if (keeps_connections(w->spawner)) {
        attendant_attend(&attendant, &w->record->conn);
        return CONN_CLOSE;
    }
    shared_context_enter(io->server->shared, io->stats);
    next = connection_serve(&w->record->conn, io);
    shared_context_leave(io->server->shared, io->stats);
    return next;
}

/* --- making and seeing off -------------------------------------------------------- */

/* Gives the connection a worker. Where none can be made it waits with the others. */
static void spawn(struct spawner *s, struct lot_record *record)
{
    struct spawned *w = s->idle[s->idle_count - 1];
    unsigned slot = s->io.worker - s->server->workers + w->pool_io.number;
    int result = context_init(&w->pool_io.io, &s->ops, s->server, slot);

    w->record = record;
    if (result == 0)
        result = s->kind->start(w);
    if (result == 0) {
        s->idle_count--;
        return;
    }
    context_term(&w->pool_io.io);
    w->record = NULL;
    s->again_ms = io_now_ms() + AGAIN_MS;
    shortage_report(s->server, "making a worker", -result);
    pool_put_back(s->pool, record, CONN_PARK, &s->io);
}

/* What those have served that are gone counts as the spawner's, for --max-requests. */
static void count_served(struct spawner *s, struct worker_stats *stats)
{
    uint64_t served = stats_get(&stats->requests) - stats_get(&stats->requests_before);

    stats_add(&s->io.stats->requests_before, -served);
    stats_add(&stats->requests_before, served);
}

void spawned_ended(struct spawned *w, enum conn_next next)
{
    struct spawner *s = w->spawner;
    struct lot_record *record = w->record;
    unsigned slot = w->pool_io.io.worker;

    context_term(&w->pool_io.io);
    w->record = NULL;
    count_served(s, &s->server->shared->workers[slot]);
    slow_clients_died(s->pool->slow_clients, w->pool_io.number);
    shared_worker_died(s->server->shared, slot);
    s->idle[s->idle_count++] = w;
    s->again_ms = 0;
    pool_put_back(s->pool, record, next, &s->io);
}

/* --- what happens to connections --------------------------------------------------- */

/* Whether it takes a worker that the connection is ready; if not, sets *next. */
static bool wants_worker(struct spawner *s, struct conn *conn, enum conn_next *next)
{
    ssize_t count;
    char byte;

    if (conn->phase == CONN_LINGER || conn->phase == CONN_ENDING) {
        *next = connection_serve(conn, &s->io); /* which only reads, and drops what it has read */
        return false;
    }
    if (conn->phase == CONN_MORE)
        return true;
    count = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    *next = count < 0 && (errno == EAGAIN || errno == EINTR) ? CONN_PARK : CONN_CLOSE;
    return count > 0;
}

static void accept_connections(struct spawner *s)
{
    struct lot_record *record = pool_accept(s->pool, !keeps_connections(s), &s->io);

    if (record != NULL && keeps_connections(s))
        spawn(s, record);
    else if (record != NULL) /* it gets a worker when its request is there */
        pool_put_back(s->pool, record, CONN_PARK, &s->io);
}

static void look_for_event(struct spawner *s)
{
    struct epoll_event event;
    struct lot_record *record;
    enum conn_next next;

    if (epoll_wait(s->pool->lot->epoll_fd, &event, 1, 0) <= 0)
        return;
    if (event.data.fd == s->pool->listen_fd)
        accept_connections(s);
    else if ((record = lot_claim(s->pool->lot, event.data.fd, OWNER_PARKED, &s->io)) == NULL)
        return;
    else if (wants_worker(s, &record->conn, &next))
        spawn(s, record);
    else
        pool_put_back(s->pool, record, next, &s->io);
}

/* As timekeeper.pass. While no worker can be made, the connections are not looked at. */
static bool attend(void *arg, int stop_fd, int timeout_ms)
{
    struct spawner *s = arg;
    int64_t now = io_now_ms(), end = now + timeout_ms, until;
    int ready;

    do {
        bool may = s->idle_count > 0 && now >= s->again_ms;
        struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN},
                               {.fd = s->ended_fd, .events = POLLIN},
                               {.fd = may ? s->pool->lot->epoll_fd : -1, .events = POLLIN}};

        until = s->again_ms > now && s->again_ms < end ? s->again_ms : end;
        ready = poll(fds, 3, (int)(until - now));
        if (ready == 0 || fds[1].revents != 0)
            s->kind->reap(s);
        if (ready > 0 && fds[2].revents != 0)
            look_for_event(s);
        if (ready > 0 && fds[0].revents != 0)
            return true;
        now = io_now_ms();
    } while (now < end && (ready != 0 || until < end));
    return false;
}

/* --- its life ---------------------------------------------------------------------- */

static int open_places(struct spawner *s)
{
    unsigned count = s->server->workers;

    s->each = calloc(count, sizeof *s->each);
    s->idle = calloc(count, sizeof(struct spawned *));
    if (s->each == NULL || s->idle == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        struct pool_io *pool_io = &s->each[i].pool_io;

        s->each[i].spawner = s;
        pool_io->number = i;
        pool_io->pool = keeps_connections(s) ? NULL : s->pool;
        pool_io->gil = s->server->config->gil ? &s->gil : NULL;
        s->idle[count - 1 - i] = &s->each[i];
    }
    s->idle_count = count;
    return 0;
}

/* Returns 0 or a negative errno; term() in either case. */
static int init(struct spawner *s, unsigned first)
{
    int result = context_init(&s->io, &context_never_waits, s->server, first + s->server->workers);

    gil_init(&s->gil);
    s->kind->choose_ops(&s->ops, s->server->config);
    if (result == 0) {
        s->pool = pool_new(s->server, -1);
        result = s->pool == NULL ? -errno : open_places(s);
    }
    descriptors_resolve(s->server, 1, s->server->workers);
    if (result == 0)
        result = s->ended_fd = s->kind->open(s);
    if (result < 0)
        return result;
    atomic_store(&s->io.stats->requests_before, stats_get(&s->io.stats->requests));
    return 0;
}

static void term(struct spawner *s)
{
    if (s->ended_fd >= 0)
        close(s->ended_fd);
    if (s->pool != NULL)
        pool_free(s->pool);
    free(s->idle);
    free(s->each);
    context_term(&s->io);
    gil_term(&s->gil);
}

int spawner_work(struct server *server, const struct worker_process *self,
                 const struct spawner_kind *kind)
{
    struct spawner s = {.kind = kind, .server = server, .stop_fd = self->stop_fd, .ended_fd = -1};
    struct timekeeper keeper = {
        .io = &s.io, .first = self->first, .slots = server->workers + 1, .pass = attend, .arg = &s};
    int result = init(&s, self->first);

    if (result < 0) {
        log_line(LOG_ERROR, "cannot make workers: %s", strerror(-result));
        term(&s);
        return EXIT_FAILURE;
    }
    keeper.pool = s.pool;
    worker_ready(server, self);
    if (!timekeeper_run(&keeper, self))
        _exit(EXIT_SUCCESS); /* workers still serve: their requests are cut off */
    term(&s);
    return EXIT_SUCCESS;
}
