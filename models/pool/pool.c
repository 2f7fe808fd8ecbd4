/* SPDX-License-Identifier: MIT
 *
 * The pool's epoll set and parking lot; pool.h has the idea.
 *
 * Deadlines are not kept in an ordered structure: it would need a lock that 64
 * processes share and that a killed one may hold. A request costs one store into
 * its record, and a few times a second one pass over the records (64 bytes each)
 * finds what has expired.
 */
#include "models/pool/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system/cores.h"
#include "http/connection.h"
#include "descriptors.h"
#include "log.h"
#include "http/crowd.h"
#include "server.h"
#include "shortage.h"
#include "worker.h"

static_assert(sizeof(struct pool_record) == SHARED_CACHE_LINE, "what an idle connection costs");

enum {
    /* Between two looks at what is idle while draining, as each arms all that stay; about as long
     * as a connection counts as just used, so that the second closes what the first could not. */
    DRAIN_LOOK_MS = 250,
};

/* arm() runs after the record was given up, so whoever gets the event may close the descriptor
 * "while" epoll_ctl() names it. That is intended, see pool.h; ThreadSanitizer, which does not know
 * that the event itself orders the two, is not told of this one call. */
static int control(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

/* The pool, its records, leaders and slow clients, and from a new page on the spills. */
static struct pool *map_pool(struct server *server)
{
    size_t spill_size = connection_spill_size(server->config); /* whole pages */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before =
        sizeof(struct pool) + leaders_size(SHARED_SLOTS) + slow_clients_size(SHARED_SLOTS) + page;
    size_t size, spills;
    struct pool *pool =
        descriptors_map(server, before, sizeof(struct pool_record) + spill_size, MAP_SHARED, &size);

    if (pool == NULL)
        return NULL;
    pool->size = size;
    pool->descriptors = server->descriptors;
    pool->leaders = (struct leaders *)&pool->records[pool->descriptors];
    pool->slow_clients =
        (struct slow_clients *)((char *)pool->leaders + leaders_size(SHARED_SLOTS));
    pool->spill_size = spill_size;
    spills = size - pool->descriptors * spill_size;
    pool->spill = (char *)pool + spills / page * page;
    return pool;
}

struct pool *pool_new(struct server *server, int stop_fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct pool *pool = map_pool(server);

    if (pool == NULL)
        return NULL;
    pool->shared = server->shared;
    pool->listen_fd = server->listen_fd;
    pool->rush.least = RUSH_LEAST;
    pool->stop_fd = stop_fd;
    leaders_init(pool->leaders, pool->shared, SHARED_SLOTS, cores_available());
    pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = stop_fd;
    pool->leaders->work_fd = pool->epoll_fd;
    if (slow_clients_init(pool->slow_clients, server->workers, pool->epoll_fd) < 0 ||
        pool->epoll_fd < 0 || epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, stop_fd, &event) < 0)
        goto fail;
    event.events = EPOLLIN | EPOLLONESHOT;
    event.data.fd = pool->listen_fd;
    if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, pool->listen_fd, &event) < 0)
        goto fail;
    return pool;
fail:
    pool_free(pool);
    return NULL;
}

void pool_free(struct pool *pool)
{
    int saved = errno;

    slow_clients_term(pool->slow_clients);
    if (pool->epoll_fd >= 0)
        close(pool->epoll_fd);
    munmap(pool, pool->size);
    errno = saved;
}

static uint32_t owner_of(const struct io *io)
{
    return io->stats == &io->server->shared->master ? OWNER_MASTER : io->worker + OWNER_WORKERS;
}

/* Takes a record from PARKED or UNWATCHED. */
static bool claim_from(struct pool_record *record, uint32_t from, uint32_t owner)
{
    return atomic_compare_exchange_strong_explicit(&record->owner, &from, owner,
                                                   memory_order_acquire, memory_order_relaxed);
}

static bool claim(struct pool_record *record, uint32_t owner)
{
    return claim_from(record, OWNER_PARKED, owner);
}

/* Gives a record up: what was written to it is seen by its next owner. */
static void yield(struct pool_record *record, uint32_t owner)
{
    atomic_store_explicit(&record->owner, owner, memory_order_release);
}

static void arm_listener(struct pool *pool)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = pool->listen_fd};

    /* Fails only once the socket has been closed for draining, or left to others. */
    (void)epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, pool->listen_fd, &event);
}

static void resume_accepting(struct pool *pool, const struct server *server)
{
    bool paused = true;

    if (!server_is_full(server) &&
        atomic_compare_exchange_strong(&pool->accept_paused, &paused, false))
        arm_listener(pool);
}

static void pause_accepting(struct pool *pool)
{
    atomic_store(&pool->accept_paused, true);
}

/* Gives the pages of the spill back to the kernel. */
static void clean(const struct pool *pool, struct pool_record *record)
{
    if (record->conn.dirty)
        madvise(record->conn.spill, pool->spill_size, MADV_REMOVE);
    record->conn.dirty = false;
}

static void close_record(struct pool *pool, struct pool_record *record, struct io *io)
{
    int fd = record->conn.fd;

    clean(pool, record);
    shared_begin_change(io->stats);
    yield(record, OWNER_NONE); /* before close(): the number may be taken again at once */
    close(fd);
    shared_count_closed(io->server->shared, io->stats);
    shared_end_change(io->stats);
    if (atomic_load_explicit(&pool->accept_paused, memory_order_relaxed))
        resume_accepting(pool, io->server);
}

/* Asks the kernel to hand the connection to a worker once one of events has come. The record is
 * parked already, so whoever gets the event may claim it at once, and the number may be of
 * something else by the time it is armed: what cannot be armed is no reason to touch it. */
static void arm(struct pool *pool, const struct io *io, int fd, bool added, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.fd = fd};
    int operation = added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (control(pool->epoll_fd, operation, fd, &event) == 0)
        return;
    if (errno == ENOENT || errno == EEXIST) {
        operation = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
        if (control(pool->epoll_fd, operation, fd, &event) == 0)
            return;
    }
    if (errno == EBADF || errno == EPERM)
        return; /* closed by who claimed it; EPERM: and a file has the number now */
    /* No room (ENOMEM, ENOSPC): it stays parked, and the sweep tries again. */
    shortage_report(io->server, "epoll", errno);
    atomic_store(&pool->rearm, true);
}

static void put_back(struct pool *pool, struct pool_record *record, enum conn_next next,
                     struct io *io);

/* Looks after a connection left unwatched, which is armed if its client has not closed it yet. */
static void look_after(struct pool *pool, struct pool_record *record, struct io *io)
{
    if (claim_from(record, OWNER_UNWATCHED, owner_of(io)))
        put_back(pool, record, connection_serve(&record->conn, io), io);
}

static bool may_go_unwatched(struct pool *pool, const struct io *io)
{
    return rush_note(&pool->rush) && server_has_places(io->server) && !server_draining(io->server);
}

/* The client has its last answer, and most close at once. Where many do, it takes no event and no
 * worker woken to see that: whoever ends the 256th after it looks, or the sweep. */
static void leave_unwatched(struct pool *pool, struct pool_record *record, struct io *io)
{
    unsigned i = atomic_fetch_add_explicit(&pool->unwatched_so_far, 1, memory_order_relaxed) %
                 POOL_UNWATCHED;
    int fd = record->conn.fd;

    yield(record, OWNER_UNWATCHED);
    fd = atomic_exchange_explicit(&pool->unwatched[i], fd, memory_order_relaxed);
    look_after(pool, &pool->records[fd], io); /* in the beginning 0, which is nobody's */
}

static void put_back(struct pool *pool, struct pool_record *record, enum conn_next next,
                     struct io *io)
{
    int fd = record->conn.fd;
    bool added = record->in_epoll;
    uint32_t events = record->conn.phase == CONN_MORE ? EPOLLOUT : EPOLLIN;

    if (next == CONN_CLOSE) {
        close_record(pool, record, io);
        return;
    }
    if (record->conn.spilled == 0)
        clean(pool, record);
    if (record->conn.phase == CONN_ENDING && may_go_unwatched(pool, io)) {
        leave_unwatched(pool, record, io);
        return;
    }
    record->in_epoll = true;
    yield(record, OWNER_PARKED);
    arm(pool, io, fd, added, events);
}

/* Whether it will want a worker again. */
static bool stays(const struct conn *conn)
{
    return conn->phase != CONN_LINGER && conn->phase != CONN_ENDING;
}

static void serve(struct pool *pool, struct pool_record *record, struct io *io)
{
    enum conn_next next;

    shared_context_enter(io->server->shared, io->stats);
    next = connection_serve(&record->conn, io);
    shared_context_leave(io->server->shared, io->stats);
    if (next == CONN_PARK && stays(&record->conn) &&
        !atomic_load_explicit(&pool->house, memory_order_relaxed))
        atomic_store_explicit(&pool->house, true, memory_order_relaxed);
    put_back(pool, record, next, io);
}

static void raise_high(struct pool *pool, unsigned fd)
{
    unsigned high = atomic_load_explicit(&pool->high, memory_order_relaxed);

    while (high <= fd &&
           !atomic_compare_exchange_weak_explicit(&pool->high, &high, fd + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

/* Accepts a connection and makes its record, the caller's. NULL with errno set. */
static struct pool_record *open_record(struct pool *pool, struct io *io)
{
    struct server *server = io->server;
    struct pool_record *record = NULL;
    struct in6_addr client;
    int fd;

    shared_begin_change(io->stats); /* before the look at `closed`: see pool_drain() */
    fd = atomic_load(&pool->closed)
             ? -EINVAL
             : descriptors_accept(pool->listen_fd, pool->descriptors, &client);
    if (fd >= 0) {
        record = &pool->records[fd];
        /* Who had the number before gave the record up before it closed the descriptor. */
        if (atomic_load_explicit(&record->owner, memory_order_acquire) != OWNER_NONE)
            abort();
        record->in_epoll = false;
        connection_init(&record->conn, fd, &client, pool->spill + (size_t)fd * pool->spill_size,
                        server->config);
        raise_high(pool, (unsigned)fd);
        shared_count_opened(server->shared, io->stats);
        yield(record, owner_of(io));
    }
    shared_end_change(io->stats);
    if (fd < 0)
        errno = -fd;
    return record;
}

/* Parks the newcomers that wait to be accepted behind the requests that wait already. */
static void admit(struct pool *pool, struct io *io)
{
    struct pool_record *record;
    unsigned most = LISTEN_MOST_WAIT;

    while (most-- > 0 && !server_is_full(io->server) && (record = open_record(pool, io)) != NULL)
        put_back(pool, record, CONN_PARK, io);
}

/*
 * Takes one connection, lets another worker take the next, and serves it.
 *
 * The listening socket has one place in the kernel's queue of what is ready, however many wait
 * behind it, and each of those who are in has one too. So when some of them have been served since
 * the last newcomer, all who wait are let in, and then it is whoever came first again: else the
 * house would turn once for each.
 */
static void accept_one(struct pool *pool, struct io *io)
{
    bool house = atomic_exchange_explicit(&pool->house, false, memory_order_relaxed);
    struct pool_record *record = open_record(pool, io);

    if (record == NULL) {
        enum accept_failure failure = shortage_of_accept(io->server, errno);

        if (failure == ACCEPT_LATER)
            pause_accepting(pool); /* the next close or sweep resumes */
        else if (failure != ACCEPT_SHUT)
            arm_listener(pool);
        return;
    }
    if (house)
        admit(pool, io);
    if (server_is_full(io->server)) {
        pause_accepting(pool);
        resume_accepting(pool, io->server); /* one may have closed just before the pause was seen */
    } else {
        arm_listener(pool);
    }
    serve(pool, record, io);
}

/* Asks for a successor once the worker has served as many requests as it may. */
static void note_spent(const struct io *io)
{
    uint64_t most = io->server->config->max_requests;

    if (most > 0 &&
        stats_get(&io->stats->requests) - stats_get(&io->stats->requests_before) >= most)
        worker_spent(io->server);
}

/* Serves what the event is of. */
static void serve_event(struct pool *pool, const struct epoll_event *event, struct io *io)
{
    int fd = event->data.fd;

    if (fd == pool->listen_fd)
        accept_one(pool, io);
    else if (claim(&pool->records[fd], owner_of(io)))
        serve(pool, &pool->records[fd], io);
}

void pool_work(struct pool *pool, struct io *io)
{
    struct worker_control *control = &io->stats->control;
    struct leaders *leaders = pool->leaders;
    struct epoll_event event;
    enum leaders_way way;

    leaders_enter(leaders, io->worker);
    while ((way = leaders_join(leaders, io->worker)) != LEADERS_RETURN &&
           leaders_change(control, LEADERS_BUSY, LEADERS_IDLE)) {
        int count = epoll_wait(pool->epoll_fd, &event, 1, way);
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
        note_spent(io);
    }
    leaders_quit(leaders, io->worker);
}

void pool_retire(struct pool *pool)
{
    (void)epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, pool->listen_fd, NULL);
}

/* Whether the kernel has, or now had, room to watch the caller's connection: one that nobody is
 * told of cannot be served, so its time is over when its deadline says so. */
static bool has_watch(const struct pool *pool, unsigned fd)
{
    struct epoll_event nothing = {.events = EPOLLONESHOT, .data.fd = (int)fd};

    return epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, (int)fd, &nothing) == 0 || errno == EEXIST;
}

static void make_room(struct pool *pool, const struct crowd *crowd, struct io *io)
{
    for (unsigned i = 0; i < crowd->count; i++) {
        struct pool_record *record = &pool->records[crowd->idle[i].fd];

        if (claim(record, owner_of(io)))
            put_back(pool, record, connection_make_room(&record->conn, io), io);
    }
}

void pool_sweep(struct pool *pool, struct io *io)
{
    bool rearm = atomic_exchange(&pool->rearm, false);
    unsigned high = atomic_load_explicit(&pool->high, memory_order_relaxed);
    int64_t now = io_now_ms();
    struct crowd crowd;

    crowd_begin(&crowd, io->server);
    for (unsigned fd = 0; fd < high; fd++) {
        struct pool_record *record = &pool->records[fd];
        uint32_t owner = atomic_load_explicit(&record->owner, memory_order_relaxed);

        if (owner == OWNER_UNWATCHED)
            look_after(pool, record, io);
        if (owner == OWNER_PARKED)
            crowd_offer(&crowd, &record->conn, (int)fd);
        if (owner != OWNER_PARKED ||
            (atomic_load_explicit(&record->conn.deadline_ms, memory_order_relaxed) > now &&
             !rearm) ||
            !claim(record, owner_of(io)))
            continue;
        if (atomic_load_explicit(&record->conn.deadline_ms, memory_order_relaxed) <= now)
            put_back(pool, record,
                     has_watch(pool, fd) ? connection_expire(&record->conn, io) : CONN_CLOSE, io);
        else /* to be armed again; or served and parked again between the two looks */
            put_back(pool, record, CONN_PARK, io);
    }
    make_room(pool, &crowd, io);
    if (atomic_load(&pool->accept_paused))
        resume_accepting(pool, io->server);
    leaders_watch(pool->leaders);
}

int32_t pool_connections(const struct pool *pool)
{
    unsigned high = atomic_load(&pool->high);
    int32_t count = 0;

    for (unsigned fd = 0; fd < high; fd++) {
        uint32_t owner = atomic_load(&pool->records[fd].owner);

        count += owner != OWNER_NONE && (owner & OWNER_HELD) == 0;
    }
    return count;
}

void pool_take_backlog(struct pool *pool, struct io *io)
{
    struct pool_record *record;
    unsigned most = LISTEN_MOST_WAIT;

    /* Closing it would not take it out of the set where another process holds it too. */
    (void)control(pool->epoll_fd, EPOLL_CTL_DEL, pool->listen_fd, NULL);
    while (most-- > 0 && (record = open_record(pool, io)) != NULL)
        put_back(pool, record, CONN_PARK, io);
}

bool pool_drain(struct pool *pool, struct io *io)
{
    bool may_stay = server_idle_may_stay(io->server);
    int64_t now = io_now_ms();
    bool look = !may_stay && (pool->looked_ms == 0 || now - pool->looked_ms >= DRAIN_LOOK_MS);
    uint64_t changes;
    unsigned high;
    bool empty;

    /* Whoever opens a record is either seen to be changing now, or will see this. */
    atomic_store(&pool->closed, true);
    empty = (shared_unsettled(pool->shared, &changes) & SHARED_CHANGING) == 0;
    high = atomic_load(&pool->high);
    if (look)
        pool->looked_ms = now;
    for (unsigned fd = 0; fd < high; fd++) {
        struct pool_record *record = &pool->records[fd];
        uint32_t owner;

        if (look && claim(record, owner_of(io)))
            put_back(pool, record, connection_drain(&record->conn, io), io);
        else
            look_after(pool, record, io);
        owner = atomic_load(&record->owner);
        if (owner != OWNER_NONE && !(owner & OWNER_HELD)) /* held: a worker's own, to its end */
            empty = false;
    }
    return empty;
}

void pool_died(struct pool *pool, unsigned worker, bool killed)
{
    slow_clients_died(pool->slow_clients, worker);
    leaders_died(pool->leaders, worker, killed);
    if (!killed)
        return;
    atomic_store(&pool->rearm, true);         /* it may have got an event and not claimed it */
    atomic_store(&pool->accept_paused, true); /* or the listening socket's */
}

/* The worker, if any, that an owner word names has ended. */
static bool is_dead(const struct pool *pool, uint32_t owner)
{
    owner &= ~OWNER_HELD;
    return owner >= OWNER_WORKERS &&
           atomic_load(&pool->shared->workers[owner - OWNER_WORKERS].pid) == 0;
}

void pool_release(struct pool *pool, struct io *io)
{
    unsigned high = atomic_load_explicit(&pool->high, memory_order_relaxed);

    for (unsigned fd = 0; fd < high; fd++) {
        struct pool_record *record = &pool->records[fd];
        uint32_t owner = atomic_load_explicit(&record->owner, memory_order_acquire);

        if (!is_dead(pool, owner))
            continue;
        if (owner & OWNER_HELD) {
            yield(record, OWNER_NONE);
            close((int)fd);
        } else {
            close_record(pool, record, io);
        }
    }
    leaders_release(pool->leaders);
    if (atomic_load(&pool->accept_paused))
        resume_accepting(pool, io->server);
}

bool pool_owns(const struct pool *pool, int fd)
{
    return (unsigned)fd >= pool->descriptors || /* nobody can say whose it is */
           fd == pool->epoll_fd || slow_clients_own(pool->slow_clients, fd) ||
           atomic_load(&pool->records[fd].owner) != OWNER_NONE;
}

void pool_opening(struct io *io)
{
    shared_begin_change(io->stats);
}

/* The record of a descriptor that a worker has opened for itself; NULL: it has none, as somebody
 * has raised the limit meanwhile, and is left open should the worker be killed. */
static struct pool_record *record_of(struct pool *pool, int fd)
{
    return fd >= 0 && descriptors_have(pool->descriptors, fd) ? &pool->records[fd] : NULL;
}

void pool_hold(struct pool *pool, struct io *io, int fd)
{
    struct pool_record *record = record_of(pool, fd);

    if (record != NULL) {
        raise_high(pool, (unsigned)fd);
        if (!claim_from(record, OWNER_NONE, owner_of(io) | OWNER_HELD))
            abort(); /* as in open_record() */
    }
    shared_end_change(io->stats);
}

void pool_unhold(struct pool *pool, struct io *io, int fd)
{
    struct pool_record *record = record_of(pool, fd);

    shared_begin_change(io->stats);
    if (record != NULL)
        yield(record, OWNER_NONE); /* before it can be closed: see open_record() */
}

void pool_close(struct pool *pool, struct io *io, int fd)
{
    pool_unhold(pool, io, fd);
    close(fd);
    shared_end_change(io->stats);
}
