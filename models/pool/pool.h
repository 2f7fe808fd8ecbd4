/* SPDX-License-Identifier: MIT
 *
 * The pool of prefork and threads: workers that are taken for one request and go
 * back when it is done.
 *
 * There is one epoll set, in which those workers wait that lead (leaders.h). A parked
 * connection is in it with EPOLLONESHOT, so the kernel hands it, once readable, to one of them;
 * that worker serves it and arms it again. The parking lot is an array of records indexed by
 * descriptor: a descriptor number is unique among the workers, so finding, making and freeing a
 * record needs neither lock nor allocation.
 *
 * Who may touch a connection is decided by its record's owner word alone, by
 * compare-and-swap. An event is only a hint: whoever gets one must win the
 * record first. So events may be lost, late or double (a worker killed between
 * epoll_wait() and claiming, an entry armed twice) without two workers ever
 * serving the same connection.
 *
 * A worker process may be killed between any two instructions. What that leaves, and what puts it
 * right:
 *
 *     an event taken, the record not claimed     the next sweep arms all that are parked
 *     that of the listening socket               pool_release() arms it
 *     accepted or opened, not recorded           a stray (strays.h)
 *     recorded, or claimed                       closed by pool_release(), as all that is its own
 *     parked, not armed                          the next sweep
 *     UNWATCHED, not noted in `unwatched`        the sweep looks at all of these
 *     given up, not closed                       a stray
 *     opened or closed, not counted              shared_recount()
 *     its state, its wait for a client           begun anew with the next in its place
 */
#ifndef MODELS_POOL_POOL_H
#define MODELS_POOL_POOL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "http/conn.h"
#include "io.h"
#include "models/pool/leaders.h"
#include "http/rush.h"
#include "models/pool/slow_clients.h"
#include "server.h"

/* Owner words. PARKED and UNWATCHED are nobody's, the first armed in the epoll set, the second not
 * (see leave_unwatched()). A worker's is its index + OWNER_WORKERS; with OWNER_HELD added the
 * descriptor is no connection but one that its owner opened for itself (io_hold()). */
enum {
    OWNER_NONE = 0,
    OWNER_PARKED = 1,
    OWNER_UNWATCHED = 2,
    OWNER_MASTER = 3,
    OWNER_WORKERS = 4,
};
#define OWNER_HELD (UINT32_C(1) << 31)

enum { POOL_UNWATCHED = 256 };

struct pool_record {
    alignas(SHARED_CACHE_LINE) _Atomic uint32_t owner;
    bool in_epoll; /* has been added to the epoll set; its owner's, like conn */
    struct conn conn;
};

/* Lives, with its records, in one shared mapping. */
struct pool {
    struct server_shared *shared;
    unsigned descriptors; /* records */
    int listen_fd;        /* the generations' that share the pool */
    int epoll_fd;
    int stop_fd;                       /* readable: idle workers return from pool_work() */
    _Atomic bool accept_paused;        /* the listening socket is left unarmed for now */
    _Atomic bool closed;               /* draining: no record is opened any more */
    _Atomic unsigned high;             /* one more than the highest descriptor with a record yet */
    _Atomic bool rearm;                /* a parked connection may be unarmed: the sweep arms all */
    int64_t looked_ms;                 /* pool_drain()'s own: at what is idle; 0: not yet */
    struct rush rush;                  /* of connections that end by agreement */
    _Atomic unsigned unwatched_so_far; /* connections; see leave_unwatched() */
    _Atomic int
        unwatched[POOL_UNWATCHED]; /* the last of them: descriptors, perhaps others' by now */
    size_t size;                   /* bytes mapped, all that follows included */
    struct leaders *leaders;
    struct slow_clients *slow_clients;
    char *spill;       /* spill_size bytes for each descriptor, untouched until needed */
    size_t spill_size; /* connection_spill_size() */
    alignas(SHARED_CACHE_LINE)
        atomic_bool house; /* some of those who are in were served since one was let in */
    struct pool_record records[];
};

/*
 * Makes a pool whose memory forked and cloned processes share, for workers 0 to SHARED_SLOTS - 1.
 * stop_fd stays the caller's. server->descriptors may be fewer afterwards: see descriptors_map().
 * Returns NULL with errno set.
 */
struct pool *pool_new(struct server *server, int stop_fd);
void pool_free(struct pool *pool);

/* One worker: serves connections through io until pool->stop_fd is readable or it was
 * dismissed (leaders_dismiss()). */
void pool_work(struct pool *pool, struct io *io);

/* Accepts nothing more from the pool's listening socket, which another attends. A worker may be
 * accepting one more connection right now. */
void pool_retire(struct pool *pool);

/* Closes or answers the parked connections whose deadline has passed, arms again what may have been
 * left unarmed, and lets accepting go on where it had to stop. To be called a few times a second,
 * through an io that never waits. */
void pool_sweep(struct pool *pool, struct io *io);

/* The connections that records name. */
int32_t pool_connections(const struct pool *pool);

/* When draining begins: accepts what waits to be and parks it. */
void pool_take_backlog(struct pool *pool, struct io *io);

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

/* True when fd is the pool's, or a record names it, or it is beyond the records. Not of what the
 * caller of pool_new() gave. */
bool pool_owns(const struct pool *pool, int fd);

/* io_ops.opening, .hold, .unhold and .close of workers that share a descriptor table. */
void pool_opening(struct io *io);
void pool_hold(struct pool *pool, struct io *io, int fd);
void pool_unhold(struct pool *pool, struct io *io, int fd);
void pool_close(struct pool *pool, struct io *io, int fd);

#endif
