/* SPDX-License-Identifier: MIT
 *
 * The workers of a pool: accepting, serving, putting back; pool.h has the idea.
 */
#include "models/pool/pool.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "descriptors.h"
#include "http/connection.h"
#include "log.h"
#include "shortage.h"
#include "system/cores.h"
#include "system/kept.h"
#include "system/listen.h"
#include "system/slice.h"
#include "worker.h"

/* Who computes gives its core away that soon when another leads: the kernel's own slice is of
 * milliseconds. */
enum { SLICE_NS = 200000 };

struct pool *pool_new(struct server *server, int stop_fd)
{
    size_t size =
        sizeof(struct pool) + leaders_size(SHARED_SLOTS) + slow_clients_size(SHARED_SLOTS);
    struct epoll_event stop = {.events = EPOLLIN, .data.fd = stop_fd};
    struct epoll_event listener = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = server->listen_fd};
    struct lot *lot = lot_new(server);
    struct pool *pool;

    if (lot == NULL)
        return NULL;
    pool =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool == MAP_FAILED) {
        lot_free(lot);
        return NULL;
    }
    pool->lot = lot;
    pool->size = size;
    pool->leaders = (struct leaders *)(pool + 1);
    pool->slow_clients = (struct slow_clients *)((char *)(pool + 1) + leaders_size(SHARED_SLOTS));
    pool->listen_fd = server->listen_fd;
    pool->stop_fd = stop_fd;
    pool->rush.least = RUSH_LEAST;
    leaders_init(pool->leaders, server->shared, SHARED_SLOTS, cores_available());
    pool->leaders->work_fd = lot->epoll_fd;
    if (slow_clients_init(pool->slow_clients, server->workers, lot->epoll_fd) == 0 &&
        (stop_fd < 0 || epoll_ctl(lot->epoll_fd, EPOLL_CTL_ADD, stop_fd, &stop) == 0) &&
        epoll_ctl(lot->epoll_fd, EPOLL_CTL_ADD, pool->listen_fd, &listener) == 0)
        return pool;
    pool_free(pool);
    return NULL;
}

void pool_free(struct pool *pool)
{
    int saved = errno;

    slow_clients_term(pool->slow_clients);
    lot_free(pool->lot);
    munmap(pool, pool->size);
    errno = saved;
}

void pool_keep(const struct pool *pool, struct kept *kept)
{
    kept_add(kept, pool->lot->epoll_fd);
    slow_clients_keep(pool->slow_clients, kept);
}

bool pool_owns(const struct pool *pool, int fd)
{
    struct kept own = {.count = 0};

    pool_keep(pool, &own);
    return lot_owns(pool->lot, fd) || kept_has(&own, fd);
}

/* --- putting back ----------------------------------------------------------------- */

/* Whether it pays to put off the end of a connection, and nobody waits for its place. */
static bool may_go_unwatched(struct pool *pool, const struct io *io)
{
    return rush_note(&pool->rush) && server_has_places(io->server) && !server_draining(io->server);
}

/* The connection is watched from now on, if its client has not closed it yet. */
static void look_after(struct pool *pool, struct lot_record *record, struct io *io)
{
    if (record != NULL)
        pool_put_back(pool, record, connection_serve(&record->conn, io), io);
}

void pool_look_after(struct pool *pool, int fd, struct io *io)
{
    look_after(pool, lot_claim(pool->lot, fd, OWNER_UNWATCHED, io), io);
}

/* The client has its last answer, and most close at once. Where many do, no event and no wake-up is
 * spent on seeing it: the worker that ends the 256th after it looks, or the sweep. */
__attribute__((noinline)) static void put_back_ending(struct pool *pool, struct lot_record *record,
                                                      struct io *io)
{
    if (may_go_unwatched(pool, io))
        look_after(pool, lot_park_unwatched(pool->lot, record, io), io);
    else
        lot_park(pool->lot, record, io);
}

__attribute__((noinline)) static void close_record(struct pool *pool, struct lot_record *record,
                                                   struct io *io)
{
    lot_close(pool->lot, record, io);
    pool_resume_accepting(pool, io->server);
}

void pool_put_back(struct pool *pool, struct lot_record *record, enum conn_next next, struct io *io)
{
    if (next == CONN_CLOSE)
        close_record(pool, record, io);
    else if (record->conn.phase == CONN_ENDING)
        put_back_ending(pool, record, io);
    else
        lot_park(pool->lot, record, io);
}

/* Whether it will want a worker again. */
static bool stays(const struct conn *conn)
{
    return conn->phase != CONN_LINGER && conn->phase != CONN_ENDING;
}

static void serve(struct pool *pool, struct lot_record *record, struct io *io)
{
    enum conn_next next;

    shared_context_enter(io->server->shared, io->stats);
    next = connection_serve(&record->conn, io);
    shared_context_leave(io->server->shared, io->stats);
    if (next == CONN_PARK && stays(&record->conn) &&
        !atomic_load_explicit(&pool->served_since, memory_order_relaxed))
        atomic_store_explicit(&pool->served_since, true, memory_order_relaxed);
    pool_put_back(pool, record, next, io);
}

/* --- accepting -------------------------------------------------------------------- */

static void arm_listener(struct pool *pool)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = pool->listen_fd};

    /* Fails only once the socket has been closed for draining, or left to others. */
    (void)epoll_ctl(pool->lot->epoll_fd, EPOLL_CTL_MOD, pool->listen_fd, &event);
}

static void pause_accepting(struct pool *pool)
{
    atomic_store(&pool->accept_paused, true);
}

void pool_resume_accepting(struct pool *pool, const struct server *server)
{
    bool paused = true;

    if (atomic_load_explicit(&pool->accept_paused, memory_order_relaxed) &&
        !server_is_full(server) &&
        atomic_compare_exchange_strong(&pool->accept_paused, &paused, false))
        arm_listener(pool);
}

/* Accepts a connection and makes its record, the caller's. NULL with errno set. */
static struct lot_record *open_record(struct pool *pool, struct io *io)
{
    struct lot_record *record = NULL;
    struct in6_addr client;
    int fd;

    shared_begin_change(io->stats); /* before the look at `closed`: see pool_drain() */
    fd = atomic_load(&pool->closed)
             ? -EINVAL
             : descriptors_accept(pool->listen_fd, pool->lot->descriptors, &client);
    if (fd >= 0)
        record = lot_open(pool->lot, fd, &client, io);
    shared_end_change(io->stats);
    if (fd < 0)
        errno = -fd;
    return record;
}

/* Parks the newcomers that wait to be accepted, as far as there are places for them. */
static void park_waiting(struct pool *pool, bool any, struct io *io)
{
    struct lot_record *record;
    unsigned most = LISTEN_MOST_WAIT;

    while (most-- > 0 && (any || !server_is_full(io->server)) &&
           (record = open_record(pool, io)) != NULL)
        pool_put_back(pool, record, CONN_PARK, io);
}

/*
 * In the kernel's queue of what is ready the listening socket is one entry, however many wait
 * behind it, and so is each connection. With one newcomer a turn, all connections would be served
 * once for each. So once some were served since the last newcomer, all who wait are let in, behind
 * the requests that wait already.
 */
struct lot_record *pool_accept(struct pool *pool, bool all, struct io *io)
{
    struct lot_record *record = open_record(pool, io);

    if (record == NULL) {
        enum accept_failure failure = shortage_of_accept(io->server, errno);

        if (failure == ACCEPT_LATER)
            pause_accepting(pool); /* the next close or sweep resumes */
        else if (failure != ACCEPT_SHUT)
            arm_listener(pool);
        return NULL;
    }
    if (all)
        park_waiting(pool, false, io);
    if (server_is_full(io->server)) {
        pause_accepting(pool);
        pool_resume_accepting(pool, io->server); /* one may have closed just before the pause */
    } else {
        arm_listener(pool);
    }
    return record;
}

/* Takes one connection, lets another worker take the next, and serves it. */
static void accept_one(struct pool *pool, struct io *io)
{
    bool served = atomic_exchange_explicit(&pool->served_since, false, memory_order_relaxed);
    struct lot_record *record = pool_accept(pool, served, io);

    if (record != NULL)
        serve(pool, record, io);
}

void pool_retire(struct pool *pool)
{
    (void)epoll_ctl(pool->lot->epoll_fd, EPOLL_CTL_DEL, pool->listen_fd, NULL);
}

void pool_take_backlog(struct pool *pool, struct io *io)
{
    pool_retire(pool); /* closing it would not do where another process holds it, too */
    park_waiting(pool, true, io);
}

/* --- a worker's life -------------------------------------------------------------- */

/* Serves what the event is of. */
static void serve_event(struct pool *pool, const struct epoll_event *event, struct io *io)
{
    struct lot_record *record;

    if (event->data.fd == pool->listen_fd)
        accept_one(pool, io);
    else if ((record = lot_claim(pool->lot, event->data.fd, OWNER_PARKED, io)) != NULL)
        serve(pool, record, io);
}

void pool_work(struct pool *pool, struct io *io)
{
    struct worker_control *control = &io->stats->control;
    struct leaders *leaders = pool->leaders;
    struct epoll_event event;
    enum leaders_way way;

    slice_shorten(SLICE_NS);
    leaders_enter(leaders, io->worker);
    while ((way = leaders_join(leaders, io->worker)) != LEADERS_RETURN &&
           leaders_change(control, LEADERS_BUSY, LEADERS_IDLE)) {
        int count = epoll_wait(pool->lot->epoll_fd, &event, 1, way);
        bool dismissed = !leaders_change(control, LEADERS_IDLE, LEADERS_BUSY);

        if (count < 0 && errno != EINTR) {
            log_line(LOG_ERROR, "epoll_wait: %s", strerror(errno));
            break;
        }
        if (count > 0 && event.data.fd == pool->stop_fd)
            break;
        if (count > 0) {
            leaders_note(leaders, io->worker);
            serve_event(pool, &event, io);
        }
        if (dismissed)
            break;
        if (io->server->config->max_requests > 0)
            worker_look_spent(io->server, io->worker, 1);
    }
    leaders_quit(leaders, io->worker);
}
