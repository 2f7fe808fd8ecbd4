/* SPDX-License-Identifier: MIT
 *
 * The running server as every part of it sees it, and the counters its workers
 * share.
 *
 * struct server is made by main() before any worker and is read-only afterwards,
 * except for `shared`: one MAP_SHARED mapping seen by the master and all its
 * workers, processes and threads alike. Each worker writes only its own
 * struct worker_stats, so counting needs no lock and no atomic read-modify-write;
 * readers add up what they see.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "listen.h"
#include "service.h"

struct db;
struct model;

enum { SERVER_CACHE_LINE = 64 };

/* The version, with the commit it was built from where that is known. */
extern const char server_version[];

/* A counter with one writer at a time; readers may be anywhere. */
typedef _Atomic uint64_t stats_counter;

/* One worker's counters: a process of prefork, a thread of threads, a loop
 * process of coro. They survive the worker's death; the next in its place goes on. */
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
    _Atomic uint32_t changing; /* odd while the worker's descriptors and records may disagree */
    stats_counter stack_peak;  /* bytes of coroutine stack ever used; 0 in the pools */
};

/* Seen by the master and all workers. */
struct server_shared {
    alignas(SERVER_CACHE_LINE) _Atomic bool draining; /* answers say Connection: close */
    _Atomic int64_t drain_deadline_ms;                /* when to give up waiting for requests */
    _Atomic uint32_t log_generation; /* grows when the access log is to be reopened */
    alignas(SERVER_CACHE_LINE) _Atomic int32_t open_connections;
    _Atomic int64_t read_ahead;    /* bytes of body held by http/ahead.c, of all workers */
    _Atomic int32_t contexts;      /* contexts serving a request now, of all workers */
    _Atomic int32_t contexts_peak; /* the most that ever did so together */
    _Atomic uint32_t log_kept; /* the generation that could not be opened: the old file is kept */
    _Atomic int64_t shortage_said_ms; /* when the log last said that something is short; 0: never */
    _Atomic uint64_t log_lines_lost;  /* of the access log: they could not be written */
    _Atomic int64_t log_lost_ms;      /* when the last one was */
    _Atomic bool log_losing;          /* lost lines were announced, and not yet that it is over */
    _Atomic bool log_torn;            /* the last line in the access log lacks its end */
    struct worker_stats workers[];    /* server.workers of them, then one for the master */
};

struct server {
    const struct config *config;
    const struct model *model;
    unsigned workers;         /* as resolved: at least 1 */
    unsigned max_connections; /* as resolved: what descriptors allow, at most --max-connections */
    unsigned process_connections;       /* what the descriptors of one process allow */
    unsigned descriptors;               /* RLIMIT_NOFILE: every descriptor is below this */
    int listen_fd;                      /* non-blocking */
    char listen_name[LISTEN_NAME_SIZE]; /* "127.0.0.1:8080", as bound */
    bool listen_shared; /* others serve it too or will: it is closed in the end, never shut down */
    bool upgrading;     /* the socket is from a predecessor that still runs */
    struct listen_file listen_file;  /* a Unix socket's that is ours to remove */
    int root_fd;                     /* O_PATH of --root; -1: none */
    int access_log_fd;               /* -1: off */
    _Atomic uint32_t log_generation; /* of shared->log_generation, that access_log_fd is of */
    int64_t started_ms;              /* io_now_ms() at the start */
    struct db *db;                   /* the pools of connections; a process's own after fork */
    struct service service;          /* the master's own */
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

static inline bool server_draining(const struct server *server)
{
    return atomic_load_explicit(&server->shared->draining, memory_order_relaxed);
}

/*
 * Opens and maps what the configuration asks for: listening socket, root
 * directory, access log, shared counters; raises the descriptor limit. config and
 * model must outlive *server. Returns 0, or a negative errno with one line in
 * error (no newline), leaving nothing open.
 */
int server_open(struct server *server, const struct config *config, const struct model *model,
                unsigned workers, char *error, size_t error_size)
    __attribute__((warn_unused_result));
void server_close(struct server *server);

/* Sets max_connections for a model whose workers have `tables` descriptor tables between them; 1
 * until called. Before any worker is made. */
void server_resolve_connections(struct server *server, unsigned tables);

/* Stops listening, in every process that shares the socket: connecting is refused, accept() fails
 * with EINVAL. To be called by the process that opened it. A socket that is listen_shared is only
 * closed here: what is in its backlog waits for whoever has it still. */
void server_stop_listening(struct server *server);

/* Opens the access log's path anew in place of the old descriptor, in the calling process, if
 * shared->log_generation has grown since it last did. Any thread. */
void server_reopen_log(struct server *server);

/* A context has begun (ended) serving: keeps count and peak, for /status. */
void server_context_enter(struct server *server, struct worker_stats *stats);
void server_context_leave(struct server *server, struct worker_stats *stats);

/* A connection was accepted, or closed. */
void server_connection_opened(struct server *server, struct worker_stats *stats);
void server_connection_closed(struct server *server, struct worker_stats *stats);

static inline bool server_is_full(const struct server *server)
{
    return atomic_load_explicit(&server->shared->open_connections, memory_order_relaxed) >=
           (int32_t)server->max_connections;
}

/* A worker has begun in that place; called by the worker. */
void server_worker_begins(struct server *server, unsigned worker, int32_t pid, int32_t tid);
/* It has died; called by its master after it was reaped. */
void server_worker_died(struct server *server, unsigned worker);
/* The connections it had accepted and not closed died with it. */
void server_worker_lost_connections(struct server *server, unsigned worker);

/* The stats slot of the master, beyond those of the workers. */
static inline struct worker_stats *server_master_stats(const struct server *server)
{
    return &server->shared->workers[server->workers];
}

#endif
