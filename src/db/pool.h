/* SPDX-License-Identifier: MIT
 *
 * A process's connections to one database, and the line of those who wait for one.
 *
 * As many places as the process's share; each holds an open connection or none yet. Contexts
 * are served in the order they came: a connection put back goes straight to the first in line, so
 * nobody overtakes. While the other side cannot be reached, attempts to connect are spaced out
 * (DB_PAUSE_MIN_MS, doubling to DB_PAUSE_MAX_MS) and a request in between fails at once, with what
 * the last attempt ended with, instead of adding to the load. A cache that has failed to answer is
 * left alone in the same way, for longer.
 *
 * Made before the process is forked, used after; what contexts of a process share is under its
 * mutex, which nobody holds while waiting.
 */
#ifndef DB_POOL_H
#define DB_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "db/backend.h"
#include "db/permits.h"

enum {
    DB_PAUSE_MIN_MS = 25,
    DB_PAUSE_MAX_MS = 400,          /* well below a second: how late a return may be noticed */
    DB_PAUSE_OPTIONAL_MIN_MS = 400, /* where a late notice costs little, a vain attempt much */
    DB_PAUSE_OPTIONAL_MAX_MS = 5000,
};

struct db_waiter;

struct db_pool {
    const struct db_backend *backend;
    const char *label;          /* the option that named it, for the log */
    struct db_permits *permits; /* NULL: every process has connections of its own; owned */
    unsigned processes, total;  /* as given */
    pthread_mutex_t mutex;      /* guards what follows */
    bool shared_out;            /* the places have been made, by the process's first context */
    struct db_conn *idle;       /* open ones first, the warmest of them first */
    struct db_waiter *head, **tail;
    uint32_t generation;        /* grows when the other side was found to have gone */
    int64_t pause_ms, retry_ms; /* after a failure: how long, and until when nobody connects */
    int64_t last_complaint_ms;
    int failing;                 /* what the last attempt ended with; 0: well */
    struct db_borrower borrower; /* with permits: the one place's */
    unsigned count;              /* of places */
    struct db_conn *conns;
    const char *uri;
    struct db_lookups *lookups; /* of names in it; owned */
    bool blocks;
};

/*
 * Makes the pool of total connections over that many processes. uri and label must outlive it.
 * Returns 0 or a negative errno; db_pool_term() in either case.
 */
int db_pool_init(struct db_pool *pool, const struct db_backend *backend, const char *label,
                 const char *uri, bool blocks, unsigned total, unsigned processes)
    __attribute__((warn_unused_result));
void db_pool_term(struct db_pool *pool);

/*
 * Takes an open connection, the caller's until db_pool_put(). process: the index of the calling
 * process. Returns 0, -ETIMEDOUT (none became free), -ECANCELED, -ENOMEM, or what opening one gave,
 * now (which is logged) or a moment ago.
 */
int db_pool_take(struct db_pool *pool, struct io *io, unsigned process, int64_t deadline_ms,
                 struct db_conn **out) __attribute__((warn_unused_result));

/*
 * Opens conn, which the caller has taken and found broken, anew. error: what the question ended
 * with, for the log. Returns 0, or what opening gave, logged; db_pool_put() in either case.
 */
int db_pool_renew(struct db_pool *pool, struct io *io, struct db_conn *conn, int error,
                  int64_t deadline_ms) __attribute__((warn_unused_result));

/* How many contexts wait in line. */
unsigned db_pool_waiting(struct db_pool *pool);

/* Puts it back; closes it when it is broken. error: what the question ended with (0 or a negative
 * errno), for the log. */
void db_pool_put(struct db_pool *pool, struct io *io, struct db_conn *conn, int error);

#endif
