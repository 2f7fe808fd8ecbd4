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

struct generation;
struct master;

struct process {
    bool used;       /* there is such a place */
    pid_t pid;       /* 0: none now */
    unsigned first;  /* its slots */
    unsigned number; /* among its generation's places, from 0 */
    bool retiring;   /* was told to finish: it is not started again */
    bool nudge;      /* was idle when dismissed from its pool: see leaders_dismiss() */
    int64_t started_ms;
    int64_t due_ms; /* without a process: when to start one */
    int64_t end_ms; /* while retiring: when it is killed */
    int pause_ms;   /* before the next start, if this one dies soon */
    struct heartbeat heart;
    struct process *replaces;  /* is to finish once this one is ready; or NULL */
    struct process *successor; /* the one that replaces this; or NULL */
};

static inline struct worker_control *process_control(const struct process *p,
                                                     const struct server *server)
{
    return &server->shared->workers[p->first].control;
}

/* Starts a process in the place. Returns 0 or a negative errno; in the new process it does not
 * return. mask: the signal mask of workers. */
int process_start(struct process *p, struct generation *g, const struct master *m,
                  const sigset_t *mask);

/*
 * Tells it to finish: cut_ms, kill_ms, idle_until_ms as in worker_control and end_ms.
 * leave: it is a worker of a shared pool that goes on without it. Else it sees that when it next
 * looks, or at once by its generation's stop descriptor. May be called again to shorten the times.
 */
void process_retire(struct process *p, struct server *server, bool leave, bool take_backlog,
                    int64_t cut_ms, int64_t kill_ms, int64_t idle_until_ms);

/* Tells one that was idle once more that it is to leave. */
void process_nudge(const struct process *p, const struct server *server);

/* Notes that it ended; works out when to start the next. Returns that pause, in milliseconds. */
int process_ended(struct process *p);

/* "was killed by signal 9 (Killed)", "exited with status 1". */
void process_describe_end(char *out, size_t size, int status);

#endif
