/* SPDX-License-Identifier: MIT
 *
 * The memory that the master and all workers of all generations share, processes and threads
 * alike: what the whole server counts, and a slot for each worker.
 *
 * A slot is used by one worker at a time, so counting needs no lock and no atomic
 * read-modify-write; readers add up what they see.
 */
#ifndef SHARED_H
#define SHARED_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SHARED_CACHE_LINE = 64,
    SHARED_SLOTS = 131072,        /* for workers that live at the same time: of all generations */
    SHARED_MASTER = SHARED_SLOTS, /* io.worker of the master */
};

/* A counter with one writer at a time; readers may be anywhere. */
typedef _Atomic uint64_t stats_counter;

/* What the master and a worker process say to each other (worker.h): in the slot of the process's
 * first worker; who may write what is said at each. */
struct worker_control {
    _Atomic bool draining;         /* master: finish; answers say so */
    _Atomic bool take_backlog;     /* master, before stopping it: nobody else will accept */
    _Atomic bool ready;            /* worker: can serve */
    _Atomic bool backlog_taken;    /* worker: saw the backlog empty after take_backlog */
    _Atomic bool spent;            /* worker: has served --max-requests */
    _Atomic uint32_t state;        /* enum leaders_state, of a pool's worker; 0 at its start */
    _Atomic uint32_t events;       /* a pool's worker: how many it has taken */
    uint32_t place;                /* its own: where it leads, see models/pool/leaders.h */
    bool waited;                   /* its own: inside a handler, since it last looked for work */
    _Atomic int64_t deadline_ms;   /* master: while draining, when to cut requests off */
    _Atomic int64_t idle_until_ms; /* master: while draining, how long idle connections may stay */
    _Atomic int64_t beat_ms; /* worker: when its loop or timekeeper last turned; 0: has none */
};

/* One worker's counters: a process of prefork, a thread of threads, a loop
 * process of coro. They survive the worker's death; the next in its slot goes on. */
struct worker_stats {
    alignas(SHARED_CACHE_LINE) stats_counter requests; /* answered, refused ones included */
    stats_counter responses[6];                        /* by class: [2] counts 2xx; [0] is unused */
    stats_counter bytes_in;                            /* read from clients, bytes */
    stats_counter bytes_out;                           /* sent to clients, bytes */
    stats_counter accepted;                            /* connections opened by this worker */
    stats_counter closed;                              /* connections closed by this worker */
    stats_counter looks;           /* of a coro loop at the listening socket (models/loop) */
    stats_counter contexts;        /* contexts serving a request now: 0 or 1, or coroutines */
    stats_counter read_ahead;      /* bytes of body now held for it by http/ahead.c */
    stats_counter requests_before; /* of `requests`, served by earlier workers in this place */
    _Atomic int32_t pid;           /* 0: no such worker now */
    _Atomic int32_t tid;
    _Atomic uint32_t
        changing;             /* SHARED_CHANGING, SHARED_PASSING, and how often they have changed */
    stats_counter stack_peak; /* bytes of coroutine stack ever used; 0 in the pools */
    alignas(SHARED_CACHE_LINE) struct worker_control control;
};

/* Seen by the master and all workers. */
struct server_shared {
    /* The whole server is being stopped: as worker_control.draining of every process. */
    alignas(SHARED_CACHE_LINE) _Atomic bool draining;
    /* It was told to stop and is not ready any more, though it accepts until `draining`: see
     * --lame-duck. Answers say Connection: close. */
    _Atomic bool leaving;
    _Atomic int64_t drain_deadline_ms; /* when to give up waiting for requests */
    _Atomic uint32_t log_generation;   /* grows with each order to reopen the access log */
    /* Places that who waits to be accepted, as all are taken, is to get: from idle connections, and
     * from any whose next answer then is its last. Set by server_seek_places(). */
    _Atomic int32_t places_of_idle, places_of_any;
    uint64_t accepted_before; /* the master's own: connections, at its last look */
    alignas(SHARED_CACHE_LINE) _Atomic int32_t open_connections;
    _Atomic int64_t read_ahead;       /* bytes of body held by http/ahead.c, of all workers */
    _Atomic int32_t contexts;         /* contexts serving a request now, of all workers */
    _Atomic int32_t contexts_peak;    /* the most that ever did so together */
    _Atomic uint32_t log_kept;        /* the generation that could not be opened, as was said */
    _Atomic int64_t shortage_said_ms; /* when the log last said that something is short; 0: never */
    _Atomic uint64_t log_lines_lost;  /* of the access log: they could not be written */
    _Atomic int64_t log_lost_ms;      /* when the last one was */
    _Atomic bool log_losing;          /* lost lines were announced, and not yet that it is over */
    _Atomic bool log_torn;            /* the last line in the access log lacks its end */
    _Atomic uint32_t slots_used;      /* one more than the highest slot any worker has had */
    _Atomic bool database_named;      /* the log has said where the one is that nobody named */
    bool strays;  /* the master's own: one died while `changing` said so; see src/master/strays.h */
    bool recount; /* the same: and open_connections may be wrong */
    pthread_mutex_t accept_turn;   /* of --accept=lock: robust, as its holder may be killed */
    struct worker_stats master;    /* what the master does to connections */
    struct worker_stats workers[]; /* the slots, SHARED_SLOTS of them */
};

/* Maps it, zeroed; NULL with errno. */
struct server_shared *shared_new(void);
void shared_free(struct server_shared *shared);

/* Adds to a counter of the calling worker. */
static inline void stats_add(stats_counter *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static inline uint64_t stats_get(const stats_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Slots that have ever been used. */
static inline unsigned shared_slots(const struct server_shared *shared)
{
    return atomic_load_explicit(&shared->slots_used, memory_order_acquire);
}

/* The counters of a worker, or of the master for SHARED_MASTER. */
static inline struct worker_stats *shared_stats(struct server_shared *shared, unsigned worker)
{
    return worker == SHARED_MASTER ? &shared->master : &shared->workers[worker];
}

/* A context has begun (ended) serving: keeps count and peak, for /status. */
static inline void shared_context_enter(struct server_shared *shared, struct worker_stats *stats)
{
    int32_t now = atomic_fetch_add_explicit(&shared->contexts, 1, memory_order_relaxed) + 1;
    int32_t peak = atomic_load_explicit(&shared->contexts_peak, memory_order_relaxed);

    stats_add(&stats->contexts, 1);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&shared->contexts_peak, &peak, now,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}
static inline void shared_context_leave(struct server_shared *shared, struct worker_stats *stats)
{
    atomic_fetch_sub_explicit(&shared->contexts, 1, memory_order_relaxed);
    stats_add(&stats->contexts, (uint64_t)-1);
}

/* Where several workers accept at once: the place of one more connection, counted as
 * shared_connection_opened() does, or false when there are `most`; and back again, when none
 * came. */
bool shared_connection_reserve(struct server_shared *shared, struct worker_stats *stats,
                               unsigned most) __attribute__((warn_unused_result));
void shared_connection_unreserve(struct server_shared *shared, struct worker_stats *stats);

/* Whether a connection is to give up its place: one of those counted by *places. */
static inline bool shared_give_place(_Atomic int32_t *places)
{
    int32_t count = atomic_load_explicit(places, memory_order_relaxed);

    while (count > 0)
        if (atomic_compare_exchange_weak_explicit(places, &count, count - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* A connection was accepted, or closed. shared_count_: the same within a time that the caller has
 * begun with shared_begin_change(). */
void shared_connection_opened(struct server_shared *shared, struct worker_stats *stats);
void shared_connection_closed(struct server_shared *shared, struct worker_stats *stats);
void shared_count_opened(struct server_shared *shared, struct worker_stats *stats);
void shared_count_closed(struct server_shared *shared, struct worker_stats *stats);

/* After a worker has died between counting a connection in one place and in another: puts
 * open_connections right, once nothing moves while connections(arg) counts those there are. */
void shared_recount(struct server_shared *shared, int32_t (*connections)(const void *arg),
                    const void *arg);

/* A worker has begun in that place; called by the worker. */
void shared_worker_begins(struct server_shared *shared, unsigned worker, int32_t pid, int32_t tid);
/* It has died; called by its master after it was reaped. */
void shared_worker_died(struct server_shared *shared, unsigned worker);
/* The connections it had accepted and not closed died with it. */
void shared_worker_lost_connections(struct server_shared *shared, unsigned worker);

/* What a worker has open or counted may disagree with what is recorded of it: for a moment, while
 * it changes both; or on its way in and out, while libraries open what they like. The two do not
 * overlap, nor does either with itself. src/master/strays.h says what for. */
enum { SHARED_CHANGING = 1, SHARED_PASSING = 2, SHARED_CHANGE = 4 };

static inline void shared_begin_change(struct worker_stats *stats)
{
    atomic_fetch_add(&stats->changing, SHARED_CHANGING);
}
static inline void shared_end_change(struct worker_stats *stats)
{
    atomic_fetch_add(&stats->changing, SHARED_CHANGE - SHARED_CHANGING);
}
/* Begins the one or ends it. */
static inline void shared_toggle_passing(struct worker_stats *stats)
{
    atomic_fetch_add(&stats->changing, SHARED_PASSING);
}

/* Which of these some living worker is in, or'ed; 0: none. *changes grows whenever one begins or
 * ends: what was seen between two calls that do not return a thing, with the same *changes, was
 * settled as far as that goes. */
unsigned shared_unsettled(const struct server_shared *shared, uint64_t *changes);

#endif
