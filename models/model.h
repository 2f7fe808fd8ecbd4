/* SPDX-License-Identifier: MIT
 *
 * The first seam: a concurrency model.
 *
 * The master (src/master/master.h) makes a struct server (configuration, listening socket,
 * shared counters) for each generation of workers, and the model named there says
 * in a plan how its worker processes are to be run. A model decides what is taken from a
 * pool to serve a request, how it waits, and nothing else: requests are served by
 * connection_serve() (src/http/) in every model. A new model is one file, named in models.c.
 *
 * What every model guarantees:
 *
 *  - In parallel: at any moment at most one context serves a given connection.
 *    Different connections may be served in parallel by different workers; what
 *    they share is struct server_shared and the parking lot's records, nothing else.
 *  - Descriptors: the listening socket belongs to the master. A connection's socket
 *    belongs to the model from accept() to close(); connection_serve() never
 *    closes it. What a handler opens it closes; io_hold() tells the model meanwhile.
 *  - Signals: the master takes SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 and SIGCHLD.
 *    Workers ignore them or leave them to the kernel, but for SIGUSR1 and SIGUSR2 where the master
 *    sends them (process.c), which may interrupt any wait with EINTR; they are told to finish
 *    through the stop descriptor that worker.h describes.
 *  - Death of a worker: the connection it was serving is closed, every other
 *    connection goes on (where a process serves many: every connection of other processes);
 *    the master starts a replacement, with back-off when it dies again at once.
 *  - After fork: struct server and the configuration are as they were, counters and
 *    parking lot (where shared) are the same memory, everything else is a copy.
 *  - Draining: a worker process that was told to finish accepts no connection, closes idle
 *    ones as connection_drain() says, answers requests in progress with Connection: close
 *    until server_drain_deadline(), then cuts them off and exits with status 0. One that
 *    cannot, as its one context is at a request (prefork) or blocks, the master kills soon after.
 *  - Side by side: worker processes of two generations, perhaps of two models, run at
 *    the same time during a reload; they share the listening socket and the counters.
 *  - Start-up: nothing is accepted before worker_ready() has returned. A worker that
 *    cannot start says why and exits with another status than 0.
 *
 * A whole model: a pool of processes, each of which accepts a connection, serves it until it is
 * closed, and accepts the next. (tests/models/test_example_model.py builds it, and serves with it;
 * how such a worker waits, and drains, is models/pool/dedicated.c and attendant.c.)
 *
 *     #include <stdlib.h>
 *
 *     #include "http/context.h"
 *     #include "log.h"
 *     #include "models/model.h"
 *     #include "models/pool/dedicated.h"
 *     #include "server.h"
 *     #include "worker.h"
 *
 *     static const struct io_ops OPS = {.model = "example", .context_is = "process"};
 *
 *     static int work(struct server *server, const struct worker_process *self, void *arg)
 *     {
 *         struct dedicated *dedicated = NULL;
 *         struct io io;
 *
 *         (void)arg;
 *         if (context_init(&io, &OPS, server, self->first) == 0)
 *             dedicated = dedicated_new(&io, self->stop_fd, server->seat);
 *         if (dedicated == NULL) {
 *             log_line(LOG_ERROR, "worker %u: out of memory", self->first);
 *             return EXIT_FAILURE;
 *         }
 *         model_begin_worker(&io, "process");
 *         worker_ready(server, self);
 *         while (dedicated_wait(dedicated)) // until somebody connects; false: it is to finish
 *             dedicated_accept(dedicated);  // and serve, until the connection is closed
 *         dedicated_accept_last(dedicated); // who had connected by then
 *         dedicated_free(dedicated);
 *         context_term(&io);
 *         return EXIT_SUCCESS;
 *     }
 *
 *     const struct model example_model = {
 *         .name = "example",
 *         .summary = "a process for each connection",
 *         .workers_per_core = 16,
 *         .work = work,
 *     };
 */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct io;
struct server;
struct worker_process;

/*
 * What the master does for workers that share its descriptor table (clone(2) with CLONE_FILES), so
 * that a descriptor opened by one is open in all, and parked connections are the master's as well:
 * it, not each worker, stops accepting and closes idle connections. All but `finish` may be called
 * at any time between open() and close().
 */
struct shared_pool_ops {
    /* A worker process was reaped. killed: by a signal, between any two instructions; otherwise it
     * ended by itself, perhaps inside a request. */
    void (*died)(unsigned first, bool killed, void *arg);
    /* After that, of one or of many: close what those held. Before any is started in their place.
     */
    void (*release)(struct server *server, void *arg);
    /* One worker leaves, the others go on: it is to return when it has finished what it serves.
     * True when it waits where only a signal reaches it, which is sent until it has gone. */
    bool (*dismiss)(struct server *server, unsigned first, void *arg);
    /* At every tick: every 0.25 s; while draining, and after a death, within 20 ms. */
    void (*tick)(struct server *server, void *arg);
    bool (*owns)(const void *arg, int fd);                  /* fd is open for good reason */
    int32_t (*connections)(const void *arg);                /* those there are, as recorded */
    void (*take_backlog)(struct server *server, void *arg); /* accept all that waits to be */
    void (*retire)(struct server *server, void *arg);       /* leave accepting to others */
    bool (*drained)(struct server *server, void *arg);      /* close what is idle; none left? */
    void (*finish)(void *arg);                              /* all workers leave */
};

/* How the worker processes of one generation are to be run. As open() is given it, it says: as many
 * as --workers, each a worker with a descriptor table of its own. */
struct model_plan {
    unsigned processes;                   /* worker processes to keep running */
    unsigned slots_each;                  /* workers in each: itself, or its threads too */
    unsigned serving_each;                /* processes that serve: itself (1), or those it makes */
    const struct shared_pool_ops *shared; /* NULL: each process has its descriptors to itself */
    void *arg; /* the model's own; the same in two generations that share their connections */
};

struct model {
    const char *name;    /* as given to --model; also the file's name */
    const char *summary; /* one line, for --list-models */
    unsigned
        workers_per_core; /* the default of --workers is this times cores_available(); 0: one */

    /*
     * The worker process, from start to exit; the result is its exit status. Calls
     * worker_ready() once it can serve; finishes when its stop descriptor is readable, or,
     * once it is spent, when it finds server_told_to_finish(): stops accepting, first taking what
     * waits to be when control->take_backlog (then worker_backlog_taken()); cuts off at
     * server_drain_deadline(), or is killed after it.
     */
    int (*work)(struct server *server, const struct worker_process *self, void *arg);

    /*
     * Judges settings that only this model can: returns 0, or -EINVAL with one
     * line (no newline) in error[0..error_size). Called before anything is opened. NULL: any do.
     */
    int (*check)(const struct config *config, char *error, size_t error_size);

    /*
     * Changes the plan for workers of *server, which outlives it, and calls descriptors_resolve()
     * anew for that; called in the master, before there are any. before: the plan
     * of the running generation, if that is of the same model and listening socket, else NULL; a
     * plan with the same arg takes its connections over. Returns 0 or a negative errno; close() in
     * either case, once its processes are gone. NULL, either: there is nothing to be done.
     */
    int (*open)(struct server *server, const struct model_plan *before, struct model_plan *plan);
    void (*close)(struct model_plan *plan);
};

/* The models, ended by a NULL. */
extern const struct model *const models[];

/* The model of that name, or NULL. */
const struct model *model_find(const char *name);

/* A check() for models whose workers have their time slices from the kernel: refuses --slice. */
int model_check_slice(const struct config *config, char *error, size_t error_size);

/* The same for --accept: refuses turns and sockets of one's own where workers do not accept for
 * themselves. pool: of this model they may. */
int model_check_accept(const struct config *config, bool pool, char *error, size_t error_size);

/* A check() for models of coroutines: refuses --gil, --accept, and stacks too small for --db. */
int model_check_coroutines(const struct config *config, char *error, size_t error_size);

/* The calling process or thread begins as the worker of io: it is known by its number from now on,
 * and a stack overflow of it, or of a generator it runs, is reported as such before it ends the
 * process, under that name: kind ("process", "thread", "loop") and number. */
void model_begin_worker(const struct io *io, const char *kind);

#endif
