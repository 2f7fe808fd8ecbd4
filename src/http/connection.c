/* SPDX-License-Identifier: MIT
 *
 * The life of a connection, from readable to parked or closed.
 *
 *     read ──► guard ──► parse ──► handler ──► finish ──► next request, if its head is there
 *               │          │                     │
 *               ▼          ▼                     ▼
 *             park       refuse ──► linger     close
 *
 * Nothing here waits while no request is under way: an incomplete head is copied
 * to the record's spill and the connection parked.
 */
#include "http/connection.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "http/access_log.h"
#include "http/body.h"
#include "http/refusal.h"
#include "http/request.h"
#include "http/response.h"
#include "http/stream.h"
#include "server.h"

enum {
    LINGER_MS = 10000,      /* how long a refused client's input is read and dropped */
    CLOSE_LINGER_MS = 2000, /* the same after an answer that closes by agreement */
    LINGER_DRAIN_MS = 500,  /* the same once the server is being stopped */
    RECENT_MS = 250,        /* who had an answer, or connected, so lately may be asking just now */
    ROOM_IDLE_MS = 1000,    /* who has been idle for less makes no room for others */
    LINGER_READS = 32,      /* reads of one such client before others get their turn */
    BODY_WINDOW = 8 * 1024, /* room to read on behind the largest head */
};

static const char LATE_HEAD[] = "the request head did not come in time";

size_t connection_in_size(const struct config *config)
{
    return config->max_header + BODY_WINDOW;
}

size_t connection_spill_size(const struct config *config)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (connection_in_size(config) + page - 1) / page * page;
}

static void set_deadline(struct conn *c, int64_t deadline_ms)
{
    atomic_store_explicit(&c->deadline_ms, deadline_ms, memory_order_relaxed);
}

static void set_phase(struct conn *c, enum conn_phase phase)
{
    atomic_store_explicit(&c->phase, (uint8_t)phase, memory_order_relaxed);
}

static int64_t deadline_of(const struct conn *c)
{
    return atomic_load_explicit(&c->deadline_ms, memory_order_relaxed);
}

void connection_init(struct conn *c, int fd, const struct in6_addr *client, char *spill,
                     const struct config *config)
{
    c->fd = fd;
    c->worker = 0;
    c->client = *client;
    set_phase(c, CONN_IDLE);
    c->dirty = false;
    c->spilled = 0;
    c->requests = 0;
    c->untaken_kb = 0;
    c->spill = spill;
    guard_init_head(&c->guard);
    set_deadline(c, io_now_ms() + config->header_timeout_ms);
}

/* Half-closes and lets the parking lot read what the client still sends, for at most ms
 * milliseconds: a socket closed with unread input, or sent more after that, resets the connection
 * and may destroy the answer on its way (RFC 9112, 9.6). */
static enum conn_next linger(struct conn *c, int64_t ms)
{
    if (shutdown(c->fd, SHUT_WR) < 0)
        return CONN_CLOSE;
    set_phase(c, CONN_LINGER);
    c->spilled = 0;
    set_deadline(c, io_now_ms() + ms);
    return CONN_PARK;
}

static enum conn_next linger_on(struct conn *c, struct io *io)
{
    set_phase(c, CONN_LINGER);
    for (int i = 0; i < LINGER_READS; i++) {
        ssize_t count = recv(c->fd, io->in, io->in_size, 0);

        if (count > 0)
            stats_add(&io->stats->bytes_in, (uint64_t)count);
        else if (count == 0 || (errno != EAGAIN && errno != EINTR))
            return CONN_CLOSE;
        else if (errno == EAGAIN)
            return CONN_PARK;
    }
    return CONN_PARK;
}

/* Has closing the socket drop what is on its way to the client. A socket that is only closed keeps
 * it, megabytes perhaps, for as long as the client acknowledges that it has no room. */
static void reset(const struct conn *c)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static inline void count_request(struct io *io, const struct http_exchange *x)
{
    stats_add(&io->stats->requests, 1);
    if (x->status >= 100 && x->status < 600)
        stats_add(&io->stats->responses[x->status / 100], 1);
}

/* Answers a request that never reaches a handler, then closes. head: what came of it. */
static enum conn_next refuse(struct connection_stream *s, struct http_request *request,
                             struct http_slice head, const struct request_error *error)
{
    struct http_exchange x;
    int result;

    request->keep_alive = false;
    exchange_init(&x, s, request);
    stream_begin_answer(s);
    if (error->status == 405)
        http_add_header(&x, "Allow", "GET, HEAD, POST, OPTIONS");
    result = http_error(&x, error->status, "%s", error->reason);
    count_request(s->io, &x);
    if (result == 0)
        result = stream_flush(s, true); /* more: linger() sends it with the FIN */
    access_log_write(&x, head, 0);
    return result < 0 ? CONN_CLOSE : linger(s->conn, LINGER_MS);
}

/* A refusal before the head is complete: nothing is known of the request but its first bytes. */
static enum conn_next refuse_raw(struct connection_stream *s, unsigned status, const char *reason)
{
    struct request_error error = {.status = status, .reason = reason, .close = true};
    struct http_request request;
    struct http_slice head = {s->io->in + s->start, s->end - s->start};

    memset(&request, 0, offsetof(struct http_request, fields));
    request.version_minor = 1;
    if (head.length >= 2 && head.data[0] == '\r' && head.data[1] == '\n') {
        head.data += 2; /* the empty line that may be first */
        head.length -= 2;
    }
    if (head.length >= 5 && memcmp(head.data, "HEAD ", 5) == 0)
        request.method = HTTP_METHOD_HEAD;
    return refuse(s, &request, head, &error);
}

static enum conn_next refuse_head(struct connection_stream *s)
{
    struct refusal refusal;

    refusal_explain(&refusal, s->io->in + s->start, s->end - s->start, s->config->max_header);
    return refuse_raw(s, refusal.status, refusal.reason);
}

/* The status owed for an error of http_read_body(); 0 when the client is gone. */
static unsigned status_of(int error)
{
    switch (error) {
    case -EBADMSG:
        return 400;
    case -ETIMEDOUT:
    case -EBUSY:
        return 408;
    case -EMSGSIZE:
        return 413;
    case -ECANCELED:
    case -ENOMEM:
        return 503;
    default:
        return 0;
    }
}

static const char *reason_of(unsigned status)
{
    switch (status) {
    case 400:
        return "malformed chunked body";
    case 408:
        return "the request body came too slowly";
    case 413:
        return "request body larger than --max-body";
    default:
        return "the server is stopping or out of memory";
    }
}

/* Who was to answer gave up with that result: makes the answer that is owed, also in place of one
 * that was begun but has not left. */
__attribute__((noinline)) static void answer_failure(struct http_exchange *x, int result)
{
    struct connection_stream *s = x->stream;
    unsigned status = status_of(s->body_error != 0 ? s->body_error : result);

    if (x->failed)
        return;
    if (x->status == 0 || (s->body_error != 0 && stream_take_back(s)))
        exchange_init(x, s, x->request); /* without the header lines that were added to it */
    x->close = true;
    if (x->status != 0 || status == 0)
        x->broken = true;
    else if (http_error(x, status, "%s", reason_of(status)) < 0)
        x->failed = true;
}

/* The framing of an answer shows that it is incomplete, unless its end is the connection's: then
 * only a reset shows it. */
static bool ends_with_connection(const struct http_exchange *x)
{
    return x->status != 0 && !x->chunked && x->body_remaining == HTTP_UNKNOWN_LENGTH;
}

/* An answer that had to be broken off. */
static enum conn_next break_off(struct connection_stream *s, const struct http_exchange *x)
{
    if (stream_flush(s, false) < 0)
        return CONN_CLOSE;
    if (!ends_with_connection(x))
        return linger(s->conn, LINGER_MS);
    reset(s->conn);
    return CONN_CLOSE;
}

/* After the handler: what becomes of the connection. Sets *next and returns false when it
 * serves no further request now. */
static bool finish(struct connection_stream *s, struct http_exchange *x, enum conn_next *next)
{
    *next = CONN_CLOSE;
    if (x->failed) {
        if (ends_with_connection(x)) /* let_go() resets, whatever comes before this answer */
            s->answer_from = 0;
        return false;
    }
    if (x->broken || exchange_end(x) < 0) {
        *next = break_off(s, x);
        return false;
    }
    if (!x->close && !s->body_done) {
        if (stream_flush(s, false) < 0)
            return false;
        x->close = !body_discard(x);
    }
    if (!x->close)
        return true;
    if (stream_flush(s, true) == 0) { /* more: linger() sends it with the FIN */
        bool agreed = s->body_done && x->status < 400;

        *next = linger(s->conn, agreed ? CLOSE_LINGER_MS : LINGER_MS);
        if (agreed && s->start == s->end)
            set_phase(s->conn, CONN_ENDING);
    }
    return false;
}

/* Writes the log's line of a request that is finished. What the line says was sent has left by
 * then: with a log each answer goes by itself. Returns whether further requests are still served.
 */
static bool log_request(struct connection_stream *s, struct http_exchange *x,
                        struct http_slice head, int64_t started_ns, bool more, enum conn_next *next)
{
    if (more && stream_flush(s, false) < 0) {
        *next = CONN_CLOSE;
        more = false;
    }
    access_log_write(x, head, io_now_ns() - started_ns);
    return more;
}

/* Serves the request whose head is io->in[start, start + length). Returns as finish(). */
static inline bool serve_request(struct connection_stream *s, size_t length, enum conn_next *next)
{
    struct http_request request;
    struct http_exchange x;
    struct request_error error;
    const struct http_application *application = s->io->server->application;
    const struct route *route;
    struct http_slice head = {s->io->in + s->start, length};
    int result;
    bool more;
    int64_t started_ns = s->io->server->access_log_fd >= 0 ? io_now_ns() : 0;

    error = request_parse(&request, head.data, length);
    s->start += length;
    s->floor = s->start;
    if (error.status == 0 && request.content_length > s->config->max_body)
        error = (struct request_error){413, reason_of(413), true};
    if (error.status == 0 || !error.close) {
        result = body_init(s, &request);
        if (result < 0)
            error = (struct request_error){status_of(result), reason_of(status_of(result)), true};
    }
    if (error.status != 0 && error.close) {
        *next = refuse(s, &request, head, &error);
        return false;
    }
    exchange_init(&x, s, &request);
    stream_begin_answer(s);
    s->conn->requests++;
    if (error.status != 0) {
        result = http_error(&x, error.status, "%s", error.reason);
    } else {
        route = application->find(&request);
        if (s->out_length > 0 && application->waits(route) && stream_flush(s, false) < 0) {
            *next = CONN_CLOSE;
            return false;
        }
        io_begin(s->io);
        result = application->serve(route, &x);
        io_end(s->io);
    }
    if (result < 0 || x.status == 0)
        answer_failure(&x, result);
    count_request(s->io, &x);
    more = finish(s, &x, next);
    if (started_ns != 0)
        more = log_request(s, &x, head, started_ns, more, next);
    if (more)
        s->floor = 0;
    return more;
}

static bool has_input(const struct conn *c)
{
    char byte;

    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static bool has_room(const struct conn *c)
{
    struct pollfd fd = {.fd = c->fd, .events = POLLOUT};

    return poll(&fd, 1, 0) > 0;
}

/* No complete head is there: sends what is to be sent and parks. */
static enum conn_next park(struct connection_stream *s)
{
    struct conn *c = s->conn;
    size_t partial = s->end - s->start;

    if (stream_flush(s, false) < 0)
        return CONN_CLOSE;
    c->spilled = (uint32_t)partial;
    if (partial > 0) {
        memcpy(c->spill, s->io->in + s->start, partial);
        c->dirty = true;
        if (c->phase != CONN_HEAD && c->requests > 0) /* a first head's time runs since accept */
            set_deadline(c, io_now_ms() + s->config->header_timeout_ms);
        set_phase(c, CONN_HEAD);
        if (deadline_of(c) <= io_now_ms())
            return refuse_raw(s, 408, LATE_HEAD);
        return CONN_PARK;
    }
    if (c->requests > 0)
        set_deadline(c, io_now_ms() + s->config->keepalive_timeout_ms);
    set_phase(c, CONN_IDLE);
    return CONN_PARK;
}

/* A client that sends one request after another without waiting for answers is served as long as
 * nobody else waits. Looked at once a tick of the clock at most, and only where there is more. */
static bool turn_is_over(struct connection_stream *s)
{
    int64_t now;

    if (s->start == s->end && s->drained && s->ahead.size == 0)
        return false; /* no more is here: it is parked anyway */
    now = io_now_ms();
    if (s->turn_ms == now || s->turn_ms == 0) {
        s->turn_ms = now;
        return false;
    }
    s->turn_ms = now;
    return io_give_way(s->io);
}

/* Parks between two requests with what has been read of the next ones. It goes on once it can be
 * written to: a client that takes no answers is given no context either. */
static enum conn_next give_way(struct connection_stream *s)
{
    struct conn *c = s->conn;

    if (stream_flush(s, false) < 0)
        return CONN_CLOSE;
    if (s->ahead.size > 0) /* there is no room for that much: it has to ask again */
        return linger(c, CLOSE_LINGER_MS);
    c->spilled = (uint32_t)(s->end - s->start);
    memcpy(c->spill, s->io->in + s->start, c->spilled);
    c->dirty = true;
    set_phase(c, CONN_MORE);
    set_deadline(c, io_now_ms() + s->config->write_timeout_ms);
    return CONN_PARK;
}

/* Brings the unread input to the front of the buffer when the head being read could not
 * be completed, or its body not be read, where it is. */
static inline void settle(struct connection_stream *s)
{
    if (s->start == 0 || s->io->in_size - s->start >= s->config->max_header + BODY_WINDOW / 2)
        return;
    memmove(s->io->in, s->io->in + s->start, s->end - s->start);
    s->end -= s->start;
    s->start = 0;
}

static enum conn_next serve_requests(struct connection_stream *s)
{
    struct conn *c = s->conn;
    struct io *io = s->io;
    size_t scanned = c->phase == CONN_MORE ? 0 : c->spilled; /* of the unread input, by the guard */
    enum conn_next next;

    for (;;) {
        size_t used;
        ssize_t count;
        enum guard_verdict verdict = GUARD_MORE;

        if (scanned < s->end - s->start) {
            verdict = guard_feed(&c->guard, io->in + s->start + scanned,
                                 s->end - s->start - scanned, &used);
            scanned += used;
            if (verdict > GUARD_DONE || scanned > s->config->max_header)
                return refuse_head(s);
        }
        if (verdict == GUARD_DONE) {
            settle(s);
            if (!serve_request(s, scanned, &next))
                return next;
            guard_init_head(&c->guard);
            set_phase(c, CONN_IDLE);
            if (turn_is_over(s))
                return give_way(s);
            scanned = 0;
            continue;
        }
        if (s->drained && s->ahead.size == 0)
            return park(s);
        settle(s);
        count = stream_fill(s);
        if (count == -EAGAIN)
            return park(s);
        if (count <= 0) {
            (void)!stream_flush(s, false); /* a client may half-close and still read */
            return CONN_CLOSE;
        }
    }
}

/* The client was given up. What is on its way of the answer that was broken off is of no use; those
 * before it are delivered as long as the client takes them: see connection_expire(). */
static enum conn_next let_go(struct connection_stream *s)
{
    if (s->sent < s->answer_from + stream_untaken(s->conn))
        return linger(s->conn, 0);
    reset(s->conn);
    return CONN_CLOSE;
}

enum conn_next connection_serve(struct conn *c, struct io *io)
{
    struct connection_stream s;
    enum conn_next next;

    if (c->phase == CONN_LINGER || c->phase == CONN_ENDING)
        return linger_on(c, io);
    c->worker = (uint16_t)io->worker;
    stream_open(&s, c, io);
    next = serve_requests(&s);
    if (s.given_up && next == CONN_CLOSE)
        next = let_go(&s);
    stream_close(&s);
    return next;
}

/* Whether answers are on their way and the client has taken some since the last look, if there was
 * one: at the minimum rate, beyond its grace period, or all of them. */
static bool is_taking(struct conn *c, const struct config *config)
{
    int64_t least_kb = (config->write_timeout_ms - PACE_GRACE_MS) / PACE_MS_PER_BYTE / 1024;
    uint32_t now_kb = (stream_untaken(c) + 1023) / 1024;
    uint16_t before_kb = c->untaken_kb;

    c->untaken_kb = now_kb < UINT16_MAX ? (uint16_t)now_kb : UINT16_MAX;
    if (before_kb == 0 || now_kb == 0)
        return before_kb + now_kb > 0;
    return c->untaken_kb < before_kb && before_kb - c->untaken_kb >= least_kb;
}

/* How long a connection may stay parked whose client has taken answers since the last look. */
static int64_t patience_ms(const struct conn *c, const struct config *config)
{
    if (c->untaken_kb > 0)
        return config->write_timeout_ms;
    return c->phase == CONN_IDLE ? config->keepalive_timeout_ms : CLOSE_LINGER_MS;
}

enum conn_next connection_expire(struct conn *c, struct io *io)
{
    struct connection_stream s;
    enum conn_next next;

    /* It may be the server that is late: input that waits for a worker is served first, and a head
     * that is late even then is refused by park(). */
    if (c->phase == CONN_MORE && has_room(c))
        return CONN_PARK;
    if ((c->phase == CONN_IDLE || c->phase == CONN_HEAD) && has_input(c))
        return CONN_PARK;
    if (c->phase == CONN_HEAD) {
        stream_open(&s, c, io);
        next = refuse_raw(&s, 408, LATE_HEAD);
        return next == CONN_CLOSE && s.given_up ? let_go(&s) : next;
    }
    if (server_draining(io->server)) /* the kernel delivers what it has, but to nobody's account */
        return CONN_CLOSE;
    if (is_taking(c, io->server->config)) {
        set_deadline(c, io_now_ms() + patience_ms(c, io->server->config));
        return CONN_PARK;
    }
    if (c->untaken_kb > 0)
        reset(c);
    return CONN_CLOSE;
}

/* For how long an idle connection has been so; below 0 where a reload has changed the time-out. */
static int64_t idle_ms(const struct conn *c, const struct config *config)
{
    int64_t timeout_ms = c->requests > 0 ? config->keepalive_timeout_ms : config->header_timeout_ms;

    return io_now_ms() - (deadline_of(c) - timeout_ms);
}

/* Idle, but so lately used that the next request is likely to be on its way: closing now would lose
 * it (RFC 9112, 9.6). It is served, and its answer says that it is the last. */
static bool is_recent(const struct conn *c, const struct config *config)
{
    int64_t ms = idle_ms(c, config);

    return ms >= 0 && ms < RECENT_MS;
}

enum conn_next connection_drain(struct conn *c, struct io *io)
{
    if (c->phase == CONN_LINGER || c->phase == CONN_ENDING) {
        int64_t limit = io_now_ms() + LINGER_DRAIN_MS;

        if (deadline_of(c) > limit)
            set_deadline(c, limit);
        return CONN_PARK;
    }
    if (server_idle_may_stay(io->server) || c->phase == CONN_HEAD || c->phase == CONN_MORE ||
        is_recent(c, io->server->config) || has_input(c))
        return CONN_PARK; /* a request under way: its deadline ends it at the latest */
    return CONN_CLOSE;
}

enum conn_next connection_make_room(struct conn *c, struct io *io)
{
    const struct server *server = io->server;

    if (c->phase != CONN_IDLE || idle_ms(c, server->config) < ROOM_IDLE_MS || has_input(c) ||
        stream_untaken(c) > 0 || !shared_give_place(&server->shared->places_of_idle))
        return CONN_PARK;
    return CONN_CLOSE;
}
