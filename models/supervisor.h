/* SPDX-License-Identifier: MIT
 *
 * Keeping the places of a generation filled: starts worker processes, notices how they end or
 * that they do not move, and replaces them. The part of the master that is the same from
 * one turn to the next, whatever generations come and go.
 */
#ifndef MODELS_SUPERVISOR_H
#define MODELS_SUPERVISOR_H

#include <signal.h>
#include <stdbool.h>

#include "models/generation.h"

struct supervisor {
    const struct master *master;
    struct slots slots;
    sigset_t mask; /* the signal mask of workers, and of an upgraded server */
    bool
        announced; /* the first generation has served: a failed start is no failure of the server */
    bool stopping; /* nobody is replaced any more */
    int failed;    /* negative errno of a failed start before that */
};

/* Starts what is due. */
void supervisor_start(struct supervisor *s, struct generation *g);

/* Takes note of processes that ended, stopped or go on, and releases what the ended ones held. True
 * when there were any. */
bool supervisor_reap(struct supervisor *s, struct generation *g);

/* Looks at those that run: kills those that are stopped, hung or late, replaces those that have
 * served --max-requests. */
void supervisor_look(struct supervisor *s, struct generation *g);

#endif
