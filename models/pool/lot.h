/* SPDX-License-Identifier: MIT
 *
 * The parking lot of a pool: the records of its connections, and who may touch each.
 *
 * It is an array indexed by descriptor: a descriptor number is unique among the workers, so
 * finding, making and freeing a record needs neither lock nor allocation. A parked connection is
 * watched in an epoll set with EPOLLONESHOT, so the kernel tells one worker once it is readable;
 * that one serves it and parks it again.
 *
 * Who may touch a connection is decided by its record's owner word alone, by compare-and-swap. An
 * event is only a hint: whoever gets one must win the record first. So events may be lost, late or
 * double (a worker killed between epoll_wait() and claiming, an entry armed twice) without two
 * workers ever serving the same connection. Nothing but lot.h and lot.c changes an owner word.
 *
 * A worker process may be killed between any two instructions. What that leaves in here, and what
 * puts it right:
 *
 *     accepted or opened, not recorded           a stray (master/strays.h)
 *     recorded, or claimed                       closed by lot_release(), as all that is its own
 *     parked, not armed                          the next sweep arms all, see `rearm`
 *     UNWATCHED, not noted in `unwatched`        the sweep looks at all of these
 *     given up, not closed                       a stray
 *     opened or closed, not counted              shared_recount()
 */
#ifndef MODELS_POOL_LOT_H
#define MODELS_POOL_LOT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "expect.h"
#include "http/conn.h"
#include "io.h"
#include "server.h"

/* Owner words. PARKED and UNWATCHED are nobody's, the first armed in the epoll set, the second not.
 * A worker's is its index + OWNER_WORKERS; with OWNER_HELD added the descriptor is no connection
 * but one that its owner opened for itself (io_hold()). */
enum {
    OWNER_NONE = 0,
    OWNER_PARKED = 1,
    OWNER_UNWATCHED = 2,
    OWNER_WORKERS = 3,
    OWNER_MASTER = OWNER_WORKERS + SHARED_MASTER,
};
#define OWNER_HELD (UINT32_C(1) << 31)

enum { LOT_UNWATCHED = 256 };

struct lot_record {
    alignas(SHARED_CACHE_LINE) _Atomic uint32_t owner;
    bool in_epoll; /* has been added to the epoll set; its owner's, like conn */
    struct conn conn;
};

/* Lies, with its records, in one shared mapping. */
struct lot {
    int epoll_fd;          /* owned; others may watch more in it */
    unsigned descriptors;  /* records */
    size_t size;           /* bytes mapped, all that follows included */
    char *spill;           /* spill_size bytes for each descriptor, untouched until needed */
    size_t spill_size;     /* connection_spill_size() */
    _Atomic unsigned high; /* one more than the highest descriptor with a record yet */
    _Atomic bool rearm;    /* a parked connection may be unarmed */
    alignas(SHARED_CACHE_LINE) _Atomic unsigned unwatched_so_far; /* connections */
    _Atomic int unwatched[LOT_UNWATCHED]; /* descriptors of the last, perhaps others' by now */
    struct lot_record records[];
};

/* For server->descriptors, which may be fewer afterwards: see descriptors_map(). Forked and cloned
 * processes share it. NULL with errno. */
struct lot *lot_new(struct server *server);
void lot_free(struct lot *lot);

/* Makes the record of a connection just accepted, and counts it: the caller's, as are all below
 * that are given to a function. Between shared_begin_change() and shared_end_change(). */
struct lot_record *lot_open(struct lot *lot, int fd, const struct in6_addr *client,
                            const struct io *io);

/* Whoever runs in io, as an owner word. */
static inline uint32_t lot_name(const struct io *io)
{
    return io->worker + OWNER_WORKERS;
}

/* Takes a record that is nobody's, PARKED or UNWATCHED as `from` says; NULL: it is not. */
static inline struct lot_record *lot_claim(struct lot *lot, int fd, uint32_t from,
                                           const struct io *io)
{
    struct lot_record *record;

    expect((unsigned)fd < lot->descriptors, "worker %u was told of descriptor %d, beyond all %u",
           io->worker, fd, lot->descriptors);
    record = &lot->records[fd];
    if (!atomic_compare_exchange_strong_explicit(&record->owner, &from, lot_name(io),
                                                 memory_order_acquire, memory_order_relaxed))
        return NULL;
    expect(record->conn.fd == fd, "worker %u claimed descriptor %d, whose record is of %d",
           io->worker, fd, record->conn.fd);
    return record;
}

/* Parks it until it is readable, or writable (CONN_MORE). */
void lot_park(struct lot *lot, struct lot_record *record, const struct io *io);

/* Parks it unwatched. Returns the record of the one that was so parked 256 before, the caller's, if
 * that is still unwatched; or NULL. */
struct lot_record *lot_park_unwatched(struct lot *lot, struct lot_record *record,
                                      const struct io *io);

/* Closes the connection. */
void lot_close(struct lot *lot, struct lot_record *record, const struct io *io);

/* Records, and forgets, a descriptor that a worker has opened for itself; fd may be negative. */
void lot_hold(struct lot *lot, int fd, const struct io *io);
void lot_unhold(struct lot *lot, int fd, const struct io *io);

/* Whether the kernel has room to watch the caller's connection. */
bool lot_can_watch(const struct lot *lot, int fd);

/* A record names a connection under that number; how many do. */
bool lot_has_connection(const struct lot *lot, int fd);
int32_t lot_connections(const struct lot *lot);

/* True when fd is the lot's, or a record names it, or it is beyond the records. */
bool lot_owns(const struct lot *lot, int fd);

/* Closes what workers owned that have died: see shared_worker_died(). */
void lot_release(struct lot *lot, const struct io *io);

#endif
