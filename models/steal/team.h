/* SPDX-License-Identifier: MIT
 *
 * The process of the stealing model: its threads, each with a loop, and what they share.
 *
 * stealing.c says when what is done, and loop/serve.c serves. lot.c has the connections: who may
 * touch one, and in whose epoll set it is parked. watch.c says who is behind and gets nowhere by
 * himself; help.c has others take what is his.
 */
#ifndef MODELS_STEAL_TEAM_H
#define MODELS_STEAL_TEAM_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "coro/list.h"
#include "models/loop/loop.h"
#include "models/steal/ready.h"

struct team;
struct thief;

/* A connection's record. Indexed by descriptor. */
struct steal_conn {
    alignas(SHARED_CACHE_LINE) struct loop_conn c; /* first; its watch is not used */
    /* Who may touch it: see lot.c. */
    _Atomic uint8_t state;
    _Atomic bool watched; /* it is in its home's epoll set */
    struct thief *home;   /* the thread that served it last */
};

/* How far a thread is behind; it is helped by those who are less so. */
enum behind {
    BEHIND_NOT,
    BEHIND_BUSY,  /* it has not waited for work for a while: there is more than it can do */
    BEHIND_STUCK, /* it has been at one thing for a while, perhaps a handler that computes */
};

/* A thread and its loop. */
struct thief {
    struct loop_process loop; /* first: what loop/ is given finds the rest by it */
    struct team *team;
    pthread_t thread;
    int lot_fd;            /* epoll set of the parked connections whose home this is */
    struct coro_watch lot; /* on it */
    struct coro_notifier *bell;
    struct coro_list suspended; /* contexts in io_suspend() */
    int error;                  /* why it could not start */
    _Atomic int32_t homes;      /* connections whose home this is */
    struct ready ready;
    /* Its own, read by the watch. */
    alignas(SHARED_CACHE_LINE) _Atomic uint32_t moves; /* jobs and turns of the loop begun */
    _Atomic bool asleep;                               /* in epoll_wait() */
    _Atomic bool any_resumed; /* by others: some of `suspended` were, by another thread */
    /* The watch's own, `behind` read by all. */
    alignas(SHARED_CACHE_LINE) _Atomic uint8_t behind; /* enum behind */
    uint32_t seen_moves;
    unsigned awake_for; /* looks */
};

struct team {
    struct server *server;
    struct io_ops ops;         /* of all its coroutines */
    struct loop_process watch; /* of the process's first thread: never waits, has no loop */
    unsigned first;            /* slot of thread 0; behind those of all comes the watch's own */
    struct steal_conn *conns;  /* server->descriptors of them; untouched ones cost nothing */
    char *spill;               /* spill_size bytes for each descriptor; behind it, conns */
    size_t mapped, spill_size; /* bytes */
    _Atomic unsigned high;     /* one more than the highest descriptor used */
    _Atomic bool unheard;      /* a parked one may be in no epoll set */
    struct thief *thieves;     /* server->workers of them */
    pthread_barrier_t started; /* all threads and the watch, twice: set up, allowed to begin */
    pthread_barrier_t ended;   /* all threads */
    pthread_mutex_t ringing;   /* the watch's, while it says something to all threads */
    int awake_fd;              /* a latch: some thread woke while nobody watched */
    /* The watch's own: */
    unsigned quiet;                  /* looks in turn at which nobody was awake */
    bool still;                      /* all threads were stuck at every look since the last tick */
    _Atomic bool draining, stopping; /* set by the watch; then it rings all bells */
    _Atomic unsigned retired;        /* threads that accept no more */
    alignas(SHARED_CACHE_LINE) _Atomic bool watching; /* the watch looks every millisecond */
    _Atomic uint8_t most_behind;                      /* of all threads */
};

static inline struct thief *thief_of(struct loop_process *p)
{
    return (struct thief *)p;
}

/* By t itself: it has gone on to something else. */
static inline void steal_moves(struct thief *t)
{
    atomic_store_explicit(&t->moves, atomic_load_explicit(&t->moves, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* ---- lot.c ---- */

/* What ready.entries hold: a descriptor, and whether its client has closed or gone. */
#define STEAL_HUNG_UP (UINT32_C(1) << 31)

/* Makes the records. Returns 0 or -ENOMEM; steal_close_lot() in either case. */
int steal_open_lot(struct team *team) __attribute__((warn_unused_result));
void steal_close_lot(struct team *team);

/* The record of a socket just accepted, and counted: the caller's to serve or put back. */
struct steal_conn *steal_open_conn(struct team *team, struct thief *home, int fd,
                                   const struct in6_addr *client);

/* Where a connection that t has accepted is best at home: with t, unless another who is not behind
 * has fewer by more than a little. t NULL: with who has fewest. */
struct thief *steal_choose_home(struct team *team, struct thief *t);

/* The connection of an entry, the caller's from now on; or NULL: somebody serves it, who is told by
 * this that there is more, or it has gone. */
struct steal_conn *steal_claim(struct team *team, uint32_t entry);

/* Takes what is readable in home's epoll set, at most `most`, as t's own; t has nothing ready. */
void steal_fetch(struct thief *t, const struct thief *home, unsigned most);

/* c, the caller's, is given up: parked in the epoll set of p's thread, which is its home then; or
 * closed. */
loop_put_back_fn steal_put_back;

/* The same of one just opened, by any thread: parked at its home. */
void steal_park_new(struct team *team, struct steal_conn *r);

/* For the watch, a few times a second: ends what has expired; while draining also what is idle. */
void steal_sweep(struct team *team);

/* Serves what could not be watched, if there is any. */
void steal_serve_unheard(struct thief *t);

/* ---- help.c ---- */

/* Serves what t has ready. */
void steal_serve_ready(struct thief *t);

/* Has t, who has nothing ready, do some of the work of those who are behind. */
void steal_help(struct thief *t);

/* ---- watch.c ---- */

/* The coro_wait_hook of a thief, which is arg. */
void steal_note_wait(void *arg, bool waits);

/* By the watch: waits for at most ms milliseconds, or until fd is readable, and keeps an eye on
 * all threads meanwhile. True: fd is readable. */
bool steal_watch(struct team *team, int fd, int64_t ms);

#endif
