/* SPDX-License-Identifier: MIT
 *
 * A permit's word holds its owner, its phase and how often it has changed:
 *
 *     FREE ──take──► BUSY(owner) ──give──► IDLE(owner) ──take by owner──► BUSY(owner)
 *       ▲                │                     │
 *       └──give for good─┘                     └─take by another─► REVOKING(thief) ─► BUSY(thief)
 *
 * REVOKING is the time in which the thief shuts the old owner's socket down, through a descriptor
 * of its own that it made while the word still said IDLE: as the word has not changed meanwhile,
 * that is the socket, and stays it whatever becomes of the owner and its number.
 */
#include "db/permits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "system/bells.h"

enum {
    CACHE_LINE = 64,
    FIRST_LOOK_MS = 5, /* how often the first in line looks for an idle permit */
    /* How often the others look where they stand, for each process before them, and at most: those
     * behind the first few have no bell, and a ring gets lost when a process is killed between its
     * two steps. */
    EACH_LOOK_MS = 2,
    OTHERS_LOOK_MS = 1000,
};

enum phase { FREE = 0, BUSY = 1, IDLE = 2, REVOKING = 3 };

/* Of the word: two bits are the phase, the others of the lower half the owner, the upper half
 * counts. */
enum { PHASE_BITS = 2, COUNT_SHIFT = 32 };

struct permit {
    alignas(CACHE_LINE) _Atomic uint64_t word;
    _Atomic int32_t fd;       /* while IDLE: the socket; -1: none */
    _Atomic int64_t since_ms; /* when its owner got it */
    _Atomic int64_t idle_ms;  /* while IDLE: since when */
};

/* A process's place in the line. */
struct claim {
    alignas(CACHE_LINE) _Atomic uint64_t ticket; /* 0: does not wait */
    _Atomic int bell;                            /* rings when it is to look again; 0: none */
    _Atomic int32_t copy; /* while a permit is REVOKING(this): the socket to shut down; -1: none */
};

struct db_permits {
    unsigned count, processes;
    size_t size; /* bytes mapped */
    _Atomic uint64_t tickets;
    struct bells bells;
    struct claim *claims; /* behind the permits */
    struct permit permits[];
};

static bool is(uint64_t word, enum phase phase)
{
    return (word & ((1U << PHASE_BITS) - 1)) == phase;
}

static bool owned_by(uint64_t word, unsigned process)
{
    return !is(word, FREE) && (uint32_t)word >> PHASE_BITS == process;
}

/* Changes the word from what was seen. False: somebody else has changed it. */
static bool change(struct permit *permit, uint64_t seen, unsigned process, enum phase phase)
{
    uint64_t next =
        ((seen >> COUNT_SHIFT) + 1) << COUNT_SHIFT | (uint64_t)process << PHASE_BITS | phase;

    return atomic_compare_exchange_strong(&permit->word, &seen, next);
}

struct db_permits *db_permits_new(unsigned count, unsigned processes)
{
    size_t permits = sizeof(struct db_permits) + count * sizeof(struct permit);
    size_t size;
    struct db_permits *p;
    int result;

    permits = (permits + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    size = permits + processes * sizeof(struct claim);
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    p->count = count;
    p->size = size;
    p->claims = (struct claim *)((char *)p + permits);
    p->processes = processes;
    result = bells_init(&p->bells);
    if (result < 0) {
        db_permits_free(p);
        errno = -result;
        return NULL;
    }
    return p;
}

void db_permits_free(struct db_permits *p)
{
    if (p == NULL)
        return;
    bells_term(&p->bells);
    munmap(p, p->size);
}

void db_permits_keep(const struct db_permits *p, struct kept *kept)
{
    bells_keep(&p->bells, kept);
}

/* The process that has waited longest, or NULL. */
static struct claim *first_in_line(const struct db_permits *p)
{
    struct claim *first = NULL;
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < p->processes; i++) {
        uint64_t ticket = atomic_load(&p->claims[i].ticket);

        if (ticket != 0 && ticket < least) {
            least = ticket;
            first = &p->claims[i];
        }
    }
    return first;
}

/* How many wait that have come before whoever has that ticket. */
static unsigned count_before(const struct db_permits *p, uint64_t own)
{
    unsigned before = 0;

    for (unsigned i = 0; i < p->processes; i++) {
        uint64_t ticket = atomic_load(&p->claims[i].ticket);

        before += ticket != 0 && ticket < own;
    }
    return before;
}

unsigned db_permits_waiting(const struct db_permits *p)
{
    return count_before(p, UINT64_MAX);
}

static void wake_first(const struct db_permits *p)
{
    const struct claim *first = first_in_line(p);

    if (first != NULL)
        bell_ring(atomic_load(&first->bell));
}

/* A descriptor of the caller's own for what fd is at this moment; -1: there is none. */
static int32_t copy_of(struct io *io, int fd)
{
    int copy = -1;

    if (fd >= 0) {
        io_opening(io);
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        io_hold(io, copy);
    }
    return copy;
}

/* Takes an idle permit, as seen, from its owner. False: it is not idle any more, or there is no
 * descriptor to do it with. */
static bool take_from_owner(struct permit *permit, uint64_t seen, const struct db_borrower *b,
                            struct io *io)
{
    int fd = atomic_load(&permit->fd);
    int copy = copy_of(io, fd);
    bool taken;

    atomic_store(&b->permits->claims[b->process].copy, copy);
    taken = (copy >= 0 || fd < 0) && change(permit, seen, b->process, REVOKING);
    if (taken) {
        if (copy >= 0)
            shutdown(copy, SHUT_RDWR);
        change(permit, atomic_load(&permit->word), b->process, BUSY);
    }
    if (copy >= 0)
        io_close(io, copy);
    return taken;
}

/* Takes a permit that is free, or idle for long enough. */
static bool grab(struct db_borrower *b, struct io *io)
{
    struct db_permits *p = b->permits;
    int64_t now = io_now_ms();

    for (unsigned i = 0; i < p->count; i++) {
        struct permit *permit = &p->permits[i];
        uint64_t seen = atomic_load(&permit->word);
        bool idle = is(seen, IDLE) && (now - atomic_load(&permit->idle_ms) >= DB_PERMIT_IDLE_MS ||
                                       now - atomic_load(&permit->since_ms) >= DB_PERMIT_TENURE_MS);

        if (is(seen, FREE) ? !change(permit, seen, b->process, BUSY)
                           : !idle || !take_from_owner(permit, seen, b, io))
            continue;
        atomic_store(&permit->since_ms, now);
        b->slot = i + 1;
        return true;
    }
    return false;
}

/* Takes up again the permit that was left idle. False: another has it now. */
static bool resume(const struct db_borrower *b)
{
    struct permit *permit = &b->permits->permits[b->slot - 1];
    uint64_t seen = atomic_load(&permit->word);

    return is(seen, IDLE) && owned_by(seen, b->process) && change(permit, seen, b->process, BUSY);
}

/* How long to wait for a ring, with that many ahead in line. */
static int64_t wait_ms(unsigned ahead)
{
    int64_t ms = ahead == 0 ? FIRST_LOOK_MS : (int64_t)ahead * EACH_LOOK_MS;

    return ms < OTHERS_LOOK_MS ? ms : OTHERS_LOOK_MS;
}

static int wait_in_line(struct db_borrower *b, struct io *io, int64_t deadline_ms)
{
    struct db_permits *p = b->permits;
    struct claim *self = &p->claims[b->process];
    uint64_t ticket = atomic_load(&self->ticket);

    for (;;) {
        unsigned ahead = count_before(p, ticket);
        int64_t now = io_now_ms(), look;
        int bell = atomic_load(&self->bell), result;

        if (bell == 0 && ahead < BELLS_COUNT) { /* then there is one, as others take none */
            bell = bells_take(&p->bells, b->process);
            atomic_store(&self->bell, bell);
            ahead = count_before(p, ticket); /* of what comes after this look it rings */
        }
        if (ahead == 0 && grab(b, io))
            return 0;
        if (now >= deadline_ms)
            return -ETIMEDOUT;
        look = now + wait_ms(ahead);
        if (look > deadline_ms)
            look = deadline_ms;
        result = bell != 0 ? io_wait(io, bell, IO_READ, look) : io_sleep(io, look - now);
        if (result < 0 && result != -ETIMEDOUT)
            return result;
        if (result > 0)
            bell_heard(bell);
    }
}

static void leave_line(struct db_permits *p, unsigned process)
{
    atomic_store(&p->claims[process].ticket, 0);
    atomic_store(&p->claims[process].bell, 0);
    bells_give(&p->bells, process);
}

int db_permit_take(struct db_borrower *b, struct io *io, int64_t deadline_ms, bool *kept)
{
    struct db_permits *p = b->permits;
    struct claim *self = &p->claims[b->process];
    int result;

    *kept = b->slot != 0 && resume(b);
    if (*kept)
        return 0;
    b->slot = 0;
    atomic_store(&self->ticket, atomic_fetch_add(&p->tickets, 1) + 1);
    result = wait_in_line(b, io, deadline_ms);
    leave_line(p, b->process);
    wake_first(p); /* the next may find another one */
    return result;
}

bool db_permit_may_stay(const struct db_borrower *b, const struct io *io, int fd)
{
    const struct permit *permit = &b->permits->permits[b->slot - 1];

    if (fd >= 0 && !io_shares_descriptors(io))
        return false;
    return io_now_ms() - atomic_load(&permit->since_ms) < DB_PERMIT_TENURE_MS ||
           first_in_line(b->permits) == NULL;
}

void db_permit_give(struct db_borrower *b, int fd, bool stay)
{
    struct permit *permit = &b->permits->permits[b->slot - 1];
    uint64_t busy = atomic_load(&permit->word); /* and nobody else changes it */

    if (stay) {
        atomic_store(&permit->fd, fd);
        atomic_store(&permit->idle_ms, io_now_ms());
        change(permit, busy, b->process, IDLE);
        return;
    }
    change(permit, busy, b->process, FREE);
    b->slot = 0;
    wake_first(b->permits);
}

void db_permits_died(struct db_permits *p, unsigned process)
{
    int copy = atomic_load(&p->claims[process].copy);

    leave_line(p, process);
    for (unsigned i = 0; i < p->count; i++) {
        struct permit *permit = &p->permits[i];
        uint64_t seen = atomic_load(&permit->word);

        if (!owned_by(seen, process))
            continue;
        if (is(seen, REVOKING) && copy >= 0)
            shutdown(copy, SHUT_RDWR);
        /* Nobody else changes a word that is BUSY or REVOKING; an IDLE one may just be taken. */
        change(permit, seen, process, FREE);
    }
    wake_first(p);
}
