/* SPDX-License-Identifier: MIT
 *
 * A team of two threads made by hand, which the test plays in turn: each has its loop and epoll
 * set; what it serves stands in line with it, as where no coroutine can be had. Time belongs to the
 * test (clocks.h).
 */
#ifndef UNIT_MODELS_STEAL_RIG_H
#define UNIT_MODELS_STEAL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/context.h"
#include "models/steal/team.h"
#include "system/latch.h"
#include "tests/unit/http/clocks.h"

enum { RIG_THREADS = 2, RIG_DESCRIPTORS = 512, RIG_CLIENTS = 128 };

struct rig {
    struct team team;
    struct thief thieves[RIG_THREADS];
    struct config config;
    struct server server;
    int clients[RIG_CLIENTS];
    unsigned client_count;
    unsigned rung[RIG_THREADS];
};

static struct rig rig; /* as large as it is aligned */

static inline void rig_bell(void *arg)
{
    rig.rung[(struct thief *)arg - rig.thieves]++;
}

static inline int rig_begin(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.config = (struct config){
        .header_timeout_ms = 10000, .keepalive_timeout_ms = 40000, .max_header = 4096};
    rig.server = (struct server){.config = &rig.config,
                                 .workers = RIG_THREADS,
                                 .max_connections = RIG_DESCRIPTORS,
                                 .descriptors = RIG_DESCRIPTORS,
                                 .shared = shared_new()};
    assert_non_null(rig.server.shared);
    rig.team = (struct team){.server = &rig.server, .thieves = rig.thieves};
    rig.team.awake_fd = latch_new();
    assert_true(rig.team.awake_fd >= 0);
    assert_int_equal(
        context_init(&rig.team.watch.loop_io, &context_never_waits, &rig.server, RIG_THREADS), 0);
    rig.team.watch.stats = rig.team.watch.loop_io.stats;
    for (unsigned i = 0; i < RIG_THREADS; i++) {
        struct thief *t = &rig.thieves[i];

        t->team = &rig.team;
        t->loop = (struct loop_process){.server = &rig.server,
                                        .stats = &rig.server.shared->workers[i],
                                        .worker = i,
                                        .draining = true,  /* it accepts nothing */
                                        .stopping = true}; /* and has no coroutine */
        t->loop.queue_end = &t->loop.queue;
        t->loop.loop = coro_loop_new(NULL);
        assert_non_null(t->loop.loop);
        t->bell = coro_notifier_new(t->loop.loop, rig_bell, t);
        assert_non_null(t->bell);
        t->lot_fd = epoll_create1(EPOLL_CLOEXEC);
        assert_true(t->lot_fd >= 0);
    }
    assert_int_equal(steal_open_lot(&rig.team), 0);
    return 0;
}

static inline int rig_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < rig.client_count; i++)
        close(rig.clients[i]);
    for (unsigned fd = 0; fd < atomic_load(&rig.team.high); fd++)
        if (rig.team.conns[fd].c.open)
            close((int)fd);
    for (unsigned i = 0; i < RIG_THREADS; i++) {
        coro_notifier_free(rig.thieves[i].bell);
        coro_loop_free(rig.thieves[i].loop.loop);
        close(rig.thieves[i].lot_fd);
    }
    steal_close_lot(&rig.team);
    context_term(&rig.team.watch.loop_io);
    close(rig.team.awake_fd);
    shared_free(rig.server.shared);
    return 0;
}

/* A connection of t's, nobody's to serve but the caller's; *client: its other end. */
static inline struct steal_conn *rig_open(struct thief *t, int *client)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(rig.client_count < RIG_CLIENTS);
    rig.clients[rig.client_count++] = *client = pair[1];
    shared_connection_opened(rig.server.shared, t->loop.stats);
    return steal_open_conn(&rig.team, t, pair[0], &(struct in6_addr){0});
}

/* The same, parked; with something to read. */
static inline struct steal_conn *rig_asking(struct thief *t)
{
    int client;
    struct steal_conn *r = rig_open(t, &client);

    steal_park_new(&rig.team, r);
    assert_int_equal(write(client, "x", 1), 1);
    return r;
}

/* How many stand in line with t. */
static inline unsigned rig_served(const struct thief *t)
{
    unsigned count = 0;

    for (const struct loop_conn *c = t->loop.queue; c != NULL; c = c->next)
        count++;
    return count;
}

/* How often t's bell was rung. */
static inline unsigned rig_rung(struct thief *t)
{
    (void)coro_loop_turn(t->loop.loop, 0);
    return rig.rung[t - rig.thieves];
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_begin, rig_end)

#endif
