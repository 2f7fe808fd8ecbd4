/* SPDX-License-Identifier: MIT
 *
 * A loop process made by hand: a server with a listener on a free loopback port, records, and a
 * loop that the test turns. Connections that are admitted are kept here and served by nobody. Time
 * belongs to the test (clocks.h), but for the loop's timers.
 */
#ifndef UNIT_MODELS_LOOP_RIG_H
#define UNIT_MODELS_LOOP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/context.h"
#include "models/loop/loop.h"
#include "system/listen.h"
#include "tests/unit/http/clocks.h"

enum { RIG_DESCRIPTORS = 512, RIG_CLIENTS = 64, RIG_KEEPALIVE_MS = 40000 };

struct rig {
    struct loop_process process; /* first: what is admitted finds the rig by it */
    struct config config;
    struct server server;
    int clients[RIG_CLIENTS];
    unsigned client_count;
    int admitted[RIG_CLIENTS]; /* descriptors */
    unsigned count, at_once;   /* of them */
};

static inline void rig_admit(struct loop_process *p, int fd, const struct in6_addr *client,
                             bool at_once)
{
    struct rig *rig = (struct rig *)p;

    (void)client;
    assert_true(rig->count < RIG_CLIENTS);
    rig->admitted[rig->count++] = fd;
    rig->at_once += at_once;
    p->open++;
}

static inline int rig_begin(void **state)
{
    static struct rig rig;
    struct loop_process *p = &rig.process;
    char error[200];

    memset(&rig, 0, sizeof rig);
    rig.config = (struct config){
        .header_timeout_ms = 10000, .keepalive_timeout_ms = RIG_KEEPALIVE_MS, .max_header = 4096};
    rig.server = (struct server){.config = &rig.config,
                                 .workers = 1,
                                 .max_connections = RIG_DESCRIPTORS,
                                 .process_connections = RIG_DESCRIPTORS,
                                 .descriptors = RIG_DESCRIPTORS,
                                 .shared = shared_new()};
    assert_non_null(rig.server.shared);
    rig.server.listen_fd = listen_open("127.0.0.1:0", NULL, rig.server.listen_name,
                                       sizeof rig.server.listen_name, error, sizeof error);
    assert_true(rig.server.listen_fd >= 0);
    p->server = &rig.server;
    p->stats = &rig.server.shared->workers[0];
    p->queue_end = &p->queue;
    p->ops = &loop_io_ops;
    p->loop = coro_loop_new(NULL);
    assert_non_null(p->loop);
    assert_int_equal(context_init(&p->loop_io, &context_never_waits, &rig.server, 0), 0);
    assert_int_equal(loop_open_lot(p), 0);
    *state = &rig;
    return 0;
}

static inline int rig_end(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < rig->client_count; i++)
        close(rig->clients[i]);
    for (unsigned i = 0; i < rig->count; i++)
        close(rig->admitted[i]);
    coro_loop_free(rig->process.loop);
    loop_accept_free(&rig->process);
    loop_close_lot(&rig->process);
    context_term(&rig->process.loop_io);
    close(rig->server.listen_fd);
    shared_free(rig->server.shared);
    return 0;
}

/* So many more clients connect. */
static inline void rig_connect(struct rig *rig, unsigned more)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    assert_return_code(getsockname(rig->server.listen_fd, (struct sockaddr *)&address, &length),
                       errno);
    for (; more > 0; more--) {
        int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_return_code(fd, errno);
        assert_return_code(connect(fd, (struct sockaddr *)&address, length), errno);
        rig->clients[rig->client_count++] = fd;
    }
}

/* One turn of the loop, which waits for nothing. */
static inline void rig_turn(struct rig *rig)
{
    (void)coro_loop_turn(rig->process.loop, 0);
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_begin, rig_end)

#endif
