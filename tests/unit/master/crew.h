/* SPDX-License-Identifier: MIT
 *
 * A generation of a fake model, whose worker processes are real: they get ready and wait until they
 * are to finish. A fixture that tests of src/master share.
 */
#ifndef TESTS_UNIT_MASTER_CREW_H
#define TESTS_UNIT_MASTER_CREW_H

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "master/generation.h"
#include "system/latch.h"
#include "worker.h"

enum { CREW_WORKERS = 3, CREW_SLOTS_EACH = 2, CREW_FAILED = 3 };

/* What its workers do; and what was asked of a shared pool. */
struct crew {
    bool fail;                       /* end before they are ready */
    bool unready;                    /* never get ready */
    bool stuck;                      /* never finish */
    int open_error;                  /* of the model's open() */
    const struct model_plan *before; /* that it was given */
    const struct shared_pool_ops *shared;
    void *pool;                      /* the plan's arg; the crew itself for those of a pool */
    unsigned died, killed, released; /* calls of the pool's functions */
    unsigned dismissed, retired, backlogs_taken, finished;
    int32_t connections;
    bool drained;
    int owned; /* a descriptor */
};

static struct crew crew;
static struct slots crew_slots;

/* A worker of a pool ends when its state says so, which a nudge has it look at. */
static int crew_work(struct server *server, const struct worker_process *self, void *arg)
{
    struct pollfd stop = {.fd = crew.shared != NULL ? -1 : self->stop_fd, .events = POLLIN};

    (void)arg;
    if (crew.fail)
        return CREW_FAILED;
    while (crew.unready)
        poll(NULL, 0, 10);
    worker_ready(server, self);
    shared_worker_begins(server->shared, self->first, getpid(), gettid());
    while (crew.stuck ||
           !(server_told_to_finish(server) || atomic_load(&server->control->state) == 1))
        poll(&stop, crew.stuck ? 0 : 1, 10);
    return EXIT_SUCCESS;
}

static int crew_open(struct server *server, const struct model_plan *before,
                     struct model_plan *plan)
{
    (void)server;
    crew.before = before;
    plan->slots_each = CREW_SLOTS_EACH;
    plan->shared = crew.shared;
    plan->arg = crew.pool;
    return crew.open_error;
}

static const struct model crew_model = {.name = "fake", .work = crew_work, .open = crew_open};

static inline void crew_died(unsigned first, bool killed, void *arg)
{
    (void)first;
    (void)arg;
    crew.died++;
    crew.killed += killed;
}

static inline void crew_release(struct server *server, void *arg)
{
    (void)server;
    (void)arg;
    crew.released++;
}

static inline bool crew_dismiss(struct server *server, unsigned first, void *arg)
{
    (void)arg;
    crew.dismissed++;
    atomic_store(&server->shared->workers[first].control.state, 1);
    return true;
}

static inline bool crew_owns(const void *arg, int fd)
{
    (void)arg;
    return fd == crew.owned;
}

static inline int32_t crew_connections(const void *arg)
{
    (void)arg;
    return crew.connections;
}

static inline void crew_take_backlog(struct server *server, void *arg)
{
    (void)server;
    (void)arg;
    crew.backlogs_taken++;
}

static inline void crew_retire(struct server *server, void *arg)
{
    (void)server;
    (void)arg;
    crew.retired++;
}

static inline bool crew_is_drained(struct server *server, void *arg)
{
    (void)server;
    (void)arg;
    return crew.drained;
}

static inline void crew_finish(void *arg)
{
    (void)arg;
    crew.finished++;
}

static const struct shared_pool_ops crew_pool = {
    .died = crew_died,
    .release = crew_release,
    .dismiss = crew_dismiss,
    .owns = crew_owns,
    .connections = crew_connections,
    .take_backlog = crew_take_backlog,
    .retire = crew_retire,
    .drained = crew_is_drained,
    .finish = crew_finish,
};

/* Makes the generation that follows `running`, or the first; NULL with *result. `option` is one of
 * the command line, or NULL. */
static struct generation *crew_new(struct generation *running, const char *option, char *error,
                                   size_t error_size, int *result)
{
    const struct server_inherited none = {.listen_fd = -1};
    char program[] = "server", listen[] = "--listen=127.0.0.1:0";
    char *argv[] = {program, listen, (char *)(uintptr_t)option, NULL}, *names[] = {NULL};
    struct settings settings = {.model = &crew_model, .workers = CREW_WORKERS};
    enum config_action action;

    if (config_load(&settings.config, option != NULL ? 3 : 2, argv, names, &action, error,
                    error_size) < 0)
        abort();
    return generation_new(&settings, running, &none, -1, &crew_slots, error, error_size, result);
}

static inline struct generation *crew_next(struct generation *running)
{
    char error[512];
    int result;

    return crew_new(running, NULL, error, sizeof error, &result);
}

/* Starts its processes and waits until they have said that they are ready. */
static inline void crew_start(struct generation *g)
{
    struct kept kept = {.count = 0};
    sigset_t mask;

    sigemptyset(&mask);
    for (struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        if (generation_start(g, p, &kept, &mask) < 0)
            abort();
    while (!generation_is_ready(g))
        sched_yield();
}

/* Sends a signal to a process that there is: to none it would be sent to this process group. */
static inline void crew_signal(const struct process *p, int number)
{
    if (p->pid <= 0 || kill(p->pid, number) < 0)
        abort();
}

/* Ends and frees it; and with `last` the memory that all share. */
static inline void crew_end(struct generation *g, bool last)
{
    struct server_shared *shared = g->server.shared;

    generation_kill(g);
    generation_free(g, last, &crew_slots);
    if (last)
        shared_free(shared);
}

#endif
