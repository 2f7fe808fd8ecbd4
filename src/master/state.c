/* SPDX-License-Identifier: MIT
 *
 * The table, and where each action leads.
 */
#include "master/state.h"

/*
 * A column for each state, a row for each event. What the signals of one look ask for is done after
 * all were read, so that a stop overrides the rest; and a reload or an upgrade waits for the one
 * before, hence the rows of what is wanted. After the end nothing happens any more.
 */
/* clang-format off */
static const enum action actions[EVENTS][STATES] = {
    /*                        STARTING  SERVING  RELOADING      UPGRADING      REPLACED  LAME     STOPPING */
    [EVENT_STOP]           = {ABANDON,  STOP,    STOP,          STOP,          STOP,     STOP,    END},
    [EVENT_LEAVE]          = {NEVER,    LEAVE,   LEAVE,         LEAVE,         NEVER,    STOP,    NEVER},
    [EVENT_RELOAD]         = {WANT,     WANT,    WANT,          WANT,          REFUSE,   REFUSE,  REFUSE},
    [EVENT_UPGRADE]        = {WANT,     WANT,    WANT,          WANT,          REFUSE,   REFUSE,  REFUSE},
    [EVENT_REOPEN]         = {REOPEN,   REOPEN,  REOPEN,        REOPEN,        REOPEN,   REOPEN,  REOPEN},
    [EVENT_RELOAD_WANTED]  = {NOTHING,  RELOAD,  NOTHING,       NOTHING,       NEVER,    NEVER,   NEVER},
    [EVENT_UPGRADE_WANTED] = {NOTHING,  UPGRADE, NOTHING,       REFUSE_SECOND, NEVER,    NEVER,   NEVER},
    [EVENT_READY]          = {SERVE,    NEVER,   FINISH_RELOAD, NEVER,         NEVER,    NEVER,   NEVER},
    [EVENT_START_FAILED]   = {FAIL,     NEVER,   DROP_RELOAD,   NEVER,         NEVER,    NEVER,   NEVER},
    [EVENT_START_LATE]     = {NEVER,    NEVER,   DROP_RELOAD,   NEVER,         NEVER,    NEVER,   NEVER},
    [EVENT_UPGRADED]       = {NEVER,    NEVER,   NEVER,         HAND_OVER,     NEVER,    NEVER,   NEVER},
    [EVENT_UPGRADE_FAILED] = {NEVER,    NEVER,   NEVER,         DROP_UPGRADE,  NEVER,    NEVER,   NEVER},
    [EVENT_EMPTY]          = {NOTHING,  NOTHING, NEVER,         NOTHING,       END,      NOTHING, END},
    [EVENT_LAME_OVER]      = {NEVER,    NEVER,   NEVER,         NEVER,         NEVER,    STOP,    NEVER},
    [EVENT_STOP_LATE]      = {NEVER,    NEVER,   NEVER,         NEVER,         NEVER,    NEVER,   END},
};
/* clang-format on */

enum action state_action(enum state state, enum event event)
{
    return actions[event][state];
}

enum state state_after(enum state state, enum action action)
{
    switch (action) {
    case SERVE:
    case FINISH_RELOAD:
    case DROP_RELOAD:
    case DROP_UPGRADE:
        return STATE_SERVING;
    case RELOAD:
        return STATE_RELOADING;
    case UPGRADE:
        return STATE_UPGRADING;
    case HAND_OVER:
        return STATE_REPLACED;
    case LEAVE:
        return STATE_LAME;
    case STOP:
        return STATE_STOPPING;
    case ABANDON:
    case END:
        return STATE_ENDED;
    case FAIL:
        return STATE_FAILED;
    default:
        return state;
    }
}

const char *state_name(enum state state)
{
    static const char *const names[STATES] = {
        [STATE_STARTING] = "starting",   [STATE_SERVING] = "serving",
        [STATE_RELOADING] = "reloading", [STATE_UPGRADING] = "upgrading",
        [STATE_REPLACED] = "replaced",   [STATE_LAME] = "a lame duck",
        [STATE_STOPPING] = "stopping",   [STATE_ENDED] = "ended",
        [STATE_FAILED] = "failed",
    };

    return names[state];
}

const char *event_name(enum event event)
{
    static const char *const names[EVENTS] = {
        [EVENT_STOP] = "SIGTERM",
        [EVENT_LEAVE] = "SIGTERM with --lame-duck",
        [EVENT_RELOAD] = "SIGHUP",
        [EVENT_UPGRADE] = "SIGUSR2",
        [EVENT_REOPEN] = "SIGUSR1",
        [EVENT_RELOAD_WANTED] = "reload wanted",
        [EVENT_UPGRADE_WANTED] = "upgrade wanted",
        [EVENT_READY] = "ready",
        [EVENT_START_FAILED] = "start failed",
        [EVENT_START_LATE] = "start late",
        [EVENT_UPGRADED] = "upgraded",
        [EVENT_UPGRADE_FAILED] = "upgrade failed",
        [EVENT_EMPTY] = "empty",
        [EVENT_LAME_OVER] = "lame duck over",
        [EVENT_STOP_LATE] = "stop late",
    };

    return names[event];
}
