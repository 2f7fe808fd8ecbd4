/* SPDX-License-Identifier: MIT
 *
 * The first seam: a concurrency model.
 *
 * main() makes a struct server (configuration, listening socket, shared
 * counters) and hands control to one model's run() until the server has drained.
 * A model decides what is taken from a pool to serve a request, how it waits,
 * and nothing else: requests are served by connection_serve() (src/http/) in every
 * model. A new model is one file and one row in models.c.
 *
 * What every model guarantees:
 *
 *  - In parallel: at any moment at most one context serves a given connection.
 *    Different connections may be served in parallel by different workers; what
 *    they share is struct server_shared and the parking lot's records, nothing else.
 *  - Descriptors: the listening socket belongs to main(). A connection's socket
 *    belongs to the model from accept() to close(); connection_serve() never
 *    closes it. What a handler opens it closes; io_hold() tells the model meanwhile.
 *  - Signals: the master (models/master.h) takes SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGCHLD.
 *    Workers ignore or leave to the kernel every signal; they are told to finish
 *    through the control descriptor that master.h describes.
 *  - Death of a worker: the connection it was serving is closed, every other
 *    connection goes on (coro and threads: every connection of other processes);
 *    the master starts a replacement, with back-off when it dies again at once.
 *  - After fork: struct server and the configuration are as they were, counters and
 *    parking lot (where shared) are the same memory, everything else is a copy.
 *  - Draining: once server->shared->draining is set, no connection is accepted, idle
 *    ones are closed, requests in progress are answered with Connection: close
 *    until server->shared->drain_deadline_ms, then cut off; run() returns 0.
 *  - Start-up: a worker that cannot start makes run() report it and return
 *    a negative errno; after the ready line the same is a dead worker.
 */
#ifndef MODELS_MODEL_H
#define MODELS_MODEL_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct server;

struct model {
    const char *name;          /* as given to --model; also the file's name */
    const char *summary;       /* one line, for --list-models */
    bool one_process;          /* all workers are threads of one process, not processes */
    unsigned workers_per_core; /* the default of --workers is this times the cores; 0: one worker */

    /*
     * Judges settings that only this model can: returns 0, or -EINVAL with one
     * line (no newline) in error[0..error_size). Called before anything is opened.
     */
    int (*check)(const struct config *config, char *error, size_t error_size);

    /* Serves until drained. Returns 0, or the negative errno of a failed start. */
    int (*run)(struct server *server);
};

/* The models, ended by a NULL. */
extern const struct model *const models[];

/* The model of that name, or NULL. */
const struct model *model_find(const char *name);

#endif
