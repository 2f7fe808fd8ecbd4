/* SPDX-License-Identifier: MIT
 *
 * The master: one process, under every model, that starts the worker processes,
 * replaces those that die, and takes the signals.
 *
 *     SIGTERM, SIGINT   stop: accept no more, let requests finish, exit; again: stop at once;
 *                       with --lame-duck before all that: say not ready, and go on for so long
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

/*
 * Serves with these settings, which the master then owns, until it was told to stop or another
 * program has taken over. Returns 0, or a negative errno when that could not begin, which
 * was said.
 */
int master_run(const struct command *command, struct settings *settings);

#endif
