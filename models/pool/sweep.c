/* SPDX-License-Identifier: MIT
 *
 * What is done to a pool by one that is no worker of it: a few times a second, and after deaths.
 *
 * Deadlines are not kept in an ordered structure: it would need a lock that 64
 * processes share and that a killed one may hold. A request costs one store into
 * its record, and a few times a second one pass over the records (64 bytes each)
 * finds what has expired.
 */
#include "http/connection.h"
#include "http/crowd.h"
#include "models/pool/pool.h"

enum {
    /* Between two looks at what is idle while draining, as each arms all that stay; about as long
     * as a connection counts as just used, so that the second closes what the first could not. */
    DRAIN_LOOK_MS = 250,
};

static int64_t deadline_of(const struct lot_record *record)
{
    return atomic_load_explicit(&record->conn.deadline_ms, memory_order_relaxed);
}

static void make_room(struct pool *pool, const struct crowd *crowd, struct io *io)
{
    for (unsigned i = 0; i < crowd->count; i++) {
        struct lot_record *record = lot_claim(pool->lot, crowd->idle[i].fd, OWNER_PARKED, io);

        if (record != NULL)
            pool_put_back(pool, record, connection_make_room(&record->conn, io), io);
    }
}

/* What becomes of the caller's connection. One that the kernel has no room to watch, so that nobody
 * is told of it, cannot be served: its time is over when its deadline says so. */
static enum conn_next look_at(const struct pool *pool, struct lot_record *record, int64_t now,
                              struct io *io)
{
    if (deadline_of(record) > now)
        return CONN_PARK; /* to be armed again; or served and parked again between the two looks */
    if (!lot_can_watch(pool->lot, record->conn.fd))
        return CONN_CLOSE;
    return connection_expire(&record->conn, io);
}

void pool_sweep(struct pool *pool, struct io *io)
{
    struct lot *lot = pool->lot;
    bool rearm = atomic_exchange(&lot->rearm, false);
    int high = (int)atomic_load_explicit(&lot->high, memory_order_relaxed);
    int64_t now = io_now_ms();
    struct crowd crowd;

    crowd_begin(&crowd, io->server);
    for (int fd = 0; fd < high; fd++) {
        struct lot_record *record = &lot->records[fd];
        uint32_t owner = atomic_load_explicit(&record->owner, memory_order_relaxed);

        if (owner == OWNER_UNWATCHED)
            pool_look_after(pool, fd, io);
        if (owner != OWNER_PARKED)
            continue;
        crowd_offer(&crowd, &record->conn, fd);
        if ((rearm || deadline_of(record) <= now) && lot_claim(lot, fd, OWNER_PARKED, io) != NULL)
            pool_put_back(pool, record, look_at(pool, record, now, io), io);
    }
    make_room(pool, &crowd, io);
    pool_resume_accepting(pool, io->server);
    leaders_watch(pool->leaders);
}

bool pool_drain(struct pool *pool, struct io *io)
{
    bool may_stay = server_idle_may_stay(io->server);
    int64_t now = io_now_ms();
    bool look = !may_stay && (pool->looked_ms == 0 || now - pool->looked_ms >= DRAIN_LOOK_MS);
    uint64_t changes;
    int high;
    bool empty;

    /* Whoever opens a record is either seen to be changing now, or will see this. */
    atomic_store(&pool->closed, true);
    empty = (shared_unsettled(io->server->shared, &changes) & SHARED_CHANGING) == 0;
    high = (int)atomic_load(&pool->lot->high);
    if (look)
        pool->looked_ms = now;
    for (int fd = 0; fd < high; fd++) {
        struct lot_record *record = look ? lot_claim(pool->lot, fd, OWNER_PARKED, io) : NULL;

        if (record != NULL)
            pool_put_back(pool, record, connection_drain(&record->conn, io), io);
        else
            pool_look_after(pool, fd, io);
        empty &= !lot_has_connection(pool->lot, fd); /* what is held is a worker's, to its end */
    }
    return empty;
}

void pool_died(struct pool *pool, unsigned worker, bool killed)
{
    slow_clients_died(pool->slow_clients, worker);
    leaders_died(pool->leaders, worker, killed);
    if (!killed)
        return;
    atomic_store(&pool->lot->rearm, true);    /* it may have got an event and not claimed it */
    atomic_store(&pool->accept_paused, true); /* or the listening socket's */
}

void pool_release(struct pool *pool, struct io *io)
{
    lot_release(pool->lot, io);
    leaders_release(pool->leaders);
    pool_resume_accepting(pool, io->server);
}
