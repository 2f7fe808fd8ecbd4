/* SPDX-License-Identifier: MIT
 *
 * One generation of workers: settings, what was opened for them, the model's plan and the
 * processes that run it. A reload makes another beside it.
 *
 *     STARTING ──all ready──► SERVING ──another serves, or stop──► RETIRING ──► gone
 *         └──────────a worker cannot start, too late──────────────────────────────┘
 *
 * While it is STARTING its gate is shut: its workers are set up but accept nothing, so a
 * generation that fails is killed at once and nobody has lost anything.
 *
 * Two generations may share a pool (the same plan.arg): connections then pass from one to
 * the other, and the old one's workers only have to leave.
 */
#ifndef MASTER_GENERATION_H
#define MASTER_GENERATION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/places.h"
#include "master/settings.h"
#include "models/model.h"
#include "server.h"

enum generation_phase { STARTING, SERVING, RETIRING };

/* In words. */
const char *generation_phase_name(enum generation_phase phase);

/* What becomes of a generation's listening socket. */
enum generation_listener {
    LISTENER_ATTENDED, /* by this generation or the next */
    LISTENER_LEFT,     /* no newcomers: it is shut when what waits has been accepted */
    LISTENER_SHUT,
};

struct generation {
    enum generation_phase phase;
    struct settings settings; /* owned */
    struct server server;     /* its workers work on a copy of this, as forked */
    struct model_plan plan;
    struct places places;
    int gate_fd, stop_fd; /* its workers': see struct worker_process */
    unsigned failures;    /* while STARTING: processes that did not become ready */
    int failure;          /* why the last one did not: negative errno; -ECHILD: it was said */
    int64_t end_ms;       /* while STARTING beside another: when that takes too long */
    bool bereaved;        /* processes have died whose descriptors are still to be closed */
    bool superseded;      /* a later generation goes on with its pool */
    bool finishing;       /* of a pool of its own: its workers have been told to leave */
    enum generation_listener listener;
    int64_t shut_ms;               /* LISTENER_LEFT: when to shut it at the latest */
    bool backlog_taken;            /* by a process that has ended since */
    struct worker_control control; /* for what the master does to its connections itself */
    struct generation *before;     /* the one that it replaces, and so on */
};

/* The times for what retires now, with the generation's --shutdown-timeout. */
struct retirement generation_times(const struct generation *g);

/*
 * Makes a generation with places for its processes, which are not started yet. settings are owned
 * by it in any case. running: the one to replace, NULL for the first; inherited as for
 * server_open(), for the first. NULL with a line in error, and -errno in *result.
 */
struct generation *generation_new(struct settings *settings, struct generation *running,
                                  const struct server_inherited *inherited, int master_fd,
                                  struct slots *slots, char *error, size_t error_size, int *result);

/* Frees it; it has no process any more. `last`: no other generation uses its listening socket. */
void generation_free(struct generation *g, bool last, struct slots *slots);

/* Takes the place of an ended process away. */
void generation_remove(struct generation *g, struct process *p, struct slots *slots);

/* True while the first generation starts: nobody serves yet. */
static inline bool generation_is_first(const struct generation *g)
{
    return g->phase == STARTING && g->before == NULL;
}

/* True when each place has a process that has said it is ready. */
bool generation_is_ready(const struct generation *g);

/* Starts a process in its place p. kept: the master's own descriptors; mask: the signal mask of
 * workers. Returns 0 or a negative errno. */
int generation_start(struct generation *g, struct process *p, const struct kept *kept,
                     const sigset_t *mask);

/* Tells a process that has served its share to finish, for which it has all the time it needs:
 * another is ready in its stead. */
void generation_retire_spent(struct generation *g, struct process *p);

/* The connections that it and all before it have, as their workers have recorded or counted them.
 * newest: a generation; for shared_recount(). */
int32_t generation_connections(const void *newest);

/* Lets its workers begin; each of them is ready. */
void generation_begin(struct generation *g);

/*
 * Tells all of its processes to finish. next: the generation that takes over, or NULL.
 * last_listener: nobody else attends the listening socket; what waits there is taken first.
 */
void generation_retire(struct generation *g, const struct generation *next, bool last_listener);

/* Gives idle connections of a retiring generation no more time. */
void generation_hasten(struct generation *g);

/* Shuts the listening socket that it was the last on, once what waited there has been accepted. At
 * each look of the master. */
void generation_leave_listener(struct generation *g);

/* Tells those that are to leave a pool, and were idle, once more. */
void generation_nudge(const struct generation *g);

/* What is to be done for a retiring generation now and then. */
void generation_drain(struct generation *g);

/* One of its processes was reaped. killed: by a signal. */
void generation_note_death(struct generation *g, const struct process *p, bool killed);

/* Kills and reaps all that is left of it. */
void generation_kill(struct generation *g);

/* Opens the access log anew, here and in the workers. */
void generation_reopen_log(struct generation *g);

/* Whether fd was opened for it, or is one that a record of its pool names. */
bool generation_owns(const struct generation *g, int fd);

#endif
