/* SPDX-License-Identifier: MIT
 *
 * Owner words and the epoll set; lot.h has the idea.
 */
#include "models/pool/lot.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"
#include "http/connection.h"
#include "shortage.h"

static_assert(sizeof(struct lot_record) == SHARED_CACHE_LINE, "what an idle connection costs");

struct lot *lot_new(struct server *server)
{
    size_t spill_size = connection_spill_size(server->config); /* whole pages */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size, spills;
    struct lot *lot = descriptors_map(server, sizeof(struct lot) + page,
                                      sizeof(struct lot_record) + spill_size, MAP_SHARED, &size);

    if (lot == NULL)
        return NULL;
    lot->descriptors = server->descriptors;
    lot->size = size;
    spills = size - lot->descriptors * spill_size; /* from a new page on, behind the records */
    lot->spill = (char *)lot + spills / page * page;
    lot->spill_size = spill_size;
    lot->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (lot->epoll_fd >= 0)
        return lot;
    lot_free(lot);
    return NULL;
}

void lot_free(struct lot *lot)
{
    int saved = errno;

    if (lot->epoll_fd >= 0)
        close(lot->epoll_fd);
    munmap(lot, lot->size);
    errno = saved;
}

/* --- owner words ------------------------------------------------------------------ */

/* To be called before anything of a record is changed. */
static inline void expect_owner(const struct lot_record *record, int fd, uint32_t owner,
                                const char *what)
{
    uint32_t found = atomic_load_explicit(&record->owner, memory_order_acquire);

    expect(found == owner, "descriptor %d is to be %s as owner %#x's, but is owner %#x's", fd, what,
           owner, found);
}

/* Gives a record up, or begins it: what was written to it is seen by its next owner. */
static void give(struct lot_record *record, uint32_t owner)
{
    atomic_store_explicit(&record->owner, owner, memory_order_release);
}

static void raise_high(struct lot *lot, unsigned fd)
{
    unsigned high = atomic_load_explicit(&lot->high, memory_order_relaxed);

    while (high <= fd && !atomic_compare_exchange_weak_explicit(
                             &lot->high, &high, fd + 1, memory_order_relaxed, memory_order_relaxed))
        ;
}

/* Who had the number before gave the record up before it closed the descriptor. */
struct lot_record *lot_open(struct lot *lot, int fd, const struct in6_addr *client,
                            const struct io *io)
{
    struct lot_record *record = &lot->records[fd];

    expect_owner(record, fd, OWNER_NONE, "recorded");
    record->in_epoll = false;
    connection_init(&record->conn, fd, client, lot->spill + (size_t)fd * lot->spill_size,
                    io->server->config);
    raise_high(lot, (unsigned)fd);
    shared_count_opened(io->server->shared, io->stats);
    give(record, lot_name(io));
    return record;
}

/* Gives the pages of the spill back to the kernel, unless something is in it. */
static void clean(const struct lot *lot, struct conn *conn)
{
    if (!conn->dirty || conn->spilled > 0)
        return;
    madvise(conn->spill, lot->spill_size, MADV_REMOVE);
    conn->dirty = false;
}

void lot_close(struct lot *lot, struct lot_record *record, const struct io *io)
{
    int fd = record->conn.fd;

    expect_owner(record, fd, lot_name(io), "closed");
    record->conn.spilled = 0;
    clean(lot, &record->conn);
    shared_begin_change(io->stats);
    give(record, OWNER_NONE); /* before close(): the number may be taken again at once */
    close(fd);
    shared_count_closed(io->server->shared, io->stats);
    shared_end_change(io->stats);
}

/* --- parking ---------------------------------------------------------------------- */

/* Armed once the record was given up, so whoever gets the event may close the descriptor "while"
 * epoll_ctl() names it. That is intended; ThreadSanitizer, which does not know that the event
 * itself orders the two, is not told of this one call. */
static int control(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
#ifdef __SANITIZE_THREAD__
    return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
#else
    return epoll_ctl(epoll_fd, operation, fd, event);
#endif
}

/* After the first attempt to arm has failed. The record is parked already, so whoever gets the
 * event may claim it at once, and the number may be of something else by the time it is armed: what
 * cannot be armed is no reason to touch it. */
__attribute__((cold, noinline)) static void arm_again(struct lot *lot, const struct io *io,
                                                      struct epoll_event event)
{
    if (errno == ENOENT || errno == EEXIST) {
        int operation = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

        if (control(lot->epoll_fd, operation, event.data.fd, &event) == 0)
            return;
    }
    if (errno == EBADF || errno == EPERM)
        return; /* closed by who claimed it; EPERM: and a file has the number now */
    /* No room (ENOMEM, ENOSPC): it stays parked, and the sweep tries again. */
    shortage_report(io->server, "epoll", errno);
    atomic_store(&lot->rearm, true);
}

void lot_park(struct lot *lot, struct lot_record *record, const struct io *io)
{
    int fd = record->conn.fd;
    int operation = record->in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event event = {.events = (record->conn.phase == CONN_MORE ? EPOLLOUT : EPOLLIN) |
                                          EPOLLONESHOT,
                                .data.fd = fd};

    expect_owner(record, fd, lot_name(io), "parked");
    clean(lot, &record->conn);
    record->in_epoll = true;
    give(record, OWNER_PARKED);
    if (control(lot->epoll_fd, operation, fd, &event) < 0)
        arm_again(lot, io, event);
}

struct lot_record *lot_park_unwatched(struct lot *lot, struct lot_record *record,
                                      const struct io *io)
{
    unsigned i = atomic_fetch_add_explicit(&lot->unwatched_so_far, 1, memory_order_relaxed);
    int fd = record->conn.fd;

    expect_owner(record, fd, lot_name(io), "parked unwatched");
    clean(lot, &record->conn);
    give(record, OWNER_UNWATCHED);
    fd = atomic_exchange_explicit(&lot->unwatched[i % LOT_UNWATCHED], fd, memory_order_relaxed);
    return lot_claim(lot, fd, OWNER_UNWATCHED, io); /* in the beginning 0, which is nobody's */
}

bool lot_can_watch(const struct lot *lot, int fd)
{
    struct epoll_event nothing = {.events = EPOLLONESHOT, .data.fd = fd};

    return epoll_ctl(lot->epoll_fd, EPOLL_CTL_ADD, fd, &nothing) == 0 || errno == EEXIST;
}

/* --- held descriptors ------------------------------------------------------------- */

/* Whether there is a record for fd. If not, as somebody has raised the limit meanwhile, it is left
 * open should the worker be killed. */
static bool is_recorded(const struct lot *lot, int fd)
{
    return fd >= 0 && descriptors_have(lot->descriptors, fd);
}

void lot_hold(struct lot *lot, int fd, const struct io *io)
{
    if (!is_recorded(lot, fd))
        return;
    expect_owner(&lot->records[fd], fd, OWNER_NONE, "held");
    raise_high(lot, (unsigned)fd);
    give(&lot->records[fd], lot_name(io) | OWNER_HELD);
}

void lot_unhold(struct lot *lot, int fd, const struct io *io)
{
    if (!is_recorded(lot, fd))
        return;
    expect_owner(&lot->records[fd], fd, lot_name(io) | OWNER_HELD, "held no more");
    give(&lot->records[fd], OWNER_NONE); /* before it can be closed: see lot_open() */
}

/* --- all records ------------------------------------------------------------------ */

bool lot_has_connection(const struct lot *lot, int fd)
{
    uint32_t owner = atomic_load(&lot->records[fd].owner);

    return owner != OWNER_NONE && (owner & OWNER_HELD) == 0;
}

int32_t lot_connections(const struct lot *lot)
{
    int high = (int)atomic_load(&lot->high);
    int32_t count = 0;

    for (int fd = 0; fd < high; fd++)
        count += lot_has_connection(lot, fd);
    return count;
}

bool lot_owns(const struct lot *lot, int fd)
{
    return (unsigned)fd >= lot->descriptors || /* nobody can say whose it is */
           fd == lot->epoll_fd || atomic_load(&lot->records[fd].owner) != OWNER_NONE;
}

/* The worker, if any, that an owner word names has ended. */
static bool is_dead(const struct server_shared *shared, uint32_t owner)
{
    owner &= ~OWNER_HELD;
    return owner >= OWNER_WORKERS && owner != OWNER_MASTER &&
           atomic_load(&shared->workers[owner - OWNER_WORKERS].pid) == 0;
}

void lot_release(struct lot *lot, const struct io *io)
{
    unsigned high = atomic_load_explicit(&lot->high, memory_order_relaxed);

    for (unsigned fd = 0; fd < high; fd++) {
        struct lot_record *record = &lot->records[fd];
        uint32_t owner = atomic_load_explicit(&record->owner, memory_order_acquire);

        if (!is_dead(io->server->shared, owner))
            continue;
        if (owner & OWNER_HELD) {
            give(record, OWNER_NONE);
            close((int)fd);
        } else {
            give(record, lot_name(io));
            lot_close(lot, record, io);
        }
    }
}
