/* SPDX-License-Identifier: MIT
 *
 * Making generations, telling them to finish, and seeing them out.
 */
#include "master/generation.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/db.h"
#include "descriptors.h"
#include "expect.h"
#include "io.h"
#include "log.h"
#include "models/model.h"
#include "system/latch.h"

enum {
    /* Time kept back of --shutdown-timeout: a tenth, at most this. In its first half workers cut
     * off what they still serve, in its second those that are left are killed and reaped. */
    SHUTDOWN_RESERVE_MS = 500,
    HANDSHAKE_MS = 20, /* on a busy machine; where workers take the backlog, that takes a while */
};

const char *generation_phase_name(enum generation_phase phase)
{
    return phase == STARTING ? "starting" : phase == SERVING ? "serving" : "retiring";
}

struct retirement generation_times(const struct generation *g)
{
    int64_t now = io_now_ms();
    int64_t timeout = g->settings.config.shutdown_timeout_ms;
    int64_t reserve = timeout / 10 < SHUTDOWN_RESERVE_MS ? timeout / 10 : SHUTDOWN_RESERVE_MS;

    return (struct retirement){.idle_until_ms = now + timeout / 2,
                               .cut_ms = now + timeout - reserve,
                               .kill_ms = now + timeout - reserve / 2};
}

void generation_remove(struct generation *g, struct process *p, struct slots *slots)
{
    g->backlog_taken |= atomic_load(&process_control(p, &g->server)->backlog_taken);
    places_remove(&g->places, p, slots);
}

static int open_server(struct generation *g, const struct generation *running,
                       const struct server_inherited *inherited, char *error, size_t error_size)
{
    const struct settings *s = &g->settings;

    if (running != NULL)
        return server_open_next(&g->server, &running->server, &s->config, s->model, s->workers,
                                error, error_size);
    return server_open(&g->server, &s->config, s->model, s->workers, inherited, error, error_size);
}

/* Parked connections pass on where the model is the same and the socket they come from is. */
static const struct model_plan *plan_before(const struct generation *g,
                                            const struct generation *running)
{
    bool same = running != NULL && running->settings.model == g->settings.model &&
                running->server.listen_fd == g->server.listen_fd;

    return same ? &running->plan : NULL;
}

/* What its workers need to be started with, and their places. */
static int open_workers(struct generation *g, const struct generation *running, struct slots *slots)
{
    const struct model *model = g->settings.model;
    int result = g->gate_fd = latch_new();

    if (result >= 0)
        result = g->stop_fd = latch_new();
    g->plan =
        (struct model_plan){.processes = g->server.workers, .slots_each = 1, .serving_each = 1};
    descriptors_resolve(&g->server, g->plan.processes, 0);
    if (result >= 0 && model->open != NULL)
        result = model->open(&g->server, plan_before(g, running), &g->plan);
    if (result >= 0)
        result =
            db_new(&g->server.db, &g->settings.config, g->plan.processes * g->plan.serving_each);
    if (result >= 0)
        result = places_init(&g->places, g->plan.processes, g->plan.slots_each, slots);
    return result;
}

struct generation *generation_new(struct settings *settings, struct generation *running,
                                  const struct server_inherited *inherited, int master_fd,
                                  struct slots *slots, char *error, size_t error_size, int *result)
{
    struct generation *g = calloc(1, sizeof *g);

    if (g == NULL) {
        snprintf(error, error_size, "out of memory");
        settings_free(settings);
        *result = -ENOMEM;
        return NULL;
    }
    g->settings = *settings;
    g->gate_fd = g->stop_fd = -1;
    g->before = running;
    *result = open_server(g, running, inherited, error, error_size);
    if (*result < 0) {
        settings_free(&g->settings);
        free(g);
        return NULL;
    }
    g->server.application = g->settings.application;
    g->server.master_fd = master_fd;
    g->server.control = &g->control;
    *result = open_workers(g, running, slots);
    if (*result < 0) {
        snprintf(error, error_size, "cannot start --model=%s: %s", g->settings.model->name,
                 strerror(-*result));
        generation_free(g, running == NULL || running->server.listen_fd != g->server.listen_fd,
                        slots);
        return NULL;
    }
    *result = 0;
    g->end_ms = running == NULL ? INT64_MAX : io_now_ms() + g->settings.config.start_timeout_ms;
    return g;
}

void generation_free(struct generation *g, bool last, struct slots *slots)
{
    places_term(&g->places, slots);
    if (g->settings.model->close != NULL)
        g->settings.model->close(&g->plan);
    db_free(g->server.db);
    if (last)
        server_stop_listening(&g->server);
    g->server.listen_fd = -1;
    server_close(&g->server);
    if (g->gate_fd >= 0)
        close(g->gate_fd);
    if (g->stop_fd >= 0)
        close(g->stop_fd);
    settings_free(&g->settings);
    free(g);
}

bool generation_is_ready(const struct generation *g)
{
    for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        if (p->pid == 0 || !atomic_load(&process_control(p, &g->server)->ready))
            return false;
    return true;
}

/* Of workers that keep them: each counts its own. */
static int32_t kept_connections(const struct generation *g)
{
    uint64_t count = 0;

    for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        for (unsigned i = p->first; i < p->first + g->plan.slots_each; i++) {
            const struct worker_stats *stats = &g->server.shared->workers[i];

            count += stats_get(&stats->accepted) - stats_get(&stats->closed);
        }
    return (int32_t)count;
}

int32_t generation_connections(const void *newest)
{
    int32_t count = 0;

    for (const struct generation *g = newest; g != NULL; g = g->before)
        if (g->plan.shared == NULL)
            count += kept_connections(g);
        else if (!g->superseded && g->phase != STARTING) /* else its pool is another's too */
            count += g->plan.shared->connections(g->plan.arg);
    return count;
}

void generation_begin(struct generation *g)
{
    expect(g->phase == STARTING && generation_is_ready(g),
           "the gate of a generation of %s, %s, is opened with %u of its %u processes alive",
           g->settings.model->name, generation_phase_name(g->phase), places_alive(&g->places),
           g->plan.processes);
    g->phase = SERVING;
    g->server.mode_before = 0;
    latch_set(g->gate_fd);
}

/* What was opened for it. */
static void keep(const struct generation *g, struct kept *kept)
{
    const struct server *s = &g->server;

    kept_add_some(kept, s->listen_fd, s->more_listeners + 1);
    kept_add(kept, s->root_fd);
    kept_add(kept, s->access_log_fd);
    kept_add(kept, g->gate_fd);
    kept_add(kept, g->stop_fd);
    if (s->db != NULL)
        db_keep(s->db, kept);
}

bool generation_owns(const struct generation *g, int fd)
{
    struct kept own = {.count = 0};

    keep(g, &own);
    return kept_has(&own, fd) || (g->plan.shared != NULL && g->plan.shared->owns(g->plan.arg, fd));
}

int generation_start(struct generation *g, struct process *p, const struct kept *kept,
                     const sigset_t *mask)
{
    struct process_start with = {
        .server = &g->server,
        .plan = &g->plan,
        .stop_fd = g->stop_fd,
        .gate_fd = g->gate_fd,
        .kept = *kept,
        .mask = *mask,
    };

    keep(g, &with.kept);
    return process_start(p, &with);
}

/* It leaves a pool that goes on. */
static void dismiss(struct generation *g, struct process *p, const struct retirement *times)
{
    process_dismissed(p, times, g->plan.shared->dismiss(&g->server, p->first, g->plan.arg));
}

void generation_retire_spent(struct generation *g, struct process *p)
{
    struct retirement times = generation_times(g);

    times.cut_ms = times.kill_ms = INT64_MAX; /* nobody waits for its end */
    if (g->plan.shared != NULL)
        dismiss(g, p, &times);
    else
        process_retire(p, &g->server, &times, false);
}

void generation_retire(struct generation *g, const struct generation *next, bool last_listener)
{
    struct retirement times = generation_times(g);
    bool own_pool = g->plan.shared != NULL;
    /* What waits at another's socket is left to whoever comes next: it may never end. */
    bool take_backlog = last_listener && !server_listener_is_others(&g->server);

    g->phase = RETIRING;
    g->superseded = own_pool && next != NULL && next->plan.arg == g->plan.arg;
    if (take_backlog && g->listener == LISTENER_ATTENDED) {
        server_turn_away(&g->server);
        /* Handshakes under way end in the backlog, before anybody looks there for the last time. */
        (void)poll(NULL, 0, HANDSHAKE_MS);
        g->listener = LISTENER_LEFT;
        g->shut_ms = own_pool ? io_now_ms() + HANDSHAKE_MS : (io_now_ms() + times.kill_ms) / 2;
    }
    if (own_pool && !g->superseded) {
        process_order(&g->control, &times, take_backlog);
        if (take_backlog)
            g->plan.shared->take_backlog(&g->server, g->plan.arg);
        else
            g->plan.shared->retire(&g->server, g->plan.arg);
    }
    for (struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        if (own_pool && g->superseded)
            dismiss(g, p, &times);
        else
            process_retire(p, &g->server, &times, take_backlog);
    latch_set(g->stop_fd);
}

void generation_hasten(struct generation *g)
{
    if (g->superseded)
        return;
    atomic_store(&g->control.idle_until_ms, 0);
    for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        atomic_store(&process_control(p, &g->server)->idle_until_ms, 0);
}

static bool backlog_is_taken(const struct generation *g)
{
    /* They all accept from one socket: one that found it empty has seen all that waited. */
    for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        if (atomic_load(&process_control(p, &g->server)->backlog_taken))
            return true;
    return g->backlog_taken || places_alive(&g->places) == 0 || io_now_ms() >= g->shut_ms;
}

void generation_leave_listener(struct generation *g)
{
    if (g->listener != LISTENER_LEFT || !backlog_is_taken(g))
        return;
    if (g->plan.shared != NULL) /* once more: handshakes were under way when it was first taken */
        g->plan.shared->take_backlog(&g->server, g->plan.arg);
    server_shut_listening(&g->server);
    g->listener = LISTENER_SHUT;
}

void generation_nudge(const struct generation *g)
{
    for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        process_nudge(p);
}

void generation_drain(struct generation *g)
{
    generation_nudge(g);
    if (g->plan.shared == NULL || g->superseded || g->finishing || g->listener == LISTENER_LEFT)
        return;
    if (g->plan.shared->drained(&g->server, g->plan.arg)) {
        g->finishing = true;
        g->plan.shared->finish(g->plan.arg);
    }
}

void generation_note_death(struct generation *g, const struct process *p, bool killed)
{
    struct server_shared *shared = g->server.shared;

    for (unsigned i = p->first; i < p->first + g->plan.slots_each; i++) {
        if (g->plan.shared == NULL)
            shared_worker_lost_connections(shared, i);
        shared_worker_died(shared, i);
    }
    if (g->plan.shared != NULL)
        g->plan.shared->died(p->first, killed, g->plan.arg);
}

void generation_kill(struct generation *g)
{
    for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        if (p->pid != 0)
            kill(p->pid, SIGKILL);
    for (struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;) {
        if (p->pid == 0)
            continue;
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        p->pid = 0;
        generation_note_death(g, p, true);
    }
    if (g->plan.shared != NULL)
        g->plan.shared->release(&g->server, g->plan.arg);
}

void generation_reopen_log(struct generation *g)
{
    server_reopen_log(&g->server);
    if (g->plan.shared != NULL)
        return; /* it is theirs too */
    for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        if (p->pid != 0)
            kill(p->pid, SIGUSR1);
}
