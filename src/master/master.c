/* SPDX-License-Identifier: MIT
 *
 * The master's loop: wait for a signal or a worker's message, at most until the
 * next tick; start what is due; move each generation on.
 *
 * What one generation is, and what it takes to start, tell and end it, is in
 * generation.c and process.c; who replaces a dead worker in workers.c; starting another
 * program in upgrade.c. This file decides when: the signals, what waits for what, and when
 * all is over.
 */
#include "master/master.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "master/generation.h"
#include "models/model.h"
#include "master/process.h"
#include "master/signals.h"
#include "master/strays.h"
#include "master/workers.h"
#include "master/upgrade.h"
#include "master/service.h"
#include "shortage.h"
#include "system/latch.h"

enum {
    ERROR_SIZE = 512,
    TICK_MS = 250,
    DRAIN_TICK_MS = 20,
    /* So many processes of a new generation may die before they are ready: one may be killed by
     * accident, more have a reason that will not go away. Of the first generation none. */
    START_FAILURES = 3,
    /* So many generations may retire beside one another; a reload then waits for one to go. */
    RETIRING_MOST = 4,
    WAKING_MOST = 256, /* processes that may wake the master as they become ready */
};

/* Each of these, and the one that serves, may have two worker processes to a place, one that starts
 * beside them has one; and each of threads' has a slot more than it has workers. */
static_assert(SHARED_SLOTS >= (2 * (RETIRING_MOST + 1) + 1) * (CONFIG_MAX_WORKERS + 1),
              "a reload never lacks slots");

struct master {
    const struct command *command;
    struct generation *newest; /* and through ->before all others that have processes */
    struct workers workers;
    struct service service;
    struct upgrade upgrade;
    struct inherited inherited;
    struct strays strays;
    bool announced;    /* the first generation has served */
    bool stopping;     /* SIGTERM, SIGINT */
    int failed;        /* why the first could not: negative errno; -ECHILD: it was said */
    bool want_reload;  /* SIGHUP, not acted on yet */
    bool want_upgrade; /* SIGUSR2 */
    bool succeeded;    /* another program has taken over: see out what is left */
    bool stop;         /* at once */
    int64_t next_tick_ms;
    int64_t end_ms; /* while stopping: when what is left is killed */
    int signal_fd, wake_fd;
};

/* The lowest from `from` on of those that the master has besides its generations'. */
static int next_own(const struct master *m, int from)
{
    const int own[] = {m->signal_fd, m->wake_fd, m->upgrade.ready_fd, m->inherited.ready_fd,
                       m->service.pid_file.path != NULL ? m->service.pid_file.fd : -1};
    int next = INT_MAX;

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (own[i] >= from && own[i] < next)
            next = own[i];
    return next;
}

int master_next_kept(const struct master *m, const struct generation *g, int from)
{
    int its = generation_next_owned(g, from), own = next_own(m, from);

    return its < own ? its : own;
}

/* ---- generations ------------------------------------------------------------------------- */

/* The one that serves; NULL while the first starts and once all retire. */
static struct generation *serving(const struct master *m)
{
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->phase == SERVING)
            return g;
    return NULL;
}

static struct generation *starting(const struct master *m)
{
    return m->newest != NULL && m->newest->phase == STARTING ? m->newest : NULL;
}

static unsigned retiring(const struct master *m)
{
    unsigned count = 0;

    for (const struct generation *g = m->newest; g != NULL; g = g->before)
        count += g->phase == RETIRING;
    return count;
}

/* No other generation than g attends that socket. */
static bool is_last_on(const struct master *m, const struct generation *g)
{
    for (const struct generation *other = m->newest; other != NULL; other = other->before)
        if (other != g && other->server.listen_fd == g->server.listen_fd)
            return false;
    return true;
}

static void remove_generation(struct master *m, struct generation *g)
{
    struct generation **link = &m->newest;

    while (*link != g)
        link = &(*link)->before;
    *link = g->before;
    /* Who closes the socket must know. */
    for (struct generation *other = m->newest; other != NULL; other = other->before)
        if (other->server.listen_fd == g->server.listen_fd && g->server.listen_owner != LISTEN_OWN)
            other->server.listen_owner = g->server.listen_owner;
    if (m->newest == NULL) { /* the master's last words need the counters no more */
        struct server_shared *shared = g->server.shared;

        generation_free(g, true, &m->workers.slots);
        shared_free(shared);
        return;
    }
    generation_free(g, is_last_on(m, g), &m->workers.slots);
}

/* The newest, which is STARTING, cannot serve. */
static void give_up_start(struct master *m, const char *why)
{
    struct generation *g = m->newest;

    if (g->before == NULL) {
        m->failed = -ECHILD;
        return;
    }
    service_reloaded();
    log_line(LOG_ERROR, "reload: %s; the server goes on as it was", why);
    generation_kill(g);
    remove_generation(m, g);
}

static void announce(struct master *m, struct generation *g)
{
    struct server *s = &g->server;

    if (m->announced) {
        service_reloaded();
        log_line(LOG_INFO, "reloaded: model=%s workers=%u listen=%s", s->model->name, s->workers,
                 s->listen_name);
        return;
    }
    m->announced = true;
    service_ready(&m->service, s);
    s->listen_owner = LISTEN_OWN; /* whose socket it was leaves it to this one */
}

/* Once all of a new generation can serve it begins, and only then the one before finishes. */
static void finish_start(struct master *m)
{
    struct generation *g = starting(m);

    if (g == NULL)
        return;
    if (g->before != NULL && g->failures >= START_FAILURES) {
        give_up_start(m, "its worker processes do not start");
    } else if (g->before != NULL && io_now_ms() >= g->end_ms) {
        give_up_start(m, "the new workers were not ready within --start-timeout");
    } else if (generation_is_ready(g)) {
        struct generation *old = serving(m);

        if (!upgrade_commit(&m->inherited)) {
            m->failed = -ECHILD;
            return;
        }
        generation_begin(g);
        if (old != NULL)
            generation_retire(old, g, old->server.listen_fd != g->server.listen_fd);
        announce(m, g);
    }
}

static void begin_reload(struct master *m)
{
    struct generation *running = serving(m);
    struct generation *g;
    struct settings settings;
    enum config_action action;
    char error[ERROR_SIZE];
    int result;

    if (!m->want_reload || running == NULL || m->newest != running || m->upgrade.pid != 0)
        return;
    if (retiring(m) >= RETIRING_MOST) {
        for (struct generation *old = m->newest; old != NULL; old = old->before)
            if (old->phase == RETIRING)
                generation_hasten(old);
        return;
    }
    m->want_reload = false;
    service_reloading();
    result = settings_load(&settings, m->command, &action, error, sizeof error);
    if (result == 0) {
        g = generation_new(&settings, running, NULL, m->wake_fd, &m->workers.slots, error,
                           sizeof error, &result);
        if (g != NULL) {
            m->newest = g;
            if (g->plan.share_descriptors)
                strays_init(&m->strays);
            return;
        }
    }
    service_reloaded();
    log_line(LOG_ERROR, "reload: %s; the server goes on as it was", error);
}

/* ---- upgrade ----------------------------------------------------------------------------- */

static void begin_upgrade(struct master *m)
{
    const struct generation *running = serving(m);
    int result;

    if (!m->want_upgrade || running == NULL || m->newest != running)
        return;
    m->want_upgrade = false;
    if (getpid() == 1) {
        log_line(LOG_ERROR,
                 "upgrade: refused: this server is process 1 of its container, which ends "
                 "with it; start another container, or send SIGHUP for new settings");
        return;
    }
    if (m->upgrade.pid != 0) {
        log_line(LOG_WARN, "upgrade: one is under way already");
        return;
    }
    result = upgrade_start(&m->upgrade, m->command, &running->server, &m->workers.mask,
                           running->settings.config.start_timeout_ms);
    if (result < 0)
        log_line(LOG_ERROR, "upgrade: cannot start a process: %s; the server goes on as it was",
                 strerror(-result));
    else
        log_line(LOG_INFO, "upgrade: starting %s as process %d", m->command->argv[0],
                 (int)m->upgrade.pid);
}

/* The new program serves: all that is left to do here is to finish what has begun. */
static void hand_over(struct master *m, pid_t heir, bool adopted)
{
    struct generation *running = serving(m);

    log_line(LOG_INFO, "upgrade: process %d serves; this one finishes what it has begun",
             (int)heir);
    m->succeeded = true;
    service_hand_over(&m->service, heir);
    if (m->want_reload)
        kill(heir, SIGHUP); /* it may have read the configuration before it changed */
    m->want_reload = false;
    if (adopted)
        running->server.listen_owner = LISTEN_ANOTHERS;
    generation_retire(running, NULL, !adopted);
}

static void look_at_upgrade(struct master *m)
{
    pid_t heir = m->upgrade.pid;
    bool adopted;
    char why[80];

    switch (upgrade_look(&m->upgrade, &adopted, why, sizeof why)) {
    case UPGRADE_READY:
        hand_over(m, heir, adopted);
        break;
    case UPGRADE_FAILED:
        log_line(LOG_ERROR, "upgrade: the new server %s; this one goes on", why);
        break;
    default:
        break;
    }
}

/* ---- stopping ------------------------------------------------------------------------------ */

static void begin_stop(struct master *m)
{
    struct generation *running = serving(m);
    struct generation *newest = m->newest;
    struct server_shared *shared = newest->server.shared;
    struct retirement times = generation_times(running != NULL ? running : newest);

    m->stopping = true;
    if (m->inherited.ready_fd < 0) /* else the predecessor speaks for the service */
        service_stopping(&m->service);
    m->want_reload = m->want_upgrade = false;
    upgrade_cancel(&m->upgrade);
    if (starting(m) != NULL) { /* it has accepted nothing */
        generation_kill(newest);
        if (newest->before == NULL) {
            m->stop = true;
            return;
        }
        remove_generation(m, newest);
    }
    m->end_ms = times.kill_ms;
    atomic_store(&shared->drain_deadline_ms, times.cut_ms);
    atomic_store(&shared->draining, true);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->phase == SERVING)
            generation_retire(g, NULL, true);
        else
            generation_hasten(g);
}

static void read_signals(struct master *m)
{
    struct signalfd_siginfo info;

    while (read(m->signal_fd, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            if (m->stopping)
                m->stop = true;
            else
                begin_stop(m);
            break;
        case SIGUSR1:
            atomic_fetch_add(&m->newest->server.shared->log_generation, 1);
            for (struct generation *g = m->newest; g != NULL; g = g->before)
                generation_reopen_log(g);
            break;
        case SIGHUP:
        case SIGUSR2:
            if (m->stopping || m->succeeded)
                log_line(LOG_WARN, "%s ignored: this server is finishing",
                         info.ssi_signo == SIGHUP ? "SIGHUP" : "SIGUSR2");
            else if (info.ssi_signo == SIGHUP)
                m->want_reload = true;
            else
                m->want_upgrade = true;
            break;
        default:
            break; /* SIGCHLD: reap() is called in any case */
        }
    }
}

/* ---- the loop ------------------------------------------------------------------------------ */

static bool has_hurry(const struct master *m)
{
    return m->stopping || m->succeeded || retiring(m) > 0;
}

/* The master's own, or what a record names. */
static bool is_owned(const void *arg, int fd)
{
    const struct master *m = arg;

    for (const struct generation *g = m->newest; g != NULL; g = g->before)
        if (master_next_kept(m, g, fd) == fd ||
            (g->plan.owns != NULL && g->plan.owns(g->plan.arg, fd)))
            return true;
    return false;
}

static void tick(struct master *m)
{
    int64_t now = io_now_ms();

    if (m->newest == NULL || now < m->next_tick_ms)
        return;
    m->next_tick_ms = now + (has_hurry(m) ? DRAIN_TICK_MS : TICK_MS);
    if (!m->stopping && serving(m) != NULL)
        server_seek_places(&serving(m)->server);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->plan.tick != NULL && !g->superseded)
            g->plan.tick(&g->server, g->plan.arg);
    shared_recount(m->newest->server.shared, generation_connections, m->newest);
    strays_close(&m->strays, m->newest->server.shared, is_owned, m);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->phase == RETIRING || m->stopping)
            generation_drain(g);
        else
            generation_nudge(g);
}

/* Nothing is left of any generation, nor of a new server that was told to stop. */
static bool is_over(const struct master *m)
{
    const struct generation *last = m->newest;

    return last == NULL || (last->before == NULL && generation_alive(last) == 0 &&
                            (!m->stopping || upgrade_is_gone(&m->upgrade)));
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

/* The first generation starts whole or not at all. */
static void note_failure(struct master *m)
{
    if (m->newest != NULL && generation_is_first(m->newest) && m->newest->failure != 0)
        m->failed = m->newest->failure;
}

/* One look at everything. Returns false when the server has ended. */
static bool turn(struct master *m)
{
    uint64_t count;

    read_signals(m);
    if (read(m->wake_fd, &count, sizeof count) < 0)
        count = 0; /* nobody has anything to say */
    reap(m);
    note_failure(m);
    if (m->failed != 0 || m->stop)
        return false;
    if (!m->stopping && !m->succeeded) {
        begin_reload(m);
        begin_upgrade(m);
        look_at_upgrade(m);
        finish_start(m);
    }
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        generation_leave_listener(g);
    service_tick(&m->service);
    for (struct generation *g = m->newest, *before; g != NULL; g = before) {
        before = g->before;
        workers_look(&m->workers, g);
        if (g->phase != RETIRING)
            workers_start(&m->workers, g);
        else if (generation_next(g, NULL) == NULL && m->newest != g)
            remove_generation(m, g);
    }
    note_failure(m);
    tick(m); /* last: after many deaths it has much to do, and replacing them comes first */
    if (m->failed != 0 || !(m->stopping || m->succeeded))
        return m->failed == 0;
    if (is_over(m))
        return false;
    return !m->stopping || io_now_ms() < m->end_ms;
}

static int next_wait(const struct master *m)
{
    int64_t now = io_now_ms();
    int64_t wait = has_hurry(m) || starting(m) != NULL ? DRAIN_TICK_MS : TICK_MS;

    if (wait > m->next_tick_ms - now)
        wait = m->next_tick_ms > now ? m->next_tick_ms - now : 0;
    for (const struct generation *g = m->newest; g != NULL; g = g->before)
        for (const struct process *p = NULL; (p = generation_next(g, p)) != NULL;) {
            if (p->retiring && wait > DRAIN_TICK_MS)
                wait = DRAIN_TICK_MS;
            if (p->pid == 0 && p->due_ms - now < wait)
                wait = p->due_ms > now ? p->due_ms - now : 0;
        }
    return has_hurry(m) && wait == 0 ? 1 : (int)wait;
}

/* Each of thousands that start would have the master look at all of them: it looks when it next
 * does. */
static bool may_wake(const struct master *m)
{
    return starting(m) == NULL || starting(m)->plan.processes <= WAKING_MOST;
}

static void loop(struct master *m)
{
    while (turn(m)) {
        struct pollfd fds[3] = {{.fd = m->signal_fd, .events = POLLIN},
                                {.fd = may_wake(m) ? m->wake_fd : -1, .events = POLLIN},
                                {.fd = m->upgrade.ready_fd, .events = POLLIN}};

        poll(fds, 3, next_wait(m));
    }
    upgrade_end(&m->upgrade);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        generation_kill(g);
    while (m->newest != NULL) {
        struct generation *oldest = m->newest;

        while (oldest->before != NULL)
            oldest = oldest->before;
        remove_generation(m, oldest);
    }
}

/* Runs the first generation and what follows it. */
static int run(struct master *m, struct settings *settings)
{
    const struct server_inherited inherited = {.listen_fd = m->inherited.listen_fd,
                                               .listen_shared = m->inherited.listen_shared,
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
    if (m->newest->plan.share_descriptors)
        strays_init(&m->strays);
    loop(m);
    service_end(&m->service);
    if (m->failed < 0 && m->failed != -ECHILD)
        log_line(LOG_ERROR, "cannot start --model=%s: %s", model, shortage_of_tasks(-m->failed));
    return m->failed;
}

int master_run(const struct command *command, struct settings *settings)
{
    struct master *m = calloc(1, sizeof *m);
    int result;

    if (m == NULL) {
        log_line(LOG_ERROR, "out of memory");
        return -ENOMEM;
    }
    log_own(STDOUT_FILENO);
    log_own(STDERR_FILENO);
    m->command = command;
    m->workers.master = m;
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
