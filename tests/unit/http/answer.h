/* SPDX-License-Identifier: MIT
 *
 * An answer without a connection: what a handler says goes into a socket pair, and a test reads it.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "rig.h"

#include "http/response.h"

#define TEXT "Content-Type: text/plain\r\n"

/* An exchange for a request that a test describes by its members. */
struct answer {
    struct rig rig;
    struct http_request request;
    struct connection_stream stream;
    struct http_exchange x;
};

static inline void renew(struct answer *a)
{
    exchange_init(&a->x, &a->stream, &a->request);
}

static inline struct answer *begin_typed(int type, enum request_method method, unsigned char minor,
                                         bool keep_alive)
{
    static struct answer a;

    rig_init(&a.rig, type);
    memset(&a.request, 0, sizeof a.request);
    a.request.method = method;
    a.request.version_minor = minor;
    a.request.keep_alive = keep_alive;
    memset(&a.stream, 0, sizeof a.stream);
    a.stream.io = &a.rig.io;
    a.stream.conn = &a.rig.conn;
    a.stream.config = &a.rig.config;
    a.stream.body_done = true;
    memset(&a.x, 0xa5, sizeof a.x);
    renew(&a);
    return &a;
}

static inline struct answer *begin(enum request_method method, unsigned char minor, bool keep_alive)
{
    return begin_typed(SOCK_STREAM, method, minor, keep_alive);
}

static inline struct answer *begin_get(void)
{
    return begin(HTTP_METHOD_GET, 1, true);
}

/* Ends the answer, which must be whole, and checks every byte the client got. */
static inline void finish(struct answer *a, const char *expected)
{
    assert_int_equal(exchange_end(&a->x), 0);
    assert_int_equal(stream_flush(&a->stream, false), 0);
    rig_expect(&a->rig, expected);
    rig_term(&a->rig);
}

#endif
