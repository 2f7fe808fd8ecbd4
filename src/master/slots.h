/* SPDX-License-Identifier: MIT
 *
 * Which slots for workers (struct worker_stats) are in use, by all generations.
 */
#ifndef MASTER_SLOTS_H
#define MASTER_SLOTS_H

#include <stdbool.h>

#include "shared.h"

/* Zeroed: none. */
struct slots {
    unsigned from; /* all below are used */
    bool used[SHARED_SLOTS];
};

/* Takes the lowest `count` in a row that are free: the first of them; -ENOSPC. */
int slots_take(struct slots *slots, unsigned count) __attribute__((warn_unused_result));

/* Gives them back. */
void slots_give(struct slots *slots, unsigned first, unsigned count);

#endif
