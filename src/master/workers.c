/* SPDX-License-Identifier: MIT
 *
 * Who dies, who stands still, who has served enough, and who comes next.
 */
#include "master/workers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "db/db.h"
#include "io.h"
#include "log.h"
#include "shortage.h"

enum { SHORT_PAUSE_MS = 500 }; /* after a process could not be made, until the next is tried */

void workers_start(struct workers *w, struct generation *g, const struct kept *kept)
{
    int64_t now = io_now_ms();
    int result = 0;

    for (struct process *p = NULL; result == 0 && (p = places_next(&g->places, p)) != NULL;) {
        if (p->pid != 0 || p->retiring || p->due_ms > now)
            continue;
        result = generation_start(g, p, kept, &w->mask);
        if (result < 0 && !generation_is_first(g))
            log_line(LOG_ERROR, "cannot start worker process %u: %s", p->first,
                     shortage_of_tasks(-result));
    }
    if (result == 0)
        return;
    g->failures++;
    g->failure = result;
    for (struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;)
        if (p->pid == 0) /* the others would not fare better now */
            p->due_ms = now + SHORT_PAUSE_MS;
}

/* One that a generation can do without: it was told to finish, or another stands in for it. */
static bool is_spare(const struct process *p)
{
    return p->retiring || p->replacement != NULL;
}

/* Says how it ended, and what is done about it. */
static void tell_end(const struct generation *g, const struct process *p, pid_t pid, int status,
                     int pause_ms)
{
    char how[80];

    process_describe_end(how, sizeof how, status);
    if (g->phase == STARTING)
        log_line(LOG_ERROR, "worker process %u (pid %d) %s while starting", p->first, (int)pid,
                 how);
    else if (is_spare(p))
        log_line(LOG_WARN, "worker process %u (pid %d) %s", p->first, (int)pid, how);
    else if (pause_ms == 0)
        log_line(LOG_WARN, "worker process %u (pid %d) %s; replacing it", p->first, (int)pid, how);
    else
        log_line(LOG_WARN,
                 "worker process %u (pid %d) %s soon after its start; replacing it in %d ms",
                 p->first, (int)pid, how, pause_ms);
}

static void worker_ended(struct workers *w, struct generation *g, struct process *p, int status)
{
    pid_t pid = p->pid;
    int pause_ms = process_ended(p);
    bool late = p->retiring && io_now_ms() >= p->end_ms && WIFSIGNALED(status);

    for (unsigned i = 0; i < g->plan.serving_each; i++)
        db_process_died(g->server.db, p->number * g->plan.serving_each + i);
    generation_note_death(g, p, WIFSIGNALED(status));
    /* One that finishes in good order, or was killed because it did not, needs no line of its own.
     */
    if (!late && !(p->retiring && WIFEXITED(status) && WEXITSTATUS(status) == 0))
        tell_end(g, p, pid, status, pause_ms);
    if (g->phase == STARTING) {
        g->failures++;
        g->failure = -ECHILD;
    }
    if (is_spare(p))
        generation_remove(g, p, &w->slots);
}

bool workers_note(struct workers *w, struct generation *g, pid_t pid, int status)
{
    struct process *p = places_find(&g->places, pid);

    if (p == NULL)
        return false;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        worker_ended(w, g, p, status);
        g->bereaved = true;
    } else {
        heartbeat_report(&p->heart, WIFSTOPPED(status));
    }
    return true;
}

bool workers_release(struct generation *g)
{
    bool bereaved = g->bereaved;

    g->bereaved = false;
    if (bereaved && g->plan.shared != NULL)
        g->plan.shared->release(&g->server, g->plan.arg);
    return bereaved;
}

static void look_at_heart(struct generation *g, struct process *p, int64_t now)
{
    const struct worker_stats *stats = shared_stats(g->server.shared, p->first);
    /* Of several workers in a process another answers than turns. */
    uint64_t answered = g->plan.slots_each == 1 ? stats_get(&stats->requests) : 0;

    switch (heartbeat_look(&p->heart, atomic_load(&stats->control.beat_ms), answered,
                           &g->settings.config, now)) {
    case HEART_SLOW:
        log_line(LOG_WARN,
                 "worker process %u (pid %d) has not turned for %d s: "
                 "a handler computes or blocks",
                 p->first, (int)p->pid, (int)(p->heart.still_ms / 1000));
        break;
    case HEART_AGAIN:
        log_line(LOG_INFO, "worker process %u (pid %d) turns again", p->first, (int)p->pid);
        break;
    case HEART_STOPPED:
        log_line(LOG_WARN, "worker process %u (pid %d) is stopped by a signal; killing it",
                 p->first, (int)p->pid);
        kill(p->pid, SIGKILL);
        heartbeat_init(&p->heart);
        p->pause_ms = 0; /* it has waited long enough, and did not die of itself */
        break;
    case HEART_STILL:
        log_line(LOG_WARN,
                 "worker process %u (pid %d) has not turned for --heartbeat-timeout; "
                 "killing it",
                 p->first, (int)p->pid);
        kill(p->pid, SIGKILL);
        heartbeat_init(&p->heart);
        break;
    case HEART_BEATS:
        break;
    }
}

/* Those that have served their share: another is started first, then they are told to finish. */
static void replace_spent(struct workers *w, struct generation *g, struct process *p)
{
    const struct worker_control *control = process_control(p, &g->server);
    struct process *old = p->replaces;

    if (old != NULL && atomic_load(&control->ready)) {
        p->replaces = old->replacement = NULL;
        generation_retire_spent(g, old);
    }
    if (atomic_load(&control->spent) && !is_spare(p) && places_add(&g->places, p, &w->slots) < 0)
        return; /* tried again at the next turn */
}

void workers_look(struct workers *w, struct generation *g)
{
    int64_t now = io_now_ms();

    for (struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;) {
        if (p->pid == 0) {
            if (g->phase == RETIRING)
                generation_remove(g, p, &w->slots);
            continue;
        }
        look_at_heart(g, p, now);
        if (p->retiring && now >= p->end_ms)
            kill(p->pid, SIGKILL);
        if (g->phase == SERVING)
            replace_spent(w, g, p);
    }
}
