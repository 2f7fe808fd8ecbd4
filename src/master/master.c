/* SPDX-License-Identifier: MIT
 *
 * The master's loop: wait for a signal or a worker's message, at most until the next tick; then
 * look at everything, say what has happened (state.h), start what is due, move each generation on.
 *
 * What is done about what has happened is in actions.c. What one generation is, and what it takes
 * to start, tell and end it, is in generation.c and process.c; who replaces a dead worker in
 * workers.c; starting another program in upgrade.c.
 */
#include "master/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/request.h"
#include "io.h"
#include "log.h"
#include "master/actions.h"
#include "master/process.h"
#include "master/signals.h"
#include "models/model.h"
#include "shortage.h"
#include "system/latch.h"

enum {
    ERROR_SIZE = 512,
    TICK_MS = 250,
    DRAIN_TICK_MS = 20,
    /* So many processes of a new generation may die before they are ready: one may be killed by
     * accident, more have a reason that will not go away. Of the first generation none. */
    START_FAILURES = 3,
    WAKING_MOST = 256, /* processes that may wake the master as they become ready */
};

/* What the master has open besides its generations'. */
static void keep_own(const struct master *m, struct kept *kept)
{
    kept_add(kept, m->signal_fd);
    kept_add(kept, m->wake_fd);
    kept_add(kept, m->upgrade.ready_fd);
    kept_add(kept, m->inherited.ready_fd);
    if (m->service.pid_file.path != NULL)
        kept_add(kept, m->service.pid_file.fd);
}

/* ---- what may have happened --------------------------------------------------------------- */

/* Told to stop: whether it is to be a lame duck first is its newest settings' say. */
static enum event stop_event(const struct master *m)
{
    const struct generation *serving = generations_serving(m->newest);

    return serving != NULL && serving->settings.config.lame_duck_ms > 0 ? EVENT_LEAVE : EVENT_STOP;
}

static void read_signals(struct master *m)
{
    struct signalfd_siginfo info;

    while (!state_is_last(m->state) && read(m->signal_fd, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            actions_take(m, stop_event(m));
            break;
        case SIGHUP:
            actions_take(m, EVENT_RELOAD);
            break;
        case SIGUSR1:
            actions_take(m, EVENT_REOPEN);
            break;
        case SIGUSR2:
            actions_take(m, EVENT_UPGRADE);
            break;
        default:
            break; /* SIGCHLD: reap() is called in any case */
        }
    }
}

/* Takes note of all children that ended, stopped or go on. As process 1 of a container the master
 * is given those of others too: that they are waited for is all they need. */
static void reap(struct master *m)
{
    int64_t soon = io_now_ms() + DRAIN_TICK_MS;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        struct generation *g = m->newest;

        while (g != NULL && !workers_note(&m->workers, g, pid, status))
            g = g->before;
        if (g == NULL && (WIFEXITED(status) || WIFSIGNALED(status)))
            upgrade_note_end(&m->upgrade, pid, status);
    }
    /* What a death may have left unarmed waits for a tick. Where many die, most do so within
     * moments, and one tick does for all. */
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (workers_release(g) && m->next_tick_ms > soon)
            m->next_tick_ms = soon;
}

/* How the generation that starts is getting on. */
static void look_at_start(struct master *m)
{
    struct generation *g = generations_starting(m->newest);

    if (g == NULL || state_is_last(m->state))
        return;
    if (g->failures >= (generation_is_first(g) ? 1 : START_FAILURES))
        actions_take(m, EVENT_START_FAILED);
    else if (io_now_ms() >= g->end_ms)
        actions_take(m, EVENT_START_LATE);
    else if (generation_is_ready(g)) /* the predecessor may have given this server up */
        actions_take(m, upgrade_commit(&m->inherited) ? EVENT_READY : EVENT_START_FAILED);
}

static void look_at_wishes(struct master *m)
{
    if (m->want_reload)
        actions_take(m, EVENT_RELOAD_WANTED);
    if (m->want_upgrade)
        actions_take(m, EVENT_UPGRADE_WANTED);
}

static void look_at_upgrade(struct master *m)
{
    if (m->state != STATE_UPGRADING)
        return;
    switch (upgrade_look(&m->upgrade)) {
    case UPGRADE_READY:
        actions_take(m, EVENT_UPGRADED);
        break;
    case UPGRADE_FAILED:
        actions_take(m, EVENT_UPGRADE_FAILED);
        break;
    case UPGRADE_PENDING:
        break;
    }
}

/* Whether there is anything left to wait for, or time. */
static void look_at_end(struct master *m)
{
    if (generations_are_empty(m->newest) && upgrade_is_gone(&m->upgrade))
        actions_take(m, EVENT_EMPTY);
    if (io_now_ms() >= m->leave_ms)
        actions_take(m, EVENT_LAME_OVER);
    if (!state_is_last(m->state) && io_now_ms() >= m->end_ms)
        actions_take(m, EVENT_STOP_LATE);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static bool is_owned(const void *arg, int fd)
{
    const struct master *m = arg;
    struct kept own = {.count = 0};

    keep_own(m, &own);
    for (const struct generation *g = m->newest; g != NULL; g = g->before)
        if (generation_owns(g, fd))
            return true;
    return kept_has(&own, fd);
}

static void tick(struct master *m)
{
    struct server_shared *shared = m->newest->server.shared;
    struct generation *serving = generations_serving(m->newest);
    int64_t now = io_now_ms();

    if (now < m->next_tick_ms)
        return;
    m->next_tick_ms = now + (generations_retiring(m->newest) > 0 ? DRAIN_TICK_MS : TICK_MS);
    if (serving != NULL)
        server_seek_places(&serving->server);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->plan.shared != NULL && !g->superseded)
            g->plan.shared->tick(&g->server, g->plan.arg);
    shared_recount(shared, generation_connections, m->newest);
    strays_close(&m->strays, shared, is_owned, m);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->phase == RETIRING)
            generation_drain(g);
        else
            generation_nudge(g);
}

/* Keeps the workers of each generation going, or sees them out. */
static void attend(struct master *m)
{
    struct kept own = {.count = 0};

    keep_own(m, &own);
    for (struct generation *g = m->newest, *before; g != NULL; g = before) {
        before = g->before;
        workers_look(&m->workers, g);
        if (g->phase != RETIRING)
            workers_start(&m->workers, g, &own);
        else if (places_next(&g->places, NULL) == NULL && m->newest != g)
            generations_remove(&m->newest, g, &m->workers.slots);
    }
}

/* One look at everything. */
static void look(struct master *m)
{
    read_signals(m);
    latch_unset(m->wake_fd);
    reap(m);
    look_at_start(m);
    if (state_is_last(m->state))
        return;
    look_at_wishes(m);
    look_at_upgrade(m);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        generation_leave_listener(g);
    service_tick(&m->service);
    attend(m);
    look_at_start(m); /* some could perhaps not be started */
    if (state_is_last(m->state))
        return;
    tick(m); /* late: after many deaths it has much to do, and replacing them comes first */
    look_at_end(m);
}

static int next_wait(const struct master *m)
{
    int64_t now = io_now_ms();
    bool hurry = generations_retiring(m->newest) > 0;
    int64_t wait = hurry || generations_starting(m->newest) != NULL ? DRAIN_TICK_MS : TICK_MS;

    if (wait > m->next_tick_ms - now)
        wait = m->next_tick_ms > now ? m->next_tick_ms - now : 0;
    for (const struct generation *g = m->newest; g != NULL; g = g->before)
        for (const struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;) {
            if (p->retiring && wait > DRAIN_TICK_MS)
                wait = DRAIN_TICK_MS;
            if (p->pid == 0 && p->due_ms - now < wait)
                wait = p->due_ms > now ? p->due_ms - now : 0;
        }
    return hurry && wait == 0 ? 1 : (int)wait;
}

/* Each of thousands that start would have the master look at all of them: it looks when it next
 * does. */
static bool may_wake(const struct master *m)
{
    const struct generation *g = generations_starting(m->newest);

    return g == NULL || g->plan.processes <= WAKING_MOST;
}

static void loop(struct master *m)
{
    for (look(m); !state_is_last(m->state); look(m)) {
        struct pollfd fds[3] = {{.fd = m->signal_fd, .events = POLLIN},
                                {.fd = may_wake(m) ? m->wake_fd : -1, .events = POLLIN},
                                {.fd = m->upgrade.ready_fd, .events = POLLIN}};

        poll(fds, 3, next_wait(m));
    }
    upgrade_end(&m->upgrade);
    generations_end(&m->newest, &m->workers.slots);
}

/* For all that would each miss it: said once, and nothing of it when a worker starts. */
static void look_for_proc(void)
{
    if (access("/proc/self/fd", F_OK) < 0)
        log_line(LOG_WARN,
                 "no /proc: a CPU quota is not seen (see --workers), a process's stack overflow is "
                 "not reported as one, and what killed workers had just opened stays open");
}

/* Runs the first generation and what follows it. */
static int run(struct master *m, struct settings *settings)
{
    const struct server_inherited inherited = {.listen_fd = m->inherited.listen_fd,
                                               .listen_shared = m->inherited.listen_shared,
                                               .reuseport = m->inherited.reuseport,
                                               .more_listeners = m->inherited.more_listeners,
                                               .upgrading = m->inherited.ready_fd >= 0};
    const char *model = settings->model->name;
    char error[ERROR_SIZE];
    int result;

    m->newest = generation_new(settings, NULL, &inherited, m->wake_fd, &m->workers.slots, error,
                               sizeof error, &result);
    if (m->newest == NULL && inherited.upgrading && signals_told_to_stop())
        return 0; /* so was the server it was to replace, which has shut the socket by now */
    if (m->newest == NULL) {
        log_line(LOG_ERROR, "%s", error);
        return result;
    }
    if (m->newest->plan.shared != NULL)
        strays_init(&m->strays);
    loop(m);
    service_end(&m->service);
    if (m->failure < 0 && m->failure != -ECHILD)
        log_line(LOG_ERROR, "cannot start --model=%s: %s", model, shortage_of_tasks(-m->failure));
    return m->failure;
}

int master_run(const struct command *command, struct settings *settings)
{
    struct master *m = calloc(1, sizeof *m);
    int result;

    if (m == NULL) {
        log_line(LOG_ERROR, "out of memory");
        return -ENOMEM;
    }
    request_init();
    log_own(STDOUT_FILENO);
    log_own(STDERR_FILENO);
    look_for_proc();
    m->command = command;
    m->leave_ms = m->end_ms = INT64_MAX;
    m->upgrade.ready_fd = -1;
    m->inherited = upgrade_inherit(settings->config.listen);
    m->signal_fd = signals_take(&m->workers.mask);
    m->wake_fd = latch_new();
    result = m->signal_fd < 0 ? m->signal_fd : m->wake_fd;
    if (result < 0)
        log_line(LOG_ERROR, "cannot take signals: %s", strerror(-result));
    else
        result = run(m, settings);
    if (m->signal_fd >= 0)
        close(m->signal_fd);
    if (m->wake_fd >= 0)
        close(m->wake_fd);
    strays_term(&m->strays);
    free(m);
    return result;
}
