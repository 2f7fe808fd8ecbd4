/* SPDX-License-Identifier: MIT
 *
 * The connections of a team of threads. One that is parked is in the epoll set of its home, the
 * thread that served it last, edge-triggered: the kernel tells of input once, whoever asks, and
 * parking costs no system call. So any thread can look for what is readable on behalf of one that
 * does not come to it, and takes it over by moving it to its own set.
 *
 * Who may touch a connection is decided by its state alone, by compare-and-swap:
 *
 *     PARKED ──claim──► SERVED ──event──► AGAIN
 *       ▲                  │                 │
 *       └──────park────────┴─────park, arm───┘
 *
 * Whoever has an event claims the record or, where somebody serves it, leaves word that there is
 * more (AGAIN); then who parks it asks the kernel to look again (EPOLL_CTL_MOD). No event is lost
 * between the last read and the parking, and none is needed that came before. An event may be late,
 * double or of a connection that had the descriptor before: then nothing is found to read.
 *
 * The end of the input is an event of its own only if it comes by itself; who reads what came
 * before it has not seen it. Such a record is AGAIN from the start.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "descriptors.h"
#include "expect.h"
#include "http/connection.h"
#include "http/crowd.h"
#include "models/steal/team.h"
#include "shortage.h"

enum { NONE, PARKED, SERVED, AGAIN }; /* steal_conn.state */
enum { SLACK = 2 }; /* a thread may have these, and a sixteenth, more at home than another */

int steal_open_lot(struct team *team)
{
    team->spill_size = connection_spill_size(team->server->config); /* whole pages */
    team->spill = descriptors_map(team->server, 0, team->spill_size + sizeof *team->conns,
                                  MAP_PRIVATE, &team->mapped);
    if (team->spill == NULL)
        return -ENOMEM;
    team->conns = (struct steal_conn *)(team->spill + team->server->descriptors * team->spill_size);
    return 0;
}

void steal_close_lot(struct team *team)
{
    if (team->spill != NULL)
        munmap(team->spill, team->mapped);
}

static int32_t homes(const struct thief *t)
{
    return atomic_load_explicit(&t->homes, memory_order_relaxed);
}

struct thief *steal_choose_home(struct team *team, struct thief *t)
{
    struct thief *best = t;

    for (unsigned i = 0; i < team->server->workers; i++) {
        struct thief *other = &team->thieves[i];
        int32_t more = t == NULL ? 0 : SLACK + homes(other) / 16;

        if (best == NULL || (homes(other) + more < homes(best) && other->behind == BEHIND_NOT))
            best = other;
    }
    return best;
}

static void set_home(struct steal_conn *r, struct thief *home)
{
    if (r->home != NULL)
        atomic_fetch_sub_explicit(&r->home->homes, 1, memory_order_relaxed);
    if (home != NULL)
        atomic_fetch_add_explicit(&home->homes, 1, memory_order_relaxed);
    r->home = home;
}

struct steal_conn *steal_open_conn(struct team *team, struct thief *home, int fd,
                                   const struct in6_addr *client)
{
    struct steal_conn *r = &team->conns[fd];
    unsigned high = atomic_load_explicit(&team->high, memory_order_relaxed);
    uint8_t state = atomic_load_explicit(&r->state, memory_order_acquire);

    expect(state == NONE, "descriptor %d is new, but its record is in state %u", fd, state);
    /* Word by word: the sweep may still look at who had the number. */
    r->c.open = true;
    r->c.waiting = r->c.queued = false;
    r->c.busy = r->c.keeper = NULL;
    set_home(r, home);
    atomic_store_explicit(&r->watched, false, memory_order_relaxed);
    connection_init(&r->c.conn, fd, client, team->spill + (size_t)fd * team->spill_size,
                    team->server->config);
    while (high <= (unsigned)fd &&
           !atomic_compare_exchange_weak_explicit(&team->high, &high, (unsigned)fd + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    atomic_store_explicit(&r->state, SERVED, memory_order_release);
    return r;
}

struct steal_conn *steal_claim(struct team *team, uint32_t entry)
{
    struct steal_conn *r = &team->conns[entry & ~STEAL_HUNG_UP];
    uint8_t state = atomic_load_explicit(&r->state, memory_order_relaxed);

    for (;;) {
        uint8_t next = state == PARKED && !(entry & STEAL_HUNG_UP) ? SERVED : AGAIN;

        if (state == NONE || state == AGAIN)
            return NULL;
        if (atomic_compare_exchange_weak_explicit(&r->state, &state, next, memory_order_acquire,
                                                  memory_order_relaxed))
            return state == PARKED ? r : NULL;
    }
}

/* ---- parking ---------------------------------------------------------------------------- */

static void park(struct team *team, struct thief *home, struct steal_conn *r)
{
    int fd = r->c.conn.fd;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    bool watched = atomic_load_explicit(&r->watched, memory_order_relaxed);
    /* What a client sends that is only read and dropped is not read to its end. */
    bool unread = watched && r->c.conn.phase != CONN_IDLE && r->c.conn.phase != CONN_HEAD;

    if (watched && home != r->home) {
        (void)epoll_ctl(r->home->lot_fd, EPOLL_CTL_DEL, fd, NULL);
        watched = unread = false;
    }
    if (home != r->home)
        set_home(r, home);
    if (!watched) {
        watched = epoll_ctl(home->lot_fd, EPOLL_CTL_ADD, fd, &event) == 0;
        atomic_store_explicit(&r->watched, watched, memory_order_relaxed);
        if (!watched)
            shortage_report(team->server, "epoll", errno);
    }
    /* Once parked it may be another's, who may close it meanwhile: then this is of no effect, or
     * the kernel looks once in vain at who has the number. */
    if (atomic_exchange_explicit(&r->state, PARKED, memory_order_acq_rel) == AGAIN || unread)
        (void)epoll_ctl(home->lot_fd, EPOLL_CTL_MOD, fd, &event);
    if (!watched) /* now: who looked before would not have found it, and nobody would look again */
        atomic_store(&team->unheard, true);
}

/* Gives the pages of the spill back to the kernel. */
static void clean(const struct team *team, struct conn *conn)
{
    if (conn->dirty)
        madvise(conn->spill, team->spill_size, MADV_DONTNEED);
    conn->dirty = false;
}

static void close_conn(struct team *team, struct worker_stats *stats, struct steal_conn *r)
{
    int fd = r->c.conn.fd;

    clean(team, &r->c.conn);
    set_home(r, NULL);
    r->c.open = false;
    atomic_store_explicit(&r->state, NONE, memory_order_release); /* the number may be reused */
    close(fd);
    shared_connection_closed(team->server->shared, stats);
}

void steal_put_back(struct loop_process *p, struct loop_conn *c, enum conn_next next)
{
    struct thief *t = thief_of(p);
    struct steal_conn *r = (struct steal_conn *)c;

    c->busy = NULL;
    if (next == CONN_CLOSE) {
        close_conn(t->team, p->stats, r);
        loop_accept_resume(p);
        return;
    }
    if (c->conn.spilled == 0)
        clean(t->team, &c->conn);
    park(t->team, t, r);
}

/* The same by the watch: it stays where it is. look_again: the kernel is to, as a read may have
 * ended short of all the input, as at urgent data, and then no event tells of the rest. */
static void put_back(struct team *team, struct steal_conn *r, enum conn_next next, bool look_again)
{
    if (next == CONN_CLOSE) {
        close_conn(team, team->watch.stats, r);
        return;
    }
    if (look_again)
        atomic_store_explicit(&r->state, AGAIN, memory_order_relaxed);
    park(team, r->home, r);
}

void steal_park_new(struct team *team, struct steal_conn *r)
{
    park(team, r->home, r);
}

void steal_fetch(struct thief *t, const struct thief *home, unsigned most)
{
    struct epoll_event events[READY_MOST];
    uint32_t entries[READY_MOST];
    int count = epoll_wait(home->lot_fd, events, (int)most, 0);

    for (int i = 0; i < count; i++)
        entries[i] = (uint32_t)events[i].data.fd |
                     (events[i].events & ~(uint32_t)EPOLLIN ? STEAL_HUNG_UP : 0);
    if (count > 0)
        ready_fill(&t->ready, entries, (unsigned)count);
}

/* ---- all of them ------------------------------------------------------------------------ */

static bool is_parked(const struct steal_conn *r)
{
    return atomic_load_explicit(&r->state, memory_order_relaxed) == PARKED;
}

static bool has_expired(const struct conn *conn, int64_t now)
{
    return atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed) <= now;
}

void steal_sweep(struct team *team)
{
    unsigned high = atomic_load_explicit(&team->high, memory_order_relaxed);
    struct io *io = &team->watch.loop_io;
    int64_t now = io_now_ms();
    struct crowd crowd;

    crowd_begin(&crowd, team->server);
    for (unsigned fd = 0; fd < high; fd++) {
        struct steal_conn *r = &team->conns[fd];
        struct conn *conn = &r->c.conn;

        if (!is_parked(r))
            continue;
        if (has_expired(conn, now) && steal_claim(team, fd) != NULL) /* else it was served since */
            put_back(team, r, has_expired(conn, now) ? connection_expire(conn, io) : CONN_PARK,
                     true);
        if (team->draining && is_parked(r) && steal_claim(team, fd) != NULL)
            put_back(team, r, connection_drain(conn, io), !server_idle_may_stay(team->server));
        if (is_parked(r))
            crowd_offer(&crowd, conn, (int)fd);
    }
    for (unsigned i = 0; i < crowd.count; i++) {
        struct steal_conn *r = steal_claim(team, (uint32_t)crowd.idle[i].fd);

        if (r != NULL)
            put_back(team, r, connection_make_room(&r->c.conn, io), true);
    }
}

void steal_serve_unheard(struct thief *t)
{
    unsigned high = atomic_load_explicit(&t->team->high, memory_order_relaxed);

    if (!atomic_load_explicit(&t->team->unheard, memory_order_relaxed) ||
        !atomic_exchange(&t->team->unheard, false))
        return;
    for (unsigned fd = 0; fd < high; fd++) {
        struct steal_conn *r = &t->team->conns[fd];

        if (is_parked(r) && !atomic_load_explicit(&r->watched, memory_order_relaxed) &&
            steal_claim(t->team, fd) != NULL)
            loop_serve(&t->loop, &r->c);
    }
}
