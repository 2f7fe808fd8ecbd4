/* SPDX-License-Identifier: MIT
 *
 * One connection without a model: a socket pair, a server made by hand, and an io
 * whose every wait is a call back into the test, which may send, read, pass time
 * or end the wait with an error. A wait that the test has not foreseen fails it.
 */
#ifndef RIG_H
#define RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clocks.h"
#include "http.h"
#include "http/connection.h"
#include "http/request.h"
#include "server.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RIG_DATE     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

enum {
    RIG_MAX_HEADER = 2048,
    RIG_MAX_BODY = 200000,
    RIG_HEADER_MS = 10000,
    RIG_BODY_MS = 20000,
    RIG_WRITE_MS = 30000,
    RIG_KEEPALIVE_MS = 40000,
};

struct rig;
typedef int rig_wait(struct rig *rig, int events);

struct rig {
    struct io io; /* first: the io functions are given this */
    struct config config;
    struct server server;
    struct worker_stats *stats;
    struct http_clock clock;
    struct conn conn;
    char *spill;
    int client; /* the test's end of the connection; -1: closed */

    rig_wait *on_wait; /* NULL: nothing may wait */
    unsigned waits;
    int wait_events;
    int64_t wait_deadline_ms;
    unsigned sleeps;
    int handlers; /* begun and not ended */
    void *script; /* the test's own */

    char *received; /* by the client so far, NUL-terminated */
    size_t received_length;
    bool end; /* the client has seen the end of the answers */
};

static inline struct rig *rig_of(struct io *io)
{
    return (struct rig *)(void *)io;
}

static inline int rig_io_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    struct rig *rig = rig_of(io);

    rig->waits++;
    rig->wait_events = events;
    rig->wait_deadline_ms = deadline_ms;
    assert_int_equal(fd, rig->conn.fd);
    if (rig->on_wait == NULL)
        fail_msg("unforeseen wait to %s", events == IO_READ ? "read" : "write");
    return rig->on_wait(rig, events);
}

static inline int rig_io_sleep(struct io *io, int64_t ms)
{
    rig_of(io)->sleeps++;
    clocks_advance(ms);
    return 0;
}

static inline void rig_io_begin(struct io *io)
{
    assert_int_equal(rig_of(io)->handlers++, 0);
}

static inline void rig_io_end(struct io *io)
{
    assert_int_equal(--rig_of(io)->handlers, 0);
}

static const struct io_ops rig_ops = {
    .wait = rig_io_wait,
    .sleep = rig_io_sleep,
    .begin = rig_io_begin,
    .end = rig_io_end,
    .model = "rig",
    .gather_how = "not at all",
    .context_is = "test",
};

/* Makes a connection whose sockets are of that type; SOCK_SEQPACKET keeps sends apart. */
static inline void rig_init(struct rig *rig, int type)
{
    size_t shared = sizeof(struct server_shared) + 2 * sizeof(struct worker_stats);
    size_t align = alignof(struct server_shared);
    int ends[2];

    memset(rig, 0, sizeof *rig);
    assert_return_code(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), errno);
    rig->client = ends[0];
    rig->config = (struct config){
        .header_timeout_ms = RIG_HEADER_MS,
        .body_timeout_ms = RIG_BODY_MS,
        .write_timeout_ms = RIG_WRITE_MS,
        .keepalive_timeout_ms = RIG_KEEPALIVE_MS,
        .max_header = RIG_MAX_HEADER,
        .max_body = RIG_MAX_BODY,
    };
    shared = (shared + align - 1) / align * align;
    rig->server = (struct server){
        .config = &rig->config,
        .workers = 1,
        .listen_fd = -1,
        .root_fd = -1,
        .access_log_fd = -1,
        .shared = aligned_alloc(align, shared),
    };
    assert_non_null(rig->server.shared);
    memset(rig->server.shared, 0, shared);
    rig->stats = &rig->server.shared->workers[0];
    rig->io = (struct io){
        .ops = &rig_ops,
        .server = &rig->server,
        .stats = rig->stats,
        .context = 1,
        .clock = &rig->clock,
        .in_size = connection_in_size(&rig->config),
        .out_size = HTTP_OUT_SIZE,
    };
    rig->io.in = malloc(rig->io.in_size);
    rig->io.out = malloc(rig->io.out_size);
    rig->spill = malloc(connection_spill_size(&rig->config));
    rig->received = calloc(1, 1);
    assert_true(rig->spill != NULL && rig->io.in != NULL && rig->io.out != NULL &&
                rig->received != NULL);
    connection_init(&rig->conn, ends[1], &in6addr_any, rig->spill, &rig->config);
}

static inline void rig_term(struct rig *rig)
{
    assert_int_equal(rig->handlers, 0);
    if (rig->client >= 0)
        close(rig->client);
    close(rig->conn.fd);
    free(rig->io.in);
    free(rig->io.out);
    free(rig->spill);
    free(rig->received);
    free(rig->server.shared);
}

/* What no context may rely on between two calls: its scratch. */
static inline void rig_scribble(struct rig *rig)
{
    memset(rig->io.in, '#', rig->io.in_size);
    memset(rig->io.out, '#', rig->io.out_size);
}

/* The client sends; all of it must fit. */
static inline void rig_send_bytes(struct rig *rig, const void *data, size_t length)
{
    assert_int_equal(send(rig->client, data, length, MSG_NOSIGNAL), (ssize_t)length);
}

static inline void rig_send(struct rig *rig, const char *text)
{
    rig_send_bytes(rig, text, strlen(text));
}

/* One recv() of the client, added to what was received. Returns as recv(). */
static inline ssize_t rig_receive_once(struct rig *rig)
{
    enum { PIECE = 256 * 1024 };
    char *more = realloc(rig->received, rig->received_length + PIECE + 1);
    ssize_t count;

    assert_non_null(more);
    rig->received = more;
    count = recv(rig->client, more + rig->received_length, PIECE, MSG_DONTWAIT);
    if (count > 0)
        rig->received_length += (size_t)count;
    if (count == 0)
        rig->end = true;
    rig->received[rig->received_length] = '\0';
    return count;
}

/* All that the client can read now. */
static inline const char *rig_receive(struct rig *rig)
{
    while (rig_receive_once(rig) > 0)
        continue;
    return rig->received;
}

/* Forgets what was received. */
static inline void rig_forget(struct rig *rig)
{
    rig->received_length = 0;
    rig->received[0] = '\0';
}

/* The client receives exactly this, now. */
static inline void rig_expect(struct rig *rig, const char *expected)
{
    assert_string_equal(rig_receive(rig), expected);
    assert_int_equal(rig->received_length, strlen(expected));
    rig_forget(rig);
}

static inline int64_t rig_deadline(struct rig *rig)
{
    return atomic_load(&rig->conn.deadline_ms);
}

static inline int64_t rig_now(void)
{
    return atomic_load(&clocks.now_ms);
}

static inline enum conn_next rig_serve(struct rig *rig)
{
    rig_scribble(rig);
    return connection_serve(&rig->conn, &rig->io);
}

#endif
