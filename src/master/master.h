/* SPDX-License-Identifier: MIT
 *
 * The master: one process, under every model, that starts the worker processes,
 * replaces those that die, and takes the signals.
 *
 *     SIGTERM, SIGINT   stop: accept no more, let requests finish, exit; again: stop at once
 *     SIGHUP            reload: a new generation of workers with the settings as they are now
 *     SIGUSR2           upgrade: start the program anew and leave the listening socket to it
 *     SIGUSR1           reopen the access log, here and in each worker with descriptors of its own
 *     SIGCHLD           a worker died, stopped or goes on
 *
 * Workers take no other signals. A master that dies takes its workers with it (PR_SET_PDEATHSIG).
 *
 * What master and worker say to each other, and in which order, is in worker.h. The races, and
 * what closes each:
 *  - A new generation fails half-way: none of its workers has accepted, as the gate is shut.
 *  - Somebody must always attend the listening socket: the old generation is told to leave
 *    it only after the gate of the new one is open.
 *  - An old worker accepts as it is told to leave: it serves what it accepts until the end.
 *  - A connection's event is handed to a worker that leaves: see enum leaders_state.
 *  - A wake-up for a new connection is handed to a worker that leaves: see dedicated.c.
 *  - A client sends its next request as its idle connection is closed: idle connections may
 *    stay for half of --shutdown-timeout and their next answer says Connection: close.
 *    What is left then is closed as a keep-alive timeout would. At a stop they may not, but for
 *    those used a moment ago: see connection_drain().
 *  - Somebody connects between the last accept() and the shutting of the listening socket: he is
 *    refused as soon as that is decided, before what waits is accepted. See server_turn_away().
 *  - Signals while one is acted on: a reload or upgrade waits for the one before; a stop
 *    ends what has not passed its gate and overrides the rest. See the table in state.c.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>

struct command;
struct server;
struct settings;
struct worker_process;

/* How a model's worker processes are to be run; filled in by its open(). */
struct master_plan {
    unsigned processes;  /* worker processes to keep running */
    unsigned slots_each; /* slots that each needs */
    bool batch;          /* --scheduling=auto: workers that wake up interrupt nobody */

    /*
     * The worker process, from start to exit; the result is its exit status. Calls
     * worker_ready() once it can serve; finishes when its stop descriptor is readable, or,
     * once it is spent, when it finds server_told_to_finish(): stops accepting, first taking what
     * waits to be when control->take_backlog (then worker_backlog_taken()); cuts off at
     * server_drain_deadline().
     */
    int (*work)(struct server *server, const struct worker_process *self, void *arg);

    /* In the master, after a worker process was reaped: note it. killed: by a signal, between any
     * two instructions; otherwise it ended by itself, perhaps inside a request. */
    void (*died)(struct server *server, unsigned first, bool killed, void *arg);

    /*
     * Workers get the master's descriptor table itself instead of a copy, so a descriptor
     * opened by one is open in all (clone(2) with CLONE_FILES), and parked connections are
     * the master's as well. The members below are for such plans, NULL in others: the master, not
     * each worker, stops accepting and closes idle connections. All but
     * `finish` may be called at any time between open() and close().
     */
    bool share_descriptors;
    /* One worker leaves, the others go on: it is to return when it has finished what it serves.
     * True when it waits where only a signal reaches it, which is sent until it has gone. */
    bool (*dismiss)(struct server *server, unsigned first, void *arg);
    /* After died(), of one or of many: close what those held. Before any is started in their place.
     */
    void (*release)(struct server *server, void *arg);
    /* At every tick: every 0.25 s; while draining, and after a death, within 20 ms. */
    void (*tick)(struct server *server, void *arg);
    bool (*owns)(const void *arg, int fd);                  /* fd is open for good reason */
    int32_t (*connections)(const void *arg);                /* those there are, as recorded */
    void (*take_backlog)(struct server *server, void *arg); /* accept all that waits to be */
    void (*retire)(struct server *server, void *arg);       /* leave accepting to others */
    bool (*drained)(struct server *server, void *arg);      /* close what is idle; none left? */
    void (*finish)(void *arg);                              /* all workers leave */

    void *arg; /* the model's own; the same in two generations that share their connections */
};

/*
 * Serves with these settings, which the master then owns, until it was told to stop or another
 * program has taken over. Returns 0, or a negative errno when that could not begin, which
 * was said.
 */
int master_run(const struct command *command, struct settings *settings);

#endif
