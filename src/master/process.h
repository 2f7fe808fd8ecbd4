/* SPDX-License-Identifier: MIT
 *
 * One worker process under the master, and the place it is started in again when it dies.
 *
 * A place has slots of its own (struct worker_stats), which pass to the next process in
 * it only after the last was reaped and released.
 */
#ifndef MASTER_PROCESS_H
#define MASTER_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/heartbeat.h"
#include "server.h"
#include "system/kept.h"

struct model_plan;

struct process {
    bool used;       /* there is such a place */
    pid_t pid;       /* 0: none now */
    unsigned first;  /* its slots */
    unsigned number; /* among its generation's places, from 0 */
    unsigned seat;   /* the number of the first in the line of those that replaced one another */
    bool retiring;   /* was told to finish: it is not started again */
    bool nudge;      /* it was dismissed, and only a signal reaches it: see dismiss() in model.h */
    int64_t started_ms;
    int64_t due_ms; /* without a process: when to start one */
    int64_t end_ms; /* while retiring: when it is killed */
    int pause_ms;   /* before the next start, if this one dies soon */
    struct heartbeat heart;
    struct process *replaces;    /* is to finish once this one is ready; or NULL */
    struct process *replacement; /* the one that replaces this; or NULL */
};

static inline struct worker_control *process_control(const struct process *p,
                                                     const struct server *server)
{
    return &server->shared->workers[p->first].control;
}

/* What the processes of a generation are started with. */
struct process_start {
    struct server *server;
    const struct model_plan *plan;
    int stop_fd, gate_fd; /* see struct worker_process */
    struct kept kept;     /* by processes with a descriptor table of their own */
    sigset_t mask;        /* their signal mask */
};

/* Starts a process in the place. Returns 0 or a negative errno; in the new process it does not
 * return. */
int process_start(struct process *p, struct process_start *with);

/* When a retiring process stops waiting. */
struct retirement {
    int64_t idle_until_ms, cut_ms; /* as in struct worker_control */
    int64_t kill_ms;               /* when it is killed */
};

/* Gives the orders to finish. */
void process_order(struct worker_control *control, const struct retirement *times,
                   bool take_backlog);

/* Tells it to finish, which it sees when it next looks, or at once by its generation's stop
 * descriptor. May be called again to shorten the times. */
void process_retire(struct process *p, const struct server *server, const struct retirement *times,
                    bool take_backlog);

/* It was dismissed from a pool that goes on without it. nudge: what dismiss() said. */
void process_dismissed(struct process *p, const struct retirement *times, bool nudge);

/* Once more sends the signal to one that only this reaches. */
void process_nudge(const struct process *p);

/* Notes that it ended; works out when to start the next. Returns that pause, in milliseconds. */
int process_ended(struct process *p);

/* "was killed by signal 9 (Killed)", "exited with status 1". */
void process_describe_end(char *out, size_t size, int status);

#endif
