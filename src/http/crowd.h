/* SPDX-License-Identifier: MIT
 *
 * Who makes room when --max-connections are open and others wait to be accepted: of the parked
 * connections that one look passes, those idle ones whose time would be over first.
 */
#ifndef HTTP_CROWD_H
#define HTTP_CROWD_H

#include <stdatomic.h>
#include <stdint.h>

#include "http/conn.h"
#include "server.h"

enum { CROWD_MOST = 32 }; /* closed in one look, however many wait */

struct crowd {
    unsigned most, count;
    struct {
        int64_t deadline_ms;
        int fd;
    } idle[CROWD_MOST]; /* `count` of them, the first to go first */
};

static inline void crowd_begin(struct crowd *crowd, const struct server *server)
{
    int32_t wanted = atomic_load_explicit(&server->shared->places_of_idle, memory_order_relaxed);

    crowd->count = 0;
    crowd->most = wanted < 0 ? 0 : wanted < CROWD_MOST ? (unsigned)wanted : CROWD_MOST;
}

/* The look passes conn, which is parked and open as fd. It may be served meanwhile: who makes room
 * is looked at again by connection_make_room(). */
static inline void crowd_offer(struct crowd *crowd, const struct conn *conn, int fd)
{
    int64_t deadline_ms = atomic_load_explicit(&conn->deadline_ms, memory_order_relaxed);
    unsigned i = crowd->count;

    if (crowd->most == 0 || conn->phase != CONN_IDLE)
        return;
    if (i == crowd->most && deadline_ms >= crowd->idle[--i].deadline_ms)
        return;
    for (; i > 0 && crowd->idle[i - 1].deadline_ms > deadline_ms; i--)
        crowd->idle[i] = crowd->idle[i - 1];
    crowd->idle[i].deadline_ms = deadline_ms;
    crowd->idle[i].fd = fd;
    if (crowd->count < crowd->most)
        crowd->count++;
}

#endif
