/* SPDX-License-Identifier: MIT
 *
 * The running server as every part of it sees it.
 *
 * A struct server is made by the master for each generation of workers, before any of them, and is
 * read-only afterwards, except for what lies in `shared`.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "networks.h"
#include "shared.h"
#include "system/listen.h"
#include "system/listen_unix.h"

struct db;
struct http_application;
struct model;

/* The version, with the commit it was built from where that is known. */
extern const char server_version[];

/* Whose the listening socket is to shut, and a Unix socket's path to remove. */
enum listen_owner {
    LISTEN_OWN,
    LISTEN_ANOTHERS, /* the predecessor's still, or by now the successor's: another program */
    LISTEN_SHUT,     /* nobody's: it was shut, and the path may be another's by now */
};

struct server {
    const struct config *config;
    const struct model *model;
    const struct http_application *application;
    unsigned workers;         /* as resolved: at least 1 */
    unsigned max_connections; /* as resolved: what descriptors allow, at most --max-connections */
    unsigned process_connections; /* what the descriptors of one process allow */
    unsigned descriptors;         /* RLIMIT_NOFILE: every descriptor is below this */
    int listen_fd;                /* non-blocking */
    unsigned more_listeners; /* with --accept=reuseport: sockets at the descriptors behind it */
    unsigned seat;           /* of this process: which of them are its own, see server_own() */
    char listen_name[LISTEN_NAME_SIZE]; /* "127.0.0.1:8080", as bound */
    struct listen_file listen_file;     /* a Unix socket's that is ours to remove */
    unsigned mode_before; /* of that file, should this server not come to serve; 0: as it is */
    bool listen_shared;   /* a service manager has the socket too: close it, never shut it */
    enum listen_owner listen_owner;
    int root_fd;                     /* O_PATH of --root; -1: none */
    int access_log_fd;               /* -1: off */
    struct networks trusted_proxies; /* whose X-Forwarded-For is believed */
    int64_t started_ms;              /* io_now_ms() at the start */
    int master_fd;                   /* eventfd that wakes the master */
    struct worker_control *control;  /* of this process; in the master, of the generation */
    struct db *db;                   /* the pools of connections; a process's own after fork */
    unsigned process; /* this worker process's number among the generation's: see db_new() */
    struct server_shared *shared; /* the same for all generations */
};

/* Whether listener k (descriptor listen_fd + k) is one of those at which the worker of that number
 * accepts. There are as many as there were workers when they were opened. Have a reload changed
 * that, some have several, or several have one: whatever comes, somebody waits for it. */
static inline bool server_own(const struct server *server, unsigned number, unsigned k)
{
    unsigned more = server->workers - 1; /* than one, of whichever there are fewer */

    if (more > server->more_listeners)
        more = server->more_listeners;
    return k % (more + 1) == number % (more + 1);
}

/* Four words: *leaving*, told to stop, may still accept; *stopping*, the whole server accepts no
 * more; *told to finish*, so this process was; *draining*, either of the last two. */

/* The whole server is being stopped: nobody will accept, idle connections are to be closed. */
static inline bool server_stopping(const struct server *server)
{
    return atomic_load_explicit(&server->shared->draining, memory_order_relaxed);
}

/* It was told to stop: not ready for newcomers, though it may still accept them. */
static inline bool server_leaving(const struct server *server)
{
    return atomic_load_explicit(&server->shared->leaving, memory_order_relaxed);
}

/* The calling process has been given its orders to finish, all of them. */
static inline bool server_told_to_finish(const struct server *server)
{
    return atomic_load(&server->control->draining);
}

/* The calling process is to finish. */
static inline bool server_draining(const struct server *server)
{
    return server_stopping(server) ||
           (server->control != NULL &&
            atomic_load_explicit(&server->control->draining, memory_order_relaxed));
}

/* The next answer on a connection is its last: it says Connection: close. */
static inline bool server_ends_connections(const struct server *server)
{
    return server_leaving(server) || server_draining(server);
}

/* While draining: when the calling process is to cut off what it still serves. */
int64_t server_drain_deadline(const struct server *server);

/* While draining: an idle connection may wait for one more request, which is told that it is the
 * last. */
bool server_idle_may_stay(const struct server *server);

/* Gives a Unix socket's file the mode that it was to have: an upgrade that failed may have left its
 * own. */
void server_restore_mode(const struct server *server);

/* A socket that another program passed to this one. */
struct server_inherited {
    int listen_fd;           /* to be served, *server will own it; -1: none */
    bool listen_shared;      /* a service manager has it too */
    bool reuseport;          /* it was opened for --accept=reuseport */
    unsigned more_listeners; /* behind it, and with it */
    bool upgrading;          /* the predecessor still runs */
};

/*
 * Opens and maps what the configuration asks for: listening socket (one that a service manager
 * passed comes before --listen), root directory, access log, shared counters; raises the
 * descriptor limit; becomes --user. config and model must outlive *server. Returns 0, or a negative
 * errno with one line in error (no newline), leaving nothing open but inherited->listen_fd.
 * A predecessor's socket is LISTEN_ANOTHERS until the caller, having told it so, says otherwise.
 */
int server_open(struct server *server, const struct config *config, const struct model *model,
                unsigned workers, const struct server_inherited *inherited, char *error,
                size_t error_size) __attribute__((warn_unused_result));

/*
 * Makes the server of the next generation beside a running one: it shares the counters and, when
 * config->listen is the same text or a service manager passed it, the listening socket
 * (server->listen_fd is then equal); everything else is opened anew. A Unix socket's file that is
 * gone on with gets the --listen-mode that has changed; unless mode_before is zeroed by then,
 * server_close() undoes that. --user, --group and --pid-file cannot change (-EINVAL). Returns as
 * server_open().
 */
int server_open_next(struct server *server, const struct server *running,
                     const struct config *config, const struct model *model, unsigned workers,
                     char *error, size_t error_size) __attribute__((warn_unused_result));

/* Closes what is open; listen_fd must be -1 where another generation goes on with it. The shared
 * counters stay: shared_free() is for after the last generation. */
void server_close(struct server *server);

/* Stops listening, in every process that shares the socket: connecting is refused, accept() fails
 * with EINVAL. To be called by the master. Does no more than close it when it is another program's
 * or was shut before. server_shut_listening() leaves the descriptor open. */
void server_stop_listening(struct server *server);
void server_shut_listening(struct server *server);

/* Whether who connects there is another program's business too. */
bool server_listener_is_others(const struct server *server);

/* Before that: nobody can connect any more, though what waits can be accepted. As far as the system
 * lets it; where it does not, who connects between the last accept() and the shutting is reset. */
void server_turn_away(struct server *server);

/* Opens the access log's path anew in place of the old descriptor, for all who share the calling
 * process's table. The master has raised shared->log_generation before. Any thread, and in a
 * signal handler. */
void server_reopen_log(struct server *server);

/* When --max-connections are open and others wait to be accepted, some of those who are in are to
 * make room: idle ones, as many as wait; and where that let nobody in since the last look, whoever
 * is answered next. To be called by the master a few times a second. */
void server_seek_places(struct server *server);

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

#endif
