/* SPDX-License-Identifier: MIT
 *
 * One function for each action, in the order of a server's life, and the one that sets the state.
 */
#include "master/actions.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "expect.h"
#include "io.h"
#include "log.h"
#include "master/settings.h"
#include "models/model.h"

enum {
    ERROR_SIZE = 512,
    /* So many generations may retire beside one another; a reload then waits for one to go. */
    RETIRING_MOST = 4,
};

/* Each of these, and the one that serves, may have two worker processes to a place, one that starts
 * beside them has one; and each of threads' has a slot more than it has workers. */
static_assert(SHARED_SLOTS >= (2 * (RETIRING_MOST + 1) + 1) * (CONFIG_MAX_WORKERS + 1),
              "a reload never lacks slots");

static void serve(struct master *m)
{
    generation_begin(m->newest);
    service_ready(&m->service, &m->newest->server);
    m->newest->server.listen_owner = LISTEN_OWN; /* whose socket it was leaves it to this one */
}

static void fail(struct master *m)
{
    m->failure = m->newest->failure != 0 ? m->newest->failure : -ECHILD;
}

static void abandon(const struct master *m)
{
    if (m->inherited.ready_fd < 0) /* else the predecessor speaks for the service */
        service_stopping(&m->service, 0);
}

static void reopen_log(struct master *m)
{
    atomic_fetch_add(&m->newest->server.shared->log_generation, 1);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        generation_reopen_log(g);
}

/* ---- reload ------------------------------------------------------------------------------ */

/* Room for one more has to come first. */
static void hasten_retiring(struct master *m)
{
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->phase == RETIRING)
            generation_hasten(g);
}

static bool begin_reload(struct master *m)
{
    struct generation *g = NULL;
    struct settings settings;
    enum config_action action;
    char error[ERROR_SIZE];
    int result;

    if (generations_retiring(m->newest) >= RETIRING_MOST) {
        hasten_retiring(m);
        return false;
    }
    m->want_reload = false;
    service_reloading();
    result = settings_load(&settings, m->command, &action, error, sizeof error);
    if (result == 0)
        g = generation_new(&settings, m->newest, NULL, m->wake_fd, &m->workers.slots, error,
                           sizeof error, &result);
    if (g == NULL) {
        service_reloaded();
        log_line(LOG_ERROR, "reload: %s; the server goes on as it was", error);
        return false;
    }
    m->newest = g;
    if (g->plan.shared != NULL)
        strays_init(&m->strays);
    return true;
}

/* Only once the new one serves does the old one finish: somebody always attends the socket. */
static void finish_reload(struct master *m)
{
    struct generation *g = m->newest, *old = g->before;
    const struct server *s = &g->server;

    generation_begin(g);
    generation_retire(old, g, old->server.listen_fd != s->listen_fd);
    service_reloaded();
    log_line(LOG_INFO, "reloaded: model=%s workers=%u listen=%s", s->model->name, s->workers,
             s->listen_name);
}

/* What starts has accepted nothing. */
static void drop_starting(struct master *m)
{
    generation_kill(m->newest);
    generations_remove(&m->newest, m->newest, &m->workers.slots);
}

static void drop_reload(struct master *m, enum event event)
{
    service_reloaded();
    log_line(LOG_ERROR, "reload: %s; the server goes on as it was",
             event == EVENT_START_LATE ? "the new workers were not ready within --start-timeout"
                                       : "its worker processes do not start");
    drop_starting(m);
}

/* ---- upgrade ----------------------------------------------------------------------------- */

static bool begin_upgrade(struct master *m)
{
    const struct generation *running = m->newest;
    int result;

    m->want_upgrade = false;
    if (getpid() == 1) {
        log_line(LOG_ERROR,
                 "upgrade: refused: this server is process 1 of its container, which ends "
                 "with it; start another container, or send SIGHUP for new settings");
        return false;
    }
    result = upgrade_start(&m->upgrade, m->command, &running->server, &m->workers.mask,
                           running->settings.config.start_timeout_ms);
    if (result < 0)
        log_line(LOG_ERROR, "upgrade: cannot start a process: %s; the server goes on as it was",
                 strerror(-result));
    else
        log_line(LOG_INFO, "upgrade: starting %s as process %d", m->command->argv[0],
                 (int)m->upgrade.pid);
    return result == 0;
}

static void refuse_second(struct master *m)
{
    m->want_upgrade = false;
    log_line(LOG_WARN, "upgrade: one is under way already");
}

/* All that is left to do here is to finish what has begun. */
static void hand_over(struct master *m)
{
    struct generation *running = m->newest;
    pid_t successor = m->upgrade.successor;

    log_line(LOG_INFO, "upgrade: process %d serves; this one finishes what it has begun",
             (int)successor);
    service_hand_over(&m->service, successor);
    if (m->want_reload)
        kill(successor, SIGHUP); /* it may have read the configuration before it changed */
    m->want_reload = m->want_upgrade = false;
    if (m->upgrade.adopted)
        running->server.listen_owner = LISTEN_ANOTHERS;
    generation_retire(running, NULL, !m->upgrade.adopted);
}

/* ---- stopping ---------------------------------------------------------------------------- */

/* What has begun and serves nobody yet is given up. */
static void give_up_beginnings(struct master *m)
{
    m->want_reload = m->want_upgrade = false;
    upgrade_cancel(&m->upgrade);
    if (generations_starting(m->newest) != NULL)
        drop_starting(m);
}

/* From now on /readyz and each answer say so, and who listens to them goes elsewhere. */
static void leave(struct master *m)
{
    const struct config *config;

    give_up_beginnings(m);
    config = &m->newest->settings.config;
    service_stopping(&m->service, config->lame_duck_ms + config->shutdown_timeout_ms);
    m->leave_ms = io_now_ms() + config->lame_duck_ms;
    atomic_store(&m->newest->server.shared->leaving, true);
    log_line(LOG_INFO, "lame duck: not ready any more, serving for another %g s",
             (double)config->lame_duck_ms / 1000);
}

static void stop(struct master *m)
{
    struct server_shared *shared = m->newest->server.shared;
    struct retirement times;

    give_up_beginnings(m);
    if (m->state != STATE_LAME) /* else it was told */
        service_stopping(&m->service, m->newest->settings.config.shutdown_timeout_ms);
    times = generation_times(m->newest);
    m->leave_ms = INT64_MAX;
    m->end_ms = times.kill_ms;
    atomic_store(&shared->drain_deadline_ms, times.cut_ms);
    atomic_store(&shared->leaving, true);
    atomic_store(&shared->draining, true);
    for (struct generation *g = m->newest; g != NULL; g = g->before)
        if (g->phase == SERVING)
            generation_retire(g, NULL, true);
        else
            generation_hasten(g);
}

/* ---- what happens, and the state --------------------------------------------------------- */

/* False: it could not be done, and nothing has changed. */
static bool carry_out(struct master *m, enum action action, enum event event)
{
    switch (action) {
    case WANT:
        *(event == EVENT_RELOAD ? &m->want_reload : &m->want_upgrade) = true;
        break;
    case REFUSE:
        log_line(LOG_WARN, "%s ignored: this server is finishing", event_name(event));
        break;
    case REFUSE_SECOND:
        refuse_second(m);
        break;
    case REOPEN:
        reopen_log(m);
        break;
    case SERVE:
        serve(m);
        break;
    case FAIL:
        fail(m);
        break;
    case ABANDON:
        abandon(m);
        break;
    case RELOAD:
        return begin_reload(m);
    case FINISH_RELOAD:
        finish_reload(m);
        break;
    case DROP_RELOAD:
        drop_reload(m, event);
        break;
    case UPGRADE:
        return begin_upgrade(m);
    case DROP_UPGRADE:
        server_restore_mode(&m->newest->server);
        log_line(LOG_ERROR, "upgrade: the new server %s; this one goes on", m->upgrade.why);
        break;
    case HAND_OVER:
        hand_over(m);
        break;
    case LEAVE:
        leave(m);
        break;
    case STOP:
        stop(m);
        break;
    case END:
    case NOTHING:
    case NEVER:
        break;
    }
    return true;
}

/* What has to be so of the generations in that state. */
static bool is_true(enum state state, struct generation *newest)
{
    switch (state) {
    case STATE_STARTING:
        return generation_is_first(newest);
    case STATE_RELOADING:
        return newest->phase == STARTING && newest->before->phase == SERVING;
    case STATE_SERVING:
    case STATE_UPGRADING:
    case STATE_LAME:
        return newest->phase == SERVING;
    case STATE_REPLACED:
    case STATE_STOPPING:
        return newest->phase == RETIRING && generations_serving(newest) == NULL;
    default:
        return true;
    }
}

/* The one function that sets it. */
static void enter(struct master *m, enum state next, enum event event)
{
    expect(is_true(next, m->newest),
           "after %s the server is %s and not %s: its newest generation is %s", event_name(event),
           state_name(m->state), state_name(next), generation_phase_name(m->newest->phase));
    m->state = next;
}

void actions_take(struct master *m, enum event event)
{
    enum action action = state_action(m->state, event);

    expect(action != NEVER, "%s came while the server is %s, its newest generation %s",
           event_name(event), state_name(m->state), generation_phase_name(m->newest->phase));
    if (carry_out(m, action, event))
        enter(m, state_after(m->state, action), event);
}
