/* SPDX-License-Identifier: MIT
 *
 * The parking lot of one loop: a record for each connection, found by its descriptor. One that is
 * parked waits for its watch or its deadline; those that end wait unwatched for a while.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "descriptors.h"
#include "expect.h"
#include "http/connection.h"
#include "http/crowd.h"
#include "models/loop/loop.h"
#include "server.h"

enum { UNWATCHED_KEPT = 256 }; /* before the first of them is looked after: see leave_unwatched() */

int loop_open_lot(struct loop_process *p)
{
    p->unwatched_end = &p->unwatched;
    p->rush.least = RUSH_LEAST;
    p->spill_size = connection_spill_size(p->server->config); /* whole pages */
    p->spill =
        descriptors_map(p->server, 0, p->spill_size + sizeof *p->conns, MAP_PRIVATE, &p->mapped);
    if (p->spill == NULL)
        return -ENOMEM;
    p->conns = (struct loop_conn *)(p->spill + p->server->descriptors * p->spill_size);
    return 0;
}

void loop_close_lot(struct loop_process *p)
{
    if (p->spill != NULL)
        munmap(p->spill, p->mapped);
}

struct loop_conn *loop_open_conn(struct loop_process *p, int fd, const struct in6_addr *client)
{
    struct loop_conn *c = &p->conns[fd];

    expect(!c->open, "loop %u was given descriptor %d, which it has", p->worker, fd);
    *c = (struct loop_conn){.open = true};
    connection_init(&c->conn, fd, client, p->spill + (size_t)fd * p->spill_size, p->server->config);
    if ((unsigned)fd >= p->high)
        p->high = (unsigned)fd + 1;
    p->open++;
    return c;
}

/* Gives the pages of the spill back to the kernel. */
static void clean(const struct loop_process *p, struct loop_conn *c)
{
    if (c->conn.dirty)
        madvise(c->conn.spill, p->spill_size, MADV_DONTNEED);
    c->conn.dirty = false;
}

static void close_conn(struct loop_process *p, struct loop_conn *c)
{
    coro_watch_stop(p->loop, &c->watch);
    clean(p, c);
    if (c->keeper != NULL)
        loop_let_go(p, c);
    c->open = false;
    c->busy = NULL;
    p->open--;
    close(c->conn.fd);
    shared_connection_closed(p->server->shared, p->stats);
    loop_accept_resume(p);
}

/* Looks after the first connection left unwatched: it is watched if its client has not closed it
 * yet. */
static void look_after(struct loop_process *p)
{
    struct loop_conn *c = p->unwatched;

    p->unwatched = c->next;
    p->unwatched_count--;
    if (p->unwatched == NULL)
        p->unwatched_end = &p->unwatched;
    loop_put_back(p, c, connection_serve(&c->conn, &p->loop_io));
}

static bool may_go_unwatched(struct loop_process *p, const struct loop_conn *c)
{
    return rush_note(&p->rush) && !coro_watch_active(&c->watch) && server_has_places(p->server) &&
           !p->draining;
}

/* The client has its last answer, and most close at once. Where many do, it takes no watch and no
 * event to see that: the loop looks when the 256th after it ends, or at its next tick. */
static void leave_unwatched(struct loop_process *p, struct loop_conn *c)
{
    c->next = NULL;
    *p->unwatched_end = c;
    p->unwatched_end = &c->next;
    if (++p->unwatched_count > UNWATCHED_KEPT)
        look_after(p);
}

void loop_put_back(struct loop_process *p, struct loop_conn *c, enum conn_next next)
{
    expect(c->open, "loop %u puts descriptor %d back, which it has not", p->worker, c->conn.fd);
    c->busy = NULL;
    if (next == CONN_CLOSE) {
        close_conn(p, c);
        return;
    }
    if (c->conn.spilled == 0)
        clean(p, c);
    if (c->conn.phase == CONN_ENDING && may_go_unwatched(p, c))
        leave_unwatched(p, c);
    else
        coro_watch_start(p->loop, &c->watch);
}

static bool is_parked(const struct loop_conn *c)
{
    return c->open && c->busy == NULL && !c->queued;
}

/* The kernel had no room for its watch. One that ends may be unwatched for another reason; it is
 * closed by its deadline. */
static bool is_unheard(const struct loop_conn *c)
{
    return is_parked(c) && !coro_watch_active(&c->watch) && c->conn.phase != CONN_ENDING;
}

void loop_sweep(struct loop_process *p, void (*serve)(struct loop_process *p, struct loop_conn *c))
{
    int64_t now = io_now_ms();
    struct crowd crowd;

    while (p->unwatched != NULL)
        look_after(p);
    crowd_begin(&crowd, p->server);
    for (unsigned fd = 0; fd < p->high; fd++) {
        struct loop_conn *c = &p->conns[fd];

        if (is_parked(c) && atomic_load_explicit(&c->conn.deadline_ms, memory_order_relaxed) <= now)
            loop_put_back(p, c, connection_expire(&c->conn, &p->loop_io));
        if (p->draining && is_parked(c))
            loop_put_back(p, c, connection_drain(&c->conn, &p->loop_io));
        if (is_unheard(c))
            serve(p, c);
        if (is_parked(c))
            crowd_offer(&crowd, &c->conn, (int)fd);
    }
    for (unsigned i = 0; i < crowd.count; i++) {
        struct loop_conn *c = &p->conns[crowd.idle[i].fd];

        if (is_parked(c))
            loop_put_back(p, c, connection_make_room(&c->conn, &p->loop_io));
    }
}
