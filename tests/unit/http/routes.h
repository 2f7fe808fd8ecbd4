/* SPDX-License-Identifier: MIT
 *
 * An application for the connection tests, and input that comes in pieces. Included by
 * programs that play a connection.
 */
#ifndef ROUTES_H
#define ROUTES_H

#include "rig.h"

/* How long a client is read on that was refused, and one that was told of the end. */
enum { LINGER_MS = 10000, CLOSE_LINGER_MS = 2000 };

#define TEXT "Content-Type: text/plain\r\n"
/* The head of an answer that is kept alive, with a literal length. */
#define HEAD_OF(length)    "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT "Content-Length: " length "\r\n\r\n"
#define HI                 HEAD_OF("2") "hi"
#define GET_HI             "GET /hi HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n"
#define POST_CHUNKED(path) "POST " path " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CONTINUE           "HTTP/1.1 100 Continue\r\n\r\n"

/* --- routes --------------------------------------------------------------------- */

static inline int serve_hi(struct http_exchange *x)
{
    assert_int_equal(rig_of(x->io)->handlers, 1);
    return http_reply(x, 200, "text/plain", "hi", 2);
}

/* The request's slices stay what they were however much of the body is read. */
static inline void assert_head_is_whole(const struct http_exchange *x)
{
    const struct http_request *request = x->request;

    assert_true(http_slice_is(request->target, "/echo") ||
                http_slice_is(request->target, "/through"));
    assert_true(request->version_minor == 0 || http_slice_is(request->fields[0].name, "Host"));
    assert_true(request->version_minor == 0 || http_slice_is(request->fields[0].value, "a"));
}

/* Reads all of the body, then answers with it. */
static inline int serve_echo(struct http_exchange *x)
{
    static char body[RIG_MAX_BODY];
    size_t length = 0;
    ssize_t count;

    while ((count = http_read_body(x, body + length, sizeof body - length)) > 0)
        length += (size_t)count;
    assert_head_is_whole(x);
    return count < 0 ? (int)count : http_reply(x, 200, "text/plain", body, length);
}

/* Answers while it reads, as a stream does. */
static inline int serve_through(struct http_exchange *x)
{
    char piece[1000];
    ssize_t count = http_read_body(x, piece, sizeof piece);
    int error = count < 0 ? (int)count : http_begin(x, 200, "text/plain", HTTP_UNKNOWN_LENGTH);

    while (error == 0 && count > 0) {
        error = http_write(x, piece, (size_t)count);
        if (error == 0)
            count = http_read_body(x, piece, sizeof piece);
    }
    assert_head_is_whole(x);
    return error != 0 ? error : (int)count;
}

static inline int serve_one_byte(struct http_exchange *x)
{
    char byte;
    ssize_t count = http_read_body(x, &byte, 1);

    return count < 0 ? (int)count : http_reply(x, 200, "text/plain", &byte, (size_t)count);
}

static inline int serve_sleep(struct http_exchange *x)
{
    int error = io_sleep(x->io, 1);

    return error != 0 ? error : http_reply(x, 200, "text/plain", "zz", 2);
}

/* Gives up without an answer. */
static inline int serve_fail(struct http_exchange *x)
{
    (void)x;
    return -EIO;
}

static inline int serve_cancelled(struct http_exchange *x)
{
    (void)x;
    return -ECANCELED;
}

/* Ends too early, with or without saying so. */
static inline int serve_short(struct http_exchange *x)
{
    int error = http_begin(x, 200, "text/plain", 10);

    return error != 0 ? error : http_write(x, "abc", 3);
}

static inline int serve_broken(struct http_exchange *x)
{
    int error = http_begin(x, 200, "text/plain", HTTP_UNKNOWN_LENGTH);

    if (error == 0)
        error = http_write(x, "abc", 3);
    return error != 0 ? error : -EIO;
}

/* A head and a hundred kilobytes, each sent on its own. */
static inline int serve_big(struct http_exchange *x)
{
    static const char piece[1000];
    int error = http_begin(x, 200, "text/plain", 100 * sizeof piece);

    for (int i = 0; error == 0 && i < 100; i++) {
        error = http_flush(x);
        if (error == 0)
            error = http_write(x, piece, sizeof piece);
    }
    return error;
}

struct route {
    const char *path;
    int (*serve)(struct http_exchange *x);
    bool waits;
};

static const struct route routes[] = {
    {"/hi", serve_hi, false},
    {"/big", serve_big, false},
    {"/echo", serve_echo, false},
    {"/through", serve_through, false},
    {"/one", serve_one_byte, false},
    {"/sleep", serve_sleep, true},
    {"/fail", serve_fail, false},
    {"/cancelled", serve_cancelled, false},
    {"/short", serve_short, false},
    {"/broken", serve_broken, false},
    {NULL, NULL, false},
};

static const struct route *find_route(const struct http_request *request)
{
    const struct route *route = routes;

    while (route->path != NULL && !http_slice_is(request->path, route->path))
        route++;
    return route->path != NULL ? route : NULL;
}

static bool waits(const struct route *route)
{
    return route != NULL && route->waits;
}

static int serve_route(const struct route *route, struct http_exchange *x)
{
    return route != NULL ? route->serve(x) : http_error(x, 404, "no such route");
}

static const struct http_application application = {
    .find = find_route, .waits = waits, .serve = serve_route};

/* --- beginning and ending a test ---------------------------------------------- */

static inline void rig_init_routes(struct rig *rig, int type)
{
    rig_init(rig, type);
    rig->server.application = &application;
}

static inline int begin(void **state)
{
    static struct rig rig;

    rig_init_routes(&rig, SOCK_STREAM);
    *state = &rig;
    return 0;
}

static inline int begin_seqpacket(void **state)
{
    static struct rig rig;

    rig_init_routes(&rig, SOCK_SEQPACKET);
    *state = &rig;
    return 0;
}

static inline int end(void **state)
{
    rig_term(*state);
    return 0;
}

/* Begins anew within one test. */
static inline void again(struct rig *rig)
{
    rig_term(rig);
    rig_init_routes(rig, SOCK_STREAM);
}

/* --- input in pieces ---------------------------------------------------------- */

/* Input in pieces: each is sent when the server has done what it can with those before. */
struct pieces {
    const char *text;
    size_t length, sent;
    size_t piece;    /* bytes sent at once, or 0: */
    uint64_t random; /* from this */
    size_t random_limit;
};

static inline size_t next_piece(struct pieces *p)
{
    size_t left = p->length - p->sent, piece = p->piece;

    if (piece == 0) {
        p->random ^= p->random << 13;
        p->random ^= p->random >> 7;
        p->random ^= p->random << 17;
        piece = 1 + (size_t)(p->random % p->random_limit);
    }
    return piece < left ? piece : left;
}

static inline bool send_piece(struct rig *rig)
{
    struct pieces *p = rig->script;
    size_t piece = next_piece(p);

    if (piece == 0)
        return false;
    rig_send_bytes(rig, p->text + p->sent, piece);
    p->sent += piece;
    return true;
}

static inline int wait_for_piece(struct rig *rig, int events)
{
    rig_receive(rig);
    if (events & IO_WRITE)
        return IO_WRITE;
    if (!send_piece(rig))
        fail_msg("waits for more than was to come; answered %s", rig->received);
    return IO_READ;
}

#define PLAIN(test)   cmocka_unit_test_setup_teardown(test, begin, end)
#define PACKETS(test) cmocka_unit_test_setup_teardown(test, begin_seqpacket, end)

#endif
