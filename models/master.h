/* SPDX-License-Identifier: MIT
 *
 * The master: one process, under every model, that starts the worker processes,
 * replaces those that die, and takes the signals.
 *
 *     SIGTERM, SIGINT   drain: stop accepting, let requests finish, exit; again: stop at once
 *     SIGUSR1           reopen the access log
 *     SIGCHLD           a worker died: release what it held, start another
 *
 * Workers take no signals. They are told to finish through one descriptor, the
 * stop descriptor: it becomes readable, for all of them, and stays so. A master
 * that dies takes its workers with it (PR_SET_PDEATHSIG).
 */
#ifndef MODELS_MASTER_H
#define MODELS_MASTER_H

#include <stdbool.h>

struct server;

/* What a worker process is given; see struct master_plan. */
struct master_worker {
    unsigned index; /* of the process, from 0 */
    int stop_fd;    /* readable: finish */
    int ready_fd;   /* private */
};

struct master_plan {
    unsigned processes; /* worker processes to keep running */

    /* Workers get the master's descriptor table itself instead of a copy, so a descriptor
     * opened by one is open in all (clone(2) with CLONE_FILES). */
    bool share_descriptors;

    int stop_fd; /* from master_stop_new() */

    /* The worker process, from start to exit; the result is its exit status. Calls
     * master_worker_ready() once it can serve; returns when the stop descriptor has become
     * readable and its work is done. */
    int (*work)(struct server *server, const struct master_worker *self, void *arg);

    /* In the master, after a worker process was reaped: release what it held. */
    void (*died)(struct server *server, unsigned process, void *arg);

    /* In the master, at every tick: before there are workers, then every 0.25 s, while draining
     * every 20 ms. NULL: nothing to do. */
    void (*tick)(struct server *server, void *arg);

    /* In the master when draining begins: takes the connections that wait to be accepted, before
     * the listening socket is shut. NULL: workers do so when told to finish, and acknowledge it
     * by another master_worker_ready(). */
    void (*take_backlog)(struct server *server, void *arg);

    /* In the master while draining, at every tick: true once the workers may be told to finish.
     * NULL: they are told at once and drain by themselves. */
    bool (*drained)(struct server *server, void *arg);

    void *arg;
};

/*
 * Runs the plan until the server has drained or was stopped. Prints the ready
 * line when all workers are ready. Returns 0, or a negative errno when a worker process could not
 * be made (-ENOSYS or -EPERM: descriptors cannot be shared here) or ended before it was ready.
 */
int master_run(struct server *server, const struct master_plan *plan);

/* Makes a stop descriptor, owned by the caller; -errno. master_stop() makes it readable for good.
 */
int master_stop_new(void);
void master_stop(int stop_fd);

/* Called by each worker process when it can serve; and again when it was told to finish and has
 * accepted what waited to be. */
void master_worker_ready(const struct master_worker *self);

#endif
