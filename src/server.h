/* SPDX-License-Identifier: MIT
 *
 * The running server as every part of it sees it, and the counters its workers
 * share.
 *
 * A struct server is made by the master for each generation of workers, before
 * any of them, and is read-only afterwards, except for `shared`: one MAP_SHARED
 * mapping seen by the master and all workers of all generations, processes and threads
 * alike. It has a slot for each worker; a slot is used by one worker at a time, so counting needs
 * no lock and no atomic read-modify-write; readers add up what they see.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "system/listen.h"

struct db;
struct http_application;
struct model;

enum {
    SERVER_CACHE_LINE = 64,
    SERVER_SLOTS = 131072,        /* for workers that live at the same time: of all generations */
    SERVER_MASTER = SERVER_SLOTS, /* io.worker of the master */
};

/* The version, with the commit it was built from where that is known. */
extern const char server_version[];

/* A counter with one writer at a time; readers may be anywhere. */
typedef _Atomic uint64_t stats_counter;

/* What the master and one worker process tell each other, in the slot of the process's first
 * worker. Who may change what is said at each; the protocol is in src/master/master.h. */
struct worker_control {
    alignas(SERVER_CACHE_LINE) _Atomic bool draining; /* master: finish; answers say so */
    _Atomic bool take_backlog;     /* master, before stopping it: nobody else will accept */
    _Atomic bool ready;            /* worker: can serve */
    _Atomic bool backlog_taken;    /* worker: saw the backlog empty after take_backlog */
    _Atomic bool spent;            /* worker: has served --max-requests */
    _Atomic uint32_t state;        /* enum leaders_state, of a pool's worker */
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
    alignas(SERVER_CACHE_LINE) stats_counter requests; /* answered, refused ones included */
    stats_counter responses[6];                        /* by class: [2] counts 2xx; [0] is unused */
    stats_counter bytes_in;                            /* read from clients, bytes */
    stats_counter bytes_out;                           /* sent to clients, bytes */
    stats_counter accepted;                            /* connections opened by this worker */
    stats_counter closed;                              /* connections closed by this worker */
    stats_counter looks;           /* of a coro loop at the listening socket (loop_accept.c) */
    stats_counter contexts;        /* contexts serving a request now: 0 or 1, or coroutines */
    stats_counter read_ahead;      /* bytes of body now held for it by http/ahead.c */
    stats_counter requests_before; /* of `requests`, served by earlier workers in this place */
    _Atomic int32_t pid;           /* 0: no such worker now */
    _Atomic int32_t tid;
    _Atomic uint32_t
        changing;             /* SERVER_CHANGING, SERVER_PASSING, and how often they have changed */
    stats_counter stack_peak; /* bytes of coroutine stack ever used; 0 in the pools */
    struct worker_control control;
};

/* Seen by the master and all workers. */
struct server_shared {
    /* The whole server is being stopped: as worker_control.draining of every process. */
    alignas(SERVER_CACHE_LINE) _Atomic bool draining;
    _Atomic int64_t drain_deadline_ms; /* when to give up waiting for requests */
    _Atomic uint32_t log_generation;   /* grows with each order to reopen the access log */
    /* Places that who waits to be accepted at a full house is to get: from idle connections, and
     * from any whose next answer then is its last. Set by server_seek_places(). */
    _Atomic int32_t places_of_idle, places_of_any;
    uint64_t accepted_before; /* the master's own: connections, at its last look */
    alignas(SERVER_CACHE_LINE) _Atomic int32_t open_connections;
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
    struct worker_stats master;    /* what the master does to connections */
    struct worker_stats workers[]; /* the slots, SERVER_SLOTS of them */
};

struct server {
    const struct config *config;
    const struct model *model;
    const struct http_application *application;
    unsigned workers;         /* as resolved: at least 1 */
    unsigned max_connections; /* as resolved: what descriptors allow, at most --max-connections */
    unsigned process_connections;       /* what the descriptors of one process allow */
    unsigned descriptors;               /* RLIMIT_NOFILE: every descriptor is below this */
    int listen_fd;                      /* non-blocking */
    char listen_name[LISTEN_NAME_SIZE]; /* "127.0.0.1:8080", as bound */
    struct listen_file listen_file;     /* a Unix socket's that is ours to remove */
    bool listen_shared; /* a service manager has the socket too: close it, never shut it */
    bool handed_over;   /* it is another program's now, or still is: the same */
    int root_fd;        /* O_PATH of --root; -1: none */
    int access_log_fd;  /* -1: off */
    int64_t started_ms; /* io_now_ms() at the start */
    int master_fd;      /* eventfd that wakes the master */
    struct worker_control *control; /* of this process; in the master, of the generation */
    struct db *db;                  /* the pools of connections; a process's own after fork */
    unsigned process; /* this worker process's number among the generation's: see db_new() */
    size_t shared_size;
    struct server_shared *shared;
};

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

/* The whole server is being stopped: nobody will accept, idle connections are to be closed. */
static inline bool server_stopping(const struct server *server)
{
    return atomic_load_explicit(&server->shared->draining, memory_order_relaxed);
}

/* The calling process has been given its orders to finish, all of them. */
static inline bool server_told_to_finish(const struct server *server)
{
    return atomic_load(&server->control->draining);
}

/* The calling process is to finish: answers say Connection: close. */
static inline bool server_draining(const struct server *server)
{
    return server_stopping(server) ||
           (server->control != NULL &&
            atomic_load_explicit(&server->control->draining, memory_order_relaxed));
}

/* While draining: when the calling process is to cut off what it still serves. */
int64_t server_drain_deadline(const struct server *server);

/* While draining: an idle connection may wait for one more request, which is told that it is the
 * last. */
bool server_idle_may_stay(const struct server *server);

/* Slots that have ever been used. */
static inline unsigned server_slots(const struct server *server)
{
    return atomic_load_explicit(&server->shared->slots_used, memory_order_acquire);
}

/* A socket that another program passed to this one. */
struct server_inherited {
    int listen_fd;      /* to be served, *server will own it; -1: none */
    bool listen_shared; /* a service manager has it too */
    bool upgrading;     /* the predecessor still runs */
};

/*
 * Opens and maps what the configuration asks for: listening socket (one that a service manager
 * passed comes before --listen), root directory, access log, shared counters; raises the
 * descriptor limit; becomes --user. config and model must outlive *server. Returns 0, or a negative
 * errno with one line in error (no newline), leaving nothing open but inherited->listen_fd.
 * A predecessor's socket is handed_over until the caller, having told it so, says otherwise.
 */
int server_open(struct server *server, const struct config *config, const struct model *model,
                unsigned workers, const struct server_inherited *inherited, char *error,
                size_t error_size) __attribute__((warn_unused_result));

/*
 * Makes the server of the next generation beside a running one: it shares the counters and, when
 * config->listen is the same text or a service manager passed it, the listening socket
 * (server->listen_fd is then equal); everything else is opened anew. --user, --group and --pid-file
 * cannot change (-EINVAL). Returns as server_open().
 */
int server_succeed(struct server *server, const struct server *running, const struct config *config,
                   const struct model *model, unsigned workers, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Closes what is open, but for the shared counters; listen_fd must be -1 where another generation
 * goes on with it. */
void server_close(struct server *server);

/* Unmaps the shared counters, after the last generation was closed. */
void server_unmap(struct server *server);

/* Stops listening, in every process that shares the socket: connecting is refused, accept() fails
 * with EINVAL. To be called by the master. Does no more than close it when it was handed over.
 * server_shut_listening() leaves the descriptor open. */
void server_stop_listening(struct server *server);
void server_shut_listening(struct server *server);

/* Whether who connects there is another program's business too. */
bool server_listener_is_others(const struct server *server);

/* Before that: nobody can connect any more, though what waits can be accepted. As far as the system
 * lets it; where it does not, who connects between the last accept() and the shutting is reset. */
void server_turn_away(struct server *server);

/* Says that the calling process has served --max-requests and wants to be replaced. Does nothing
 * when it has said so before. */
void server_worker_spent(const struct server *server);

/* Wakes the master, which then looks at the control blocks. */
void server_wake_master(const struct server *server);

/* Opens the access log's path anew in place of the old descriptor, for all who share the calling
 * process's table. The master has raised shared->log_generation before. Any thread, and in a
 * signal handler. */
void server_reopen_log(struct server *server);

/* A context has begun (ended) serving: keeps count and peak, for /status. */
static inline void server_context_enter(struct server *server, struct worker_stats *stats)
{
    int32_t now = atomic_fetch_add_explicit(&server->shared->contexts, 1, memory_order_relaxed) + 1;
    int32_t peak = atomic_load_explicit(&server->shared->contexts_peak, memory_order_relaxed);

    stats_add(&stats->contexts, 1);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&server->shared->contexts_peak, &peak, now,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}
static inline void server_context_leave(struct server *server, struct worker_stats *stats)
{
    atomic_fetch_sub_explicit(&server->shared->contexts, 1, memory_order_relaxed);
    stats_add(&stats->contexts, (uint64_t)-1);
}

/* Where several workers accept at once: the place of one more connection, counted as
 * server_connection_opened() does, or false when there are as many as may be; and back again,
 * when none came. */
bool server_connection_reserve(struct server *server, struct worker_stats *stats)
    __attribute__((warn_unused_result));
void server_connection_unreserve(struct server *server, struct worker_stats *stats);

/* When --max-connections are open and others wait to be accepted, some of those who are in are to
 * make room: idle ones, as many as wait; and where that let nobody in since the last look, whoever
 * is answered next. To be called by the master a few times a second. */
void server_seek_places(struct server *server);

/* Whether a connection is to give up its place: one of those counted by *places. */
static inline bool server_give_place(_Atomic int32_t *places)
{
    int32_t count = atomic_load_explicit(places, memory_order_relaxed);

    while (count > 0)
        if (atomic_compare_exchange_weak_explicit(places, &count, count - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* A connection was accepted, or closed. server_count_: the same within a time that the caller has
 * begun with server_begin_change(). */
void server_connection_opened(struct server *server, struct worker_stats *stats);
void server_connection_closed(struct server *server, struct worker_stats *stats);
void server_count_opened(struct server *server, struct worker_stats *stats);
void server_count_closed(struct server *server, struct worker_stats *stats);

static inline bool server_is_full(const struct server *server)
{
    return atomic_load_explicit(&server->shared->open_connections, memory_order_relaxed) >=
           (int32_t)server->max_connections;
}

/* Whether connections may be kept a little longer than needed: half the places are free. */
static inline bool server_has_places(const struct server *server)
{
    return atomic_load_explicit(&server->shared->open_connections, memory_order_relaxed) <
           (int32_t)server->max_connections / 2;
}

/* After a worker has died between counting a connection in one place and in another: puts
 * open_connections right, once nothing moves while connections(arg) counts those there are. */
void server_recount(struct server_shared *shared, int32_t (*connections)(const void *arg),
                    const void *arg);

/* A worker has begun in that place; called by the worker. */
void server_worker_begins(struct server *server, unsigned worker, int32_t pid, int32_t tid);
/* It has died; called by its master after it was reaped. */
void server_worker_died(struct server *server, unsigned worker);
/* The connections it had accepted and not closed died with it. */
void server_worker_lost_connections(struct server *server, unsigned worker);

/* What a worker has open or counted may disagree with what is recorded of it: for a moment, while
 * it changes both; or on its way in and out, while libraries open what they like. The two do not
 * overlap, nor does either with itself. src/master/strays.h says what for. */
enum { SERVER_CHANGING = 1, SERVER_PASSING = 2, SERVER_CHANGE = 4 };

static inline void server_begin_change(struct worker_stats *stats)
{
    atomic_fetch_add(&stats->changing, SERVER_CHANGING);
}
static inline void server_end_change(struct worker_stats *stats)
{
    atomic_fetch_add(&stats->changing, SERVER_CHANGE - SERVER_CHANGING);
}
/* Begins the one or ends it. */
static inline void server_toggle_passing(struct worker_stats *stats)
{
    atomic_fetch_add(&stats->changing, SERVER_PASSING);
}

/* Which of these some living worker is in, or'ed; 0: none. *changes grows whenever one begins or
 * ends: what was seen between two calls that do not return a thing, with the same *changes, was
 * settled as far as that goes. */
unsigned server_unsettled(const struct server_shared *shared, uint64_t *changes);

/* The counters of a worker, or of the master for SERVER_MASTER. */
static inline struct worker_stats *server_stats(const struct server *server, unsigned worker)
{
    return worker == SERVER_MASTER ? &server->shared->master : &server->shared->workers[worker];
}
static inline struct worker_stats *server_master_stats(const struct server *server)
{
    return &server->shared->master;
}

#endif
