/* SPDX-License-Identifier: MIT
 *
 * What the master as a whole is doing, what may happen to it, and what it does about that: one
 * table of states and events. Nothing here asks or changes anything. master.c notices the events;
 * actions.c carries the actions out and sets the state.
 *
 *     STARTING ───► SERVING ◄───► RELOADING
 *        │           ▲
 *        │           └──────────► UPGRADING ───► REPLACED ──nothing left──► ENDED
 *        ├──told to stop──► ENDED
 *        └──cannot start──► FAILED
 *
 *     all others ──told to stop──► STOPPING ──nothing left, too late, or told again──► ENDED
 *
 * With --lame-duck those that accept are LAME before STOPPING, until that time is over or they are
 * told again.
 */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include <stdbool.h>

enum state {
    STATE_STARTING,  /* the first generation starts: nobody is served, a failure is the server's */
    STATE_SERVING,   /* the newest generation serves; older ones may be retiring */
    STATE_RELOADING, /* the one before the newest does, which is starting */
    STATE_UPGRADING, /* the newest does, while another program is starting */
    STATE_REPLACED,  /* that program serves: all generations are retiring */
    STATE_LAME,      /* the newest generation serves, and the server says that it is not ready */
    STATE_STOPPING,  /* the server was told to stop: they are, and have until a set time */
    STATE_ENDED,     /* what is left is killed */
    STATE_FAILED,    /* the same, of a server that could not start */
    STATES
};

enum event {
    EVENT_STOP,           /* SIGTERM, SIGINT */
    EVENT_LEAVE,          /* the same, while a generation with --lame-duck serves */
    EVENT_RELOAD,         /* SIGHUP */
    EVENT_UPGRADE,        /* SIGUSR2 */
    EVENT_REOPEN,         /* SIGUSR1 */
    EVENT_RELOAD_WANTED,  /* at each look: SIGHUP has come and was not acted on yet */
    EVENT_UPGRADE_WANTED, /* at each look: and so SIGUSR2 */
    EVENT_READY,          /* each process of the generation that starts can serve */
    EVENT_START_FAILED,   /* its processes end, or cannot be made */
    EVENT_START_LATE,     /* it was not ready within --start-timeout */
    EVENT_UPGRADED,       /* the other program serves */
    EVENT_UPGRADE_FAILED, /* it has ended, or was not ready in time */
    EVENT_EMPTY,          /* at each look: there is one generation, and it has no process */
    EVENT_LAME_OVER,      /* --lame-duck is over */
    EVENT_STOP_LATE,      /* --shutdown-timeout is over */
    EVENTS
};

enum action {
    NEVER, /* the event cannot come in that state */
    NOTHING,
    WANT,          /* keep it in mind */
    REFUSE,        /* say that this server is finishing */
    REOPEN,        /* open the access log anew */
    SERVE,         /* let the first generation begin, and say that the server is ready */
    FAIL,          /* the server cannot start */
    ABANDON,       /* end before anybody was served */
    RELOAD,        /* make a generation with the settings as they are now */
    FINISH_RELOAD, /* let it begin, and tell the one before to finish */
    DROP_RELOAD,   /* give it up: the one before goes on */
    UPGRADE,       /* start another program */
    REFUSE_SECOND, /* say that one is starting already */
    DROP_UPGRADE,  /* it has failed: this one goes on */
    HAND_OVER,     /* leave all that comes to it, and finish */
    LEAVE,         /* say that the server is not ready, and serve on */
    STOP,          /* tell all to finish */
    END,
};

/* What is to be done when that happens in that state. */
enum action state_action(enum state state, enum event event);

/* The state once that was done in `state`. RELOAD and UPGRADE may fail, and change nothing then. */
enum state state_after(enum state state, enum action action);

/* Nothing happens after it. */
static inline bool state_is_last(enum state state)
{
    return state == STATE_ENDED || state == STATE_FAILED;
}

/* In words, for a line about what cannot be: "serving", "SIGHUP". */
const char *state_name(enum state state);
const char *event_name(enum event event);

#endif
