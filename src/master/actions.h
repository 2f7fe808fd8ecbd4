/* SPDX-License-Identifier: MIT
 *
 * The master's memory, and what it does when something has happened: the actions of state.h,
 * carried out. Who has noticed it, at which of the master's looks, is master.c's business.
 */
#ifndef MASTER_ACTIONS_H
#define MASTER_ACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "master/generations.h"
#include "master/service.h"
#include "master/state.h"
#include "master/strays.h"
#include "master/upgrade.h"
#include "master/workers.h"

struct master {
    enum state state; /* changed by actions_take() alone */
    const struct command *command;
    struct generation *newest; /* see generations.h */
    struct workers workers;
    struct service service;
    struct upgrade upgrade;
    struct inherited inherited;
    struct strays strays;
    bool want_reload;  /* SIGHUP, not acted on yet */
    bool want_upgrade; /* SIGUSR2 */
    int failure;       /* STATE_FAILED: negative errno; -ECHILD: it was said what went wrong */
    int64_t leave_ms;  /* STATE_LAME: when it ends; INT64_MAX before and after */
    int64_t end_ms;    /* STATE_STOPPING: when what is left is killed; INT64_MAX before */
    int64_t next_tick_ms;
    int signal_fd, wake_fd;
};

/* The event has happened: does what the table says, and is in the state to which that leads. */
void actions_take(struct master *m, enum event event);

#endif
