/* SPDX-License-Identifier: MIT
 *
 * The pool of prefork and threads: workers that are taken for one request and go
 * back when it is done.
 *
 * There is one epoll set, in which those workers wait that lead (leaders.h). In it are the parked
 * connections (lot.h), of which it tells one worker at a time, the listening socket, likewise, and
 * what stops the workers. One that is no worker looks a few times a second at what happens without
 * an event (sweep.c): the master of prefork, the first thread of threads.
 *
 * A worker process may be killed between any two instructions. What that leaves, beside what lot.h
 * and leaders.h say, and what puts it right:
 *
 *     an event taken, the record not claimed     the next sweep arms all that are parked
 *     that of the listening socket               pool_release() arms it
 *     its state, its wait for a client           begun anew with the next in its place
 */
#ifndef MODELS_POOL_POOL_H
#define MODELS_POOL_POOL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/conn.h"
#include "http/rush.h"
#include "io.h"
#include "models/pool/leaders.h"
#include "models/pool/lot.h"
#include "models/pool/slow_clients.h"
#include "server.h"

struct kept;

/* Lies in memory that the workers share. */
struct pool {
    struct lot *lot;
    struct leaders *leaders;
    struct slow_clients *slow_clients;
    size_t size;                /* bytes mapped for leaders, slow_clients and the pool */
    int listen_fd;              /* the generations' that share the pool */
    int stop_fd;                /* readable: idle workers return from pool_work() */
    _Atomic bool accept_paused; /* the listening socket is left unarmed for now */
    _Atomic bool closed;        /* draining: no record is opened any more */
    int64_t looked_ms;          /* pool_drain()'s own: at what is idle; 0: not yet */
    struct rush rush;           /* of connections that end by agreement */
    alignas(SHARED_CACHE_LINE)
        atomic_bool served_since; /* a connection that stays was, since one was accepted */
};

/* ---- pool.c ---- */

/*
 * Makes a pool whose memory forked and cloned processes share, for workers 0 to SHARED_SLOTS - 1.
 * stop_fd stays the caller's; -1: nobody is going to wait in pool_work(). server->descriptors may
 * be fewer afterwards: see descriptors_map(). Returns NULL with errno set.
 */
struct pool *pool_new(struct server *server, int stop_fd);
void pool_free(struct pool *pool);

/* One worker: serves connections through io until pool->stop_fd is readable or it was
 * dismissed (leaders_dismiss()). */
void pool_work(struct pool *pool, struct io *io);

/* Accepts a connection, the caller's, and watches for the next; all: and parks the others who wait
 * to be accepted. NULL: none came. */
struct lot_record *pool_accept(struct pool *pool, bool all, struct io *io);

/* Accepts nothing more from the pool's listening socket, which another attends. A worker may be
 * accepting one more connection right now. */
void pool_retire(struct pool *pool);

/* When draining begins: accepts what waits to be and parks it. */
void pool_take_backlog(struct pool *pool, struct io *io);

/* Adds the descriptors that a worker needs beside its connection's. */
void pool_keep(const struct pool *pool, struct kept *kept);

/* True when fd is the pool's, or a record names it, or it is beyond the records. Not of what the
 * caller of pool_new() gave. */
bool pool_owns(const struct pool *pool, int fd);

/* For sweep.c: parks or closes a connection of the caller's, as `next` says; looks after one that
 * is unwatched, if it is; lets accepting go on where it had to stop, if there is room now. */
void pool_put_back(struct pool *pool, struct lot_record *record, enum conn_next next,
                   struct io *io);
void pool_look_after(struct pool *pool, int fd, struct io *io);
void pool_resume_accepting(struct pool *pool, const struct server *server);

/* ---- sweep.c ---- */

/* Closes or answers the parked connections whose deadline has passed, arms again what may have been
 * left unarmed, and lets accepting go on where it had to stop. To be called a few times a second,
 * through an io that never waits. */
void pool_sweep(struct pool *pool, struct io *io);

/* While draining, several times a second: closes what is idle and may not stay. True once no
 * connection is left, nor can come: a worker that had been told of a new one before does not accept
 * it. */
bool pool_drain(struct pool *pool, struct io *io);

/*
 * A worker process that shared the descriptor table has ended; killed: and not by itself. After
 * shared_worker_died() for each of those that died together, pool_release() closes what they owned,
 * in one pass over the records; no other may be started in their places before. What a killed one
 * may have left unarmed the next sweep arms, once for them all.
 */
void pool_died(struct pool *pool, unsigned worker, bool killed);
void pool_release(struct pool *pool, struct io *io);

#endif
