/* SPDX-License-Identifier: MIT
 *
 * Keeping the places of a generation filled: starts worker processes, notices how they end or
 * that they do not move, and replaces them. The part of the master that is the same from
 * one look to the next, whatever generations come and go.
 */
#ifndef MASTER_WORKERS_H
#define MASTER_WORKERS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "master/generation.h"

/* What those of all generations are started from. */
struct workers {
    struct slots slots;
    sigset_t mask; /* the signal mask of workers, and of an upgraded server */
};

/* Starts what is due. kept: the master's own descriptors. What cannot be started is logged, but of
 * the first generation, whose failure ends the server. */
void workers_start(struct workers *w, struct generation *g, const struct kept *kept);

/* Takes note that a child of the master ended, stopped or goes on, as waitpid() said. False: it is
 * no process of g. */
bool workers_note(struct workers *w, struct generation *g, pid_t pid, int status);

/* After all that have ended were noted: releases what they held, once for all. True when there were
 * any. */
bool workers_release(struct generation *g);

/* Looks at those that run: kills those that are stopped, hung or late, replaces those that have
 * served --max-requests. */
void workers_look(struct workers *w, struct generation *g);

#endif
