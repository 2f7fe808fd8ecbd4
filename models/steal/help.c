/* SPDX-License-Identifier: MIT
 *
 * Serving what is ready, one's own and others': the stealing itself.
 *
 * A thread that helps takes what the other has fetched and not come to, and if there is none what
 * is readable in the other's epoll set; a few at a time, as its own have their turn in between.
 * What it serves stays with it (lot.c).
 */
#include "models/steal/team.h"

enum { HELP_MOST = 16 }; /* connections taken from another at a time */

static void serve(struct thief *t, uint32_t entry)
{
    struct steal_conn *r = steal_claim(t->team, entry);

    steal_moves(t);
    if (r != NULL)
        loop_serve(&t->loop, &r->c);
}

void steal_serve_ready(struct thief *t)
{
    uint32_t entry;

    while (ready_take(&t->ready, &entry))
        serve(t, entry);
}

/* Returns whether there was something. */
static bool help(struct thief *t, struct thief *other)
{
    unsigned count = 0;
    uint32_t entry;

    while (count < HELP_MOST && ready_take(&other->ready, &entry)) {
        serve(t, entry);
        count++;
    }
    if (count == 0)
        steal_fetch(t, other, HELP_MOST);
    if (ready_is_empty(&t->ready))
        return count > 0;
    steal_serve_ready(t);
    return true;
}

void steal_help(struct thief *t)
{
    struct team *team = t->team;
    unsigned own = atomic_load_explicit(&t->behind, memory_order_relaxed);
    bool helped = false;

    if (atomic_load_explicit(&team->most_behind, memory_order_relaxed) <= own)
        return;
    for (unsigned i = 0; i < team->server->workers; i++) {
        struct thief *other = &team->thieves[i];

        if (other != t && atomic_load_explicit(&other->behind, memory_order_relaxed) > own)
            helped |= help(t, other);
    }
    if (helped)
        coro_notifier_send(t->bell); /* once more, after one's own */
}
