/* SPDX-License-Identifier: MIT
 *
 * What a kind of database supplies to the pool: sqlite.c, postgres.c, redis.c.
 *
 * A connection belongs to one context at a time. A function that leaves it in mid-question, or
 * finds it unusable, sets `broken`; the pool then closes it. Deadlines are those of io.h. The
 * functions return 0 or a negative errno, and say what is wrong through db_conn_fail().
 */
#ifndef DB_BACKEND_H
#define DB_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/data_set.h"
#include "db/lookup.h"

struct db_pool;

enum { DB_LEAVE_MAX_MS = 250 };

/* A place for a connection in a process's pool. */
struct db_conn {
    const char *uri;            /* where to connect */
    struct db_lookups *lookups; /* of the names in it */
    void *handle;               /* the backend's; NULL: closed */
    int fd;                     /* its socket; -1: none, or closed */
    bool blocks;                /* its calls may block: io_offload() them (--offload) */
    bool broken;                /* to be closed instead of used again */
    bool lost;                  /* broken because the other side went away: others may have, too */
    bool fresh;                 /* opened for the present question */
    bool trial;            /* used although the last attempt failed: how this one ends counts */
    uint32_t generation;   /* the pool's when it was opened */
    int64_t idle_since_ms; /* while idle */
    struct db_conn *next;  /* while idle */
    char reason[200];      /* of the last failure, one line */
};

struct db_backend {
    const char *name;
    bool optional;    /* who asks can do without: after a failure, open connections rest, too */
    bool look_always; /* its answers do not say what they answer: a connection on which something
                         waits that nobody asked for is never used */

    /* The stack that its library was seen to take in the context that asks, twice over, where calls
     * that block are offloaded, and where they are not. 0: what every route needs will do. */
    size_t stack_bytes, stack_bytes_blocking;

    /* Opens conn, which is closed: sets handle, fd. On failure it stays closed. */
    int (*open)(struct db_conn *conn, struct io *io, int64_t deadline_ms);

    /* Closes conn at once, whatever state it is in; may not wait. io is NULL when the process
     * ends. */
    void (*close)(struct db_conn *conn, struct io *io);

    /* See db.h. NULL where there is no such thing. */
    int (*read)(struct db_conn *conn, struct io *io, struct db_row *rows, size_t count,
                int64_t deadline_ms);
    int (*update)(struct db_conn *conn, struct io *io, const struct db_row *rows, size_t count,
                  int64_t deadline_ms);
    int (*fortunes)(struct db_conn *conn, struct io *io, struct db_fortunes *list,
                    int64_t deadline_ms);

    /* Judges a URI of the right scheme: 0, or -EINVAL with a reason. NULL: all are good. */
    int (*check)(const char *uri, char *reason, size_t size);

    /* Writes what anybody may know of a URI that check() has passed. NULL: all of it. */
    void (*show)(const char *uri, char *out, size_t size);
};

extern const struct db_backend db_sqlite, db_postgres, db_redis;

/*
 * Of a --db-timeout in ms the part at its end that is no more for questions: for leaving a
 * connection whose question was not answered in time so that nothing goes on at its other end.
 */
static inline int64_t db_leave_ms(int64_t timeout_ms)
{
    return timeout_ms < 4 * (int64_t)DB_LEAVE_MAX_MS ? timeout_ms / 4 : DB_LEAVE_MAX_MS;
}

/*
 * Notes a failure of conn for the log: a reason in the form of printf(), of which the first line
 * is kept. Returns error, a negative errno.
 */
int db_conn_fail(struct db_conn *conn, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for one that is not to be used again; lost: the other side has gone. */
int db_conn_break(struct db_conn *conn, int error, bool lost, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
