/* SPDX-License-Identifier: MIT
 *
 * The list of them, and what becomes of a socket that several attend when one of them goes.
 */
#include "master/generations.h"

#include <stddef.h>

#include "expect.h"
#include "master/process.h"
#include "models/model.h"

struct generation *generations_serving(struct generation *newest)
{
    for (struct generation *g = newest; g != NULL; g = g->before)
        if (g->phase == SERVING)
            return g;
    return NULL;
}

struct generation *generations_starting(struct generation *newest)
{
    return newest != NULL && newest->phase == STARTING ? newest : NULL;
}

unsigned generations_retiring(const struct generation *newest)
{
    unsigned count = 0;

    for (const struct generation *g = newest; g != NULL; g = g->before)
        count += g->phase == RETIRING;
    return count;
}

bool generations_are_empty(const struct generation *newest)
{
    for (const struct process *p = NULL; (p = places_next(&newest->places, p)) != NULL;)
        if (p->pid != 0)
            return false;
    return newest->before == NULL;
}

void generations_remove(struct generation **newest, struct generation *g, struct slots *slots)
{
    struct server_shared *shared = g->server.shared;
    struct generation **link = newest;
    bool last_on_socket = true;

    expect(places_alive(&g->places) == 0,
           "a generation of %s, %s, is removed while it has %u processes", g->settings.model->name,
           generation_phase_name(g->phase), places_alive(&g->places));
    while (*link != g)
        link = &(*link)->before;
    *link = g->before;
    for (struct generation *other = *newest; other != NULL; other = other->before) {
        if (other->server.listen_fd != g->server.listen_fd)
            continue;
        last_on_socket = false;
        if (g->server.listen_owner != LISTEN_OWN) /* who closes it must know */
            other->server.listen_owner = g->server.listen_owner;
    }
    generation_free(g, last_on_socket, slots);
    if (*newest == NULL)
        shared_free(shared);
}

void generations_end(struct generation **newest, struct slots *slots)
{
    for (struct generation *g = *newest; g != NULL; g = g->before)
        generation_kill(g);
    while (*newest != NULL) {
        struct generation *oldest = *newest;

        while (oldest->before != NULL)
            oldest = oldest->before;
        generations_remove(newest, oldest, slots);
    }
}
