/* SPDX-License-Identifier: MIT
 *
 * The first seam: a concurrency model.
 *
 * The master (src/master/master.h) makes a struct server (configuration, listening socket,
 * shared counters) for each generation of workers, and the model named there says
 * in a plan how its worker processes are to be run. A model decides what is taken from a
 * pool to serve a request, how it waits, and nothing else: requests are served by
 * connection_serve() (src/http/) in every model. A new model is one file and one row in models.c.
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
 *    Workers ignore or leave to the kernel every other signal than the two that the master sends
 *    (process.c), which may interrupt any wait with EINTR; they are told to finish through the
 *    stop descriptor that master.h describes.
 *  - Death of a worker: the connection it was serving is closed, every other
 *    connection goes on (coro and threads: every connection of other processes);
 *    the master starts a replacement, with back-off when it dies again at once.
 *  - After fork: struct server and the configuration are as they were, counters and
 *    parking lot (where shared) are the same memory, everything else is a copy.
 *  - Draining: a worker process that was told to finish accepts no connection, closes idle
 *    ones as connection_drain() says, answers requests in progress with Connection: close
 *    until server_drain_deadline(), then cuts them off and exits with status 0.
 *  - Side by side: worker processes of two generations, perhaps of two models, run at
 *    the same time during a reload; they share the listening socket and the counters.
 *  - Start-up: nothing is accepted before worker_ready() has returned. A worker that
 *    cannot start says why and exits with another status than 0.
 */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include <stddef.h>

struct config;
struct master_plan;
struct server;

struct model {
    const char *name;    /* as given to --model; also the file's name */
    const char *summary; /* one line, for --list-models */
    unsigned
        workers_per_core; /* the default of --workers is this times cores_available(); 0: one */

    /*
     * Judges settings that only this model can: returns 0, or -EINVAL with one
     * line (no newline) in error[0..error_size). Called before anything is opened.
     */
    int (*check)(const struct config *config, char *error, size_t error_size);

    /*
     * Fills in the plan for workers of *server, which outlives it; called in the master, before
     * there are any. before: the plan of the running generation, if that is of the same model
     * and listening socket, else NULL; a plan with the same arg takes its connections over.
     * Returns 0 or a negative errno; close() in either case, once its processes are gone.
     */
    int (*open)(struct server *server, const struct master_plan *before, struct master_plan *plan);
    void (*close)(struct master_plan *plan);
};

/* The models, ended by a NULL. */
extern const struct model *const models[];

/* The model of that name, or NULL. */
const struct model *model_find(const char *name);

#endif
