/* SPDX-License-Identifier: MIT
 *
 * The generations that have processes, from the newest through ->before to the oldest: at most one
 * is STARTING, the newest; at most one SERVES; those before it are RETIRING.
 */
#ifndef MASTER_GENERATIONS_H
#define MASTER_GENERATIONS_H

#include <stdbool.h>

#include "master/generation.h"

/* The one that serves; NULL while the first starts and once all retire. */
struct generation *generations_serving(struct generation *newest);

/* The one that starts, or NULL. */
struct generation *generations_starting(struct generation *newest);

/* How many retire. */
unsigned generations_retiring(const struct generation *newest);

/* There is one, and it has no process. */
bool generations_are_empty(const struct generation *newest);

/* Takes one that has no process any more out of the list and frees it; with the last go the shared
 * counters. */
void generations_remove(struct generation **newest, struct generation *g, struct slots *slots);

/* Kills, reaps and frees them all. */
void generations_end(struct generation **newest, struct slots *slots);

#endif
