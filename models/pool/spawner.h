/* SPDX-License-Identifier: MIT
 *
 * --pool=none: workers that are made anew, a process or thread for each request, as CGI has it, or
 * for each connection (--dispatch=connection), as in the textbook's first concurrent server.
 *
 * The spawner is the one process that the master starts. It accepts, parks and watches the
 * connections of a pool (pool.h), and makes a worker for each that wants one, --workers of them at
 * most at a time: who comes then waits, as for a pool that is busy. A connection stays the
 * spawner's while a worker serves it, and what becomes of it the worker only says, as the last it
 * does. So a worker owns nothing that its death could leave behind: that costs its connection, and
 * nothing has to be put right.
 *
 * It never runs a handler itself, and spares the making of a worker where there is no request: for
 * clients that have gone, or that are only waited for to close.
 */
#ifndef MODELS_POOL_SPAWNER_H
#define MODELS_POOL_SPAWNER_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "http/conn.h"
#include "models/pool/gil.h"
#include "models/pool/lot.h"
#include "models/pool/pool_io.h"

struct config;
struct spawner;
struct worker_process;

/* A place for a worker, whose slot it has. */
struct spawned {
    struct pool_io pool_io; /* first: its functions are given this */
    struct spawner *spawner;
    struct lot_record *record; /* the connection that it serves; NULL: there is no worker */
    union {
        struct {
            pid_t pid;
            int64_t stopped_ms; /* since when, by a signal; 0: it is not */
        };
        struct {
            pthread_t thread;
            enum conn_next next; /* what it has said, once it has ended */
            _Atomic bool ended;
        };
    };
};

/* What is made. */
struct spawner_kind {
    void (*choose_ops)(struct io_ops *ops, const struct config *config);
    /* Sets the spawner up to make them. Returns a descriptor that is readable when one has ended,
     * or -errno. */
    int (*open)(struct spawner *spawner);
    /* Makes one that calls spawned_serve(). Returns 0 or -errno. */
    int (*start)(struct spawned *worker);
    /* Tells spawned_ended() of all that have ended. To be called a few times a second besides. */
    void (*reap)(struct spawner *spawner);
};

struct spawner {
    const struct spawner_kind *kind;
    struct server *server;
    struct pool *pool;
    struct io io;      /* its own: never waits */
    struct io_ops ops; /* the workers' */
    struct gil gil;
    int stop_fd;         /* of its process, which workers with a connection of their own watch */
    int ended_fd;        /* kind->open()'s */
    sigset_t mask;       /* the workers', where they are processes */
    int64_t again_ms;    /* one could not be made: not before then is the next tried */
    unsigned idle_count; /* places without a worker */
    struct spawned **idle;
    struct spawned *each; /* server->workers of them */
};

/* The work() of a model for that kind, see models/model.h; with a slot more than there are workers,
 * the last, for itself. */
int spawner_work(struct server *server, const struct worker_process *self,
                 const struct spawner_kind *kind);

/* In the worker: serves its connection and says what becomes of that. */
enum conn_next spawned_serve(struct spawned *worker) __attribute__((warn_unused_result));

/* In the spawner: the worker has ended, and with it what it had in memory of its own. */
void spawned_ended(struct spawned *worker, enum conn_next next);

#endif
