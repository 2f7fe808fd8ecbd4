/* SPDX-License-Identifier: MIT
 *
 * connection.h: the life of a connection, played over a socket pair with time and
 * every wait in the hands of the test. The routes are the test's own.
 */
#include "rig.h"

#include "handler/handler.h"
#include "http/body.h"
#include "http/stream.h"

#define TEXT "Content-Type: text/plain\r\n"
/* The head of an answer that is kept alive, with a literal length. */
#define HEAD_OF(length)    "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT "Content-Length: " length "\r\n\r\n"
#define HI                 HEAD_OF("2") "hi"
#define GET_HI             "GET /hi HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, length) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " length "\r\n\r\n"
#define POST_CHUNKED(path) "POST " path " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CONTINUE           "HTTP/1.1 100 Continue\r\n\r\n"

enum { LINGER_MS = 10000, CLOSE_LINGER_MS = 2000, LINGER_DRAIN_MS = 500 };

/* --- routes --------------------------------------------------------------------- */

static int serve_hi(struct http_exchange *x)
{
    assert_int_equal(rig_of(x->io)->handlers, 1);
    return http_reply(x, 200, "text/plain", "hi", 2);
}

/* The request's slices stay what they were however much of the body is read. */
static void assert_head_is_whole(const struct http_exchange *x)
{
    const struct http_request *request = x->request;

    assert_true(http_slice_is(request->target, "/echo") ||
                http_slice_is(request->target, "/through"));
    assert_true(request->version_minor == 0 || http_slice_is(request->fields[0].name, "Host"));
    assert_true(request->version_minor == 0 || http_slice_is(request->fields[0].value, "a"));
}

/* Reads all of the body, then answers with it. */
static int serve_echo(struct http_exchange *x)
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
static int serve_through(struct http_exchange *x)
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

static int serve_one_byte(struct http_exchange *x)
{
    char byte;
    ssize_t count = http_read_body(x, &byte, 1);

    return count < 0 ? (int)count : http_reply(x, 200, "text/plain", &byte, (size_t)count);
}

static int serve_sleep(struct http_exchange *x)
{
    int error = io_sleep(x->io, 1);

    return error != 0 ? error : http_reply(x, 200, "text/plain", "zz", 2);
}

/* Gives up without an answer. */
static int serve_fail(struct http_exchange *x)
{
    (void)x;
    return -EIO;
}

static int serve_cancelled(struct http_exchange *x)
{
    (void)x;
    return -ECANCELED;
}

/* Ends too early, with or without saying so. */
static int serve_short(struct http_exchange *x)
{
    int error = http_begin(x, 200, "text/plain", 10);

    return error != 0 ? error : http_write(x, "abc", 3);
}

static int serve_broken(struct http_exchange *x)
{
    int error = http_begin(x, 200, "text/plain", HTTP_UNKNOWN_LENGTH);

    if (error == 0)
        error = http_write(x, "abc", 3);
    return error != 0 ? error : -EIO;
}

static const struct route routes[] = {
    {"/hi", 0, serve_hi, NULL, NULL},
    {"/echo", 0, serve_echo, NULL, NULL},
    {"/through", 0, serve_through, NULL, NULL},
    {"/one", 0, serve_one_byte, NULL, NULL},
    {"/sleep", ROUTE_WAITS, serve_sleep, NULL, NULL},
    {"/fail", 0, serve_fail, NULL, NULL},
    {"/cancelled", 0, serve_cancelled, NULL, NULL},
    {"/short", 0, serve_short, NULL, NULL},
    {"/broken", 0, serve_broken, NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const struct route *handler_find(const struct http_request *request)
{
    const struct route *route = routes;

    while (route->path != NULL && !http_slice_is(request->path, route->path))
        route++;
    return route->path != NULL ? route : NULL;
}

int handler_serve(const struct route *route, struct http_exchange *x)
{
    return route != NULL ? route->serve(x) : http_error(x, 404, "no such route");
}

/* --- idle, partial, served ------------------------------------------------------ */

static int begin(void **state)
{
    static struct rig rig;

    rig_init(&rig, SOCK_STREAM);
    *state = &rig;
    return 0;
}

static int begin_seqpacket(void **state)
{
    static struct rig rig;

    rig_init(&rig, SOCK_SEQPACKET);
    *state = &rig;
    return 0;
}

static int end(void **state)
{
    rig_term(*state);
    return 0;
}

/* Begins anew within one test. */
static void again(struct rig *rig)
{
    rig_term(rig);
    rig_init(rig, SOCK_STREAM);
}

static void nothing_has_come(void **state)
{
    struct rig *rig = *state;
    int64_t deadline = rig_now() + RIG_HEADER_MS;

    assert_int_equal(rig_deadline(rig), deadline);
    clocks_advance(1000);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_IDLE);
    assert_int_equal(rig_deadline(rig), deadline);
    assert_false(rig->conn.dirty);
    rig_expect(rig, "");
}

static void one_request(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI);
    clocks_advance(1000);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    assert_int_equal(rig->conn.phase, CONN_IDLE);
    assert_int_equal(rig->conn.requests, 1);
    assert_int_equal(rig->conn.spilled, 0);
    assert_false(rig->conn.dirty);
    assert_int_equal(rig_deadline(rig), rig_now() + RIG_KEEPALIVE_MS);
    assert_int_equal(stats_get(&rig->stats->requests), 1);
    assert_int_equal(stats_get(&rig->stats->responses[2]), 1);
    assert_int_equal(stats_get(&rig->stats->bytes_in), strlen(GET_HI));
    assert_int_equal(stats_get(&rig->stats->bytes_out), strlen(HI));
}

/* A head that comes slowly has one deadline, from accept() or from its first byte. */
static void the_deadline_of_a_head_is_absolute(void **state)
{
    struct rig *rig = *state;
    int64_t deadline = rig_deadline(rig);

    for (size_t i = 0; i < strlen(GET_HI); i++) {
        rig_send_bytes(rig, &GET_HI[i], 1);
        clocks_advance(10);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        if (i + 1 < strlen(GET_HI)) {
            assert_int_equal(rig->conn.phase, CONN_HEAD);
            assert_true(rig->conn.dirty);
            assert_int_equal(rig->conn.spilled, i + 1);
            assert_int_equal(rig_deadline(rig), deadline);
        }
    }
    rig_expect(rig, HI);
    clocks_advance(500);
    for (size_t i = 0; i < strlen(GET_HI); i++) {
        rig_send_bytes(rig, &GET_HI[i], 1);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        if (i == 0)
            deadline = rig_now() + RIG_HEADER_MS;
        if (i + 1 < strlen(GET_HI))
            assert_int_equal(rig_deadline(rig), deadline);
        clocks_advance(10);
    }
    rig_expect(rig, HI);
}

static void a_partial_second_head_gets_a_deadline_of_its_own(void **state)
{
    struct rig *rig = *state;

    clocks_advance(3000);
    rig_send(rig, GET_HI "GET /h");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    assert_int_equal(rig->conn.phase, CONN_HEAD);
    assert_int_equal(rig_deadline(rig), rig_now() + RIG_HEADER_MS);
}

/* --- every split ---------------------------------------------------------------- */

/* Input in pieces: each is sent when the server has done what it can with those before. */
struct pieces {
    const char *text;
    size_t length, sent;
    size_t piece;    /* bytes sent at once, or 0: */
    uint64_t random; /* from this */
    size_t random_limit;
};

static size_t next_piece(struct pieces *p)
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

static bool send_piece(struct rig *rig)
{
    struct pieces *p = rig->script;
    size_t piece = next_piece(p);

    if (piece == 0)
        return false;
    rig_send_bytes(rig, p->text + p->sent, piece);
    p->sent += piece;
    return true;
}

static int wait_for_piece(struct rig *rig, int events)
{
    rig_receive(rig);
    if (events & IO_WRITE)
        return IO_WRITE;
    if (!send_piece(rig))
        fail_msg("waits for more than was to come; answered %s", rig->received);
    return IO_READ;
}

/* Plays all of p to a fresh connection and checks all that comes back. */
static void play(struct rig *rig, struct pieces *p, const char *expected, size_t expected_length)
{
    rig->script = p;
    rig->on_wait = wait_for_piece;
    while (send_piece(rig)) {
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_receive(rig);
    }
    assert_int_equal(rig->conn.phase, CONN_IDLE);
    if (rig->received_length != expected_length ||
        memcmp(rig->received, expected, expected_length) != 0)
        fail_msg("pieces of %zu: got %zu bytes, not %zu: %.2000s", p->piece, rig->received_length,
                 expected_length, rig->received);
}

static const char MIXED[] =
    GET_HI "\r\n" POST("/echo", "5") "hello"
                                     "HEAD /hi HTTP/1.1\r\nHost: a\r\n\r\n" POST_CHUNKED(
                                         "/echo") "3\r\nabc\r\n2;x="
                                                  "\"y\"\r\nde\r\n0\r\nT: "
                                                  "u\r\n\r\n" POST("/hi", "4") "GET " POST_CHUNKED(
                                                      "/hi") "5\r\n\r\n\r\n "
                                                             "\r\n0\r\n\r\n"
                                                             "GET /none "
                                                             "HTTP/"
                                                             "1.1\r\nHost: "
                                                             "a\r\n\r\n"
                                                             "GET * "
                                                             "HTTP/"
                                                             "1.1\r\nHost: "
                                                             "a\r\n\r\n"
                                                             "GET /hi "
                                                             "HTTP/"
                                                             "1."
                                                             "0\r\nConnection: "
                                                             "keep-"
                                                             "alive\r\n\r"
                                                             "\n" POST("/one", "3") "xy"
                                                                                    "z" GET_HI;

static const char MIXED_ANSWERS[] = HI HEAD_OF("5") "hello" HEAD_OF("2")
    HEAD_OF("5") "abcde" HI HI "HTTP/1.1 404 Not Found\r\n" RIG_DATE TEXT
                 "Content-Length: 14\r\n\r\nno such route\n"
                 "HTTP/1.1 400 Bad Request\r\n" RIG_DATE TEXT
                 "Content-Length: 33\r\n\r\n\"*\" is a target for OPTIONS only\n"
                 "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                 "Content-Length: 2\r\nConnection: keep-alive\r\n\r\nhi" HEAD_OF("1") "x" HI;

static void every_split_in_two(void **state)
{
    struct rig *rig = *state;

    for (size_t split = 1; split < strlen(MIXED); split++) {
        /* The first piece ends at the split, what is left comes in one. */
        struct pieces first = {.text = MIXED, .length = split, .piece = split};

        again(rig);
        rig->on_wait = wait_for_piece;
        rig->script = &first;
        assert_true(send_piece(rig));
        first.length = strlen(MIXED);
        first.piece = strlen(MIXED);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        if (first.sent < first.length) {
            assert_true(send_piece(rig));
            assert_int_equal(rig_serve(rig), CONN_PARK);
        }
        rig_expect(rig, MIXED_ANSWERS);
        assert_int_equal(rig->conn.phase, CONN_IDLE);
        assert_int_equal(rig->conn.requests, 11);
    }
}

static void in_equal_pieces(void **state)
{
    struct rig *rig = *state;

    for (size_t piece = 1; piece <= strlen(MIXED); piece = piece < 64 ? piece + 1 : piece * 2) {
        struct pieces p = {.text = MIXED, .length = strlen(MIXED), .piece = piece};

        again(rig);
        play(rig, &p, MIXED_ANSWERS, strlen(MIXED_ANSWERS));
    }
}

/* Heads of every size up to the largest, bodies of many sizes, read in random pieces: the input
 * buffer fills, wraps and is moved in every way. */
static void random_pipelines(void **state)
{
    enum { ROUNDS = 60, REQUESTS = 40 };
    static char text[REQUESTS * 60000], expected[REQUESTS * 60000];
    struct rig *rig = *state;
    uint64_t random = 88172645463325252u;

    for (int round = 0; round < ROUNDS; round++) {
        struct pieces p = {.text = text,
                           .random = (uint64_t)round + 1,
                           .random_limit = round % 3 == 0   ? 60000
                                           : round % 3 == 1 ? 3000
                                                            : 300};
        size_t length = 0, answers = 0;
        bool whole = round % 4 == 3; /* each head fills max_header to the last byte */

        for (int i = 0; i < REQUESTS; i++) {
            size_t pad, body, start = length;

            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            body = (size_t)(random >> 8) % (round % 2 == 0 ? 200 : 40000);
            length += (size_t)sprintf(text + length, "POST /echo HTTP/1.1\r\nHost: a\r\n");
            length += (size_t)sprintf(
                text + length,
                random & 1 ? "Transfer-Encoding: chunked\r\n" : "Content-Length: %zu\r\n", body);
            pad = RIG_MAX_HEADER - (length - start) - strlen("P: \r\n\r\n");
            if (!whole)
                pad = (size_t)(random >> 32) % pad;
            length += (size_t)sprintf(text + length, "P: %0*d\r\n\r\n", pad > 0 ? (int)pad : 1, 0);
            if (random & 1) {
                for (size_t at = 0; at < body;) {
                    size_t chunk = 1 + (size_t)(random >> 16) % 5000;

                    chunk = chunk < body - at ? chunk : body - at;
                    length += (size_t)sprintf(text + length, "%zx\r\n", chunk);
                    memset(text + length, 'a' + i % 26, chunk);
                    length += chunk;
                    length += (size_t)sprintf(text + length, "\r\n");
                    at += chunk;
                }
                length += (size_t)sprintf(text + length, "0\r\n\r\n");
            } else {
                memset(text + length, 'a' + i % 26, body);
                length += body;
            }
            answers += (size_t)sprintf(expected + answers, HEAD_OF("%zu"), body);
            memset(expected + answers, 'a' + i % 26, body);
            answers += body;
        }
        p.length = length;
        again(rig);
        play(rig, &p, expected, answers);
    }
}

/* --- pipelining ----------------------------------------------------------------- */

static void pipelined_answers_leave_in_one_send(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI GET_HI GET_HI GET_HI GET_HI GET_HI GET_HI GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig_receive_once(rig), 8 * strlen(HI));
    assert_int_equal(rig_receive_once(rig), -1);
    assert_string_equal(rig->received, HI HI HI HI HI HI HI HI);
}

/* An answer that is ready does not wait for a request that may take long. */
static void answers_leave_before_a_route_that_waits(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI GET_HI "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->sleeps, 1);
    assert_int_equal(rig_receive_once(rig), 2 * strlen(HI));
    assert_int_equal(rig_receive_once(rig), strlen(HEAD_OF("2") "zz" HI));
    assert_int_equal(rig_receive_once(rig), -1);
}

/* Nor for a body that the client has not sent yet. */
static int body_comes(struct rig *rig, int events)
{
    assert_int_equal(events, IO_READ);
    assert_string_equal(rig_receive(rig), HI);
    rig_send(rig, "hello");
    return IO_READ;
}

static void answers_leave_before_a_body_is_waited_for(void **state)
{
    struct rig *rig = *state;

    rig->on_wait = body_comes;
    rig_send(rig, GET_HI POST("/echo", "5"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->waits, 1);
    rig_expect(rig, HI HEAD_OF("5") "hello");
}

static void nothing_after_connection_close_is_served(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, "GET /hi HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n" GET_HI GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                    "Content-Length: 2\r\nConnection: close\r\n\r\nhi");
    assert_true(rig->end);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig->conn.requests, 1);
    assert_int_equal(rig_deadline(rig), rig_now() + CLOSE_LINGER_MS);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(stats_get(&rig->stats->requests), 1);
}

static int stuck(struct rig *rig, int events)
{
    (void)rig;
    assert_true(events & IO_WRITE);
    return -ETIMEDOUT;
}

/* A client that pipelines and does not read: the server waits for it, then gives up. */
static void back_pressure(void **state)
{
    struct rig *rig = *state;
    char requests[500 * sizeof GET_HI];
    size_t length = 0;
    int small = 1;

    for (int i = 0; i < 500; i++)
        length += (size_t)sprintf(requests + length, "%s", GET_HI);
    assert_return_code(setsockopt(rig->conn.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                       errno);
    rig->on_wait = stuck;
    rig_send_bytes(rig, requests, length);
    if (rig_serve(rig) == CONN_PARK)
        assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig->waits, 1);
    assert_int_equal(rig->wait_deadline_ms - rig_now(), 5000); /* the grace period is less than
                                                                  write_timeout_ms */
    assert_true(stats_get(&rig->stats->requests) < 500);
    assert_int_equal(stats_get(&rig->stats->bytes_out), rig_receive_once(rig));
}

/* --- half-close and lingering --------------------------------------------------- */

static void half_close_after_a_request(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI GET_HI);
    assert_return_code(shutdown(rig->client, SHUT_WR), errno);
    if (rig_serve(rig) == CONN_PARK)
        assert_int_equal(rig_serve(rig), CONN_CLOSE);
    rig_expect(rig, HI HI);
}

static void half_close_in_a_head(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI "GET /hi HT");
    assert_return_code(shutdown(rig->client, SHUT_WR), errno);
    if (rig_serve(rig) == CONN_PARK)
        assert_int_equal(rig_serve(rig), CONN_CLOSE);
    rig_expect(rig, HI);
}

static int half_close(struct rig *rig, int events)
{
    assert_int_equal(events, IO_READ);
    assert_return_code(shutdown(rig->client, SHUT_WR), errno);
    return IO_READ;
}

/* A body that ends too early is not served as if it were whole. */
static void half_close_in_a_body(void **state)
{
    static const char *const requests[] = {POST("/echo", "5") "hell", POST_CHUNKED("/echo") "5\r\n",
                                           POST_CHUNKED("/echo") "5\r\nhello\r\n",
                                           POST_CHUNKED("/echo") "5\r\nhello\r\n0\r\n"};
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(requests); i++) {
        again(rig);
        rig->on_wait = half_close;
        rig_send(rig, requests[i]);
        if (rig_serve(rig) == CONN_PARK)
            assert_int_equal(rig->conn.phase, CONN_LINGER);
        rig_receive(rig);
        assert_null(strstr(rig->received, "200"));
    }
}

static void close_after_an_answer_waits_for_the_client(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, "GET /hi HTTP/1.0\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    close(rig->client);
    rig->client = -1;
    assert_int_equal(rig_serve(rig), CONN_CLOSE);
}

/* --- refusals ------------------------------------------------------------------- */

/* What a refusal must look like: status, a length, close, and a half-closed connection. */
static void check_refused(struct rig *rig, const char *input, size_t length, unsigned status)
{
    char line[40];

    rig_send_bytes(rig, input, length);
    if (rig_serve(rig) != CONN_PARK)
        fail_msg("closed at once: %.200s", input);
    rig_receive(rig);
    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    if (strncmp(rig->received, line, strlen(line)) != 0 || !rig->end ||
        strstr(rig->received, "\r\nConnection: close\r\n") == NULL ||
        strstr(rig->received, "\r\nContent-Length: ") == NULL ||
        strstr(rig->received, "\r\nDate: ") == NULL)
        fail_msg("%.200s: %s", input, rig->received);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig_deadline(rig), rig_now() + LINGER_MS);
    assert_int_equal(stats_get(&rig->stats->responses[status / 100]), 1);
    assert_int_equal(stats_get(&rig->stats->requests), 1);
}

static void refusals(void **state)
{
    static const struct {
        const char *input;
        unsigned status;
    } rows[] = {
        {"GET /hi HTTP/1.1\r\n\r\n", 400},
        {"GET /hi HTTP/1.1\nHost: a\n\n", 400},
        {"GET /hi HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
        {"GET /hi\r\n", 400},
        {"\x16\x03\x01", 400},
        {POST("/echo", "-1"), 400},
        {POST("/echo", "200001"), 413},
        {POST("/echo", "9223372036854775807"), 413},
        {POST("/hi", "200001"), 413},
        {POST("/hi", "9223372036854775808"), 400},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET /hi HTTP/2.0\r\n\r\n", 505},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: x\r\n\r\nhi", 417},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        again(rig);
        check_refused(rig, rows[i].input, strlen(rows[i].input), rows[i].status);
    }
}

static void a_refused_connect_says_what_is_allowed(void **state)
{
    static const char request[] = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
    struct rig *rig = *state;

    check_refused(rig, request, strlen(request), 405);
    assert_non_null(strstr(rig->received, "\r\nAllow: "));
}

static void refused_after_good_ones(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI GET_HI "BAD\r\n\r\n" GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_receive(rig);
    assert_int_equal(strncmp(rig->received, HI HI "HTTP/1.1 400 ", 2 * strlen(HI) + 13), 0);
    assert_null(strstr(rig->received + 2 * strlen(HI) + 1, "200 OK"));
    assert_true(rig->end);
}

static void head_is_refused_without_a_body(void **state)
{
    static const char *const requests[] = {"HEAD /hi HTTP/1.1\r\n\r\n",
                                           "HEAD /hi HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"};
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(requests); i++) {
        const char *body;

        again(rig);
        check_refused(rig, requests[i], strlen(requests[i]), 400);
        body = strstr(rig->received, "\r\n\r\n");
        assert_non_null(body);
        assert_string_equal(body, "\r\n\r\n");
    }
}

/* A head of exactly that many bytes. */
static size_t head_of(char *text, size_t length)
{
    int pad = (int)(length - strlen("GET /hi HTTP/1.1\r\nHost: a\r\nP: \r\n\r\n"));

    return (size_t)sprintf(text, "GET /hi HTTP/1.1\r\nHost: a\r\nP: %0*d\r\n\r\n", pad, 0);
}

static void the_largest_head(void **state)
{
    struct rig *rig = *state;
    char text[2 * RIG_MAX_HEADER];

    assert_int_equal(head_of(text, RIG_MAX_HEADER), RIG_MAX_HEADER);
    rig_send(rig, text);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    for (size_t split = 1; split < RIG_MAX_HEADER; split += 63) {
        rig_send_bytes(rig, text, split);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_send(rig, text + split);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_expect(rig, HI);
    }
}

static void a_head_that_is_too_large(void **state)
{
    struct rig *rig = *state;
    char text[2 * RIG_MAX_HEADER];
    size_t length = head_of(text, RIG_MAX_HEADER + 1);

    check_refused(rig, text, length, 431);
    again(rig);
    check_refused(rig, text, RIG_MAX_HEADER + 1, 431);
    again(rig);
    rig_send_bytes(rig, text, RIG_MAX_HEADER); /* its last line may still come ... */
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "");
    assert_int_equal(rig->conn.spilled, RIG_MAX_HEADER);
    check_refused(rig, text + RIG_MAX_HEADER, 1, 431); /* ... but it is too late for that */
}

static void too_many_fields(void **state)
{
    struct rig *rig = *state;
    char text[RIG_MAX_HEADER];
    size_t length = (size_t)sprintf(text, "GET /hi HTTP/1.1\r\nHost: a\r\n");

    for (int i = 0; i < HTTP_MAX_FIELDS; i++)
        length += (size_t)sprintf(text + length, "a: b\r\n");
    length += (size_t)sprintf(text + length, "\r\n");
    check_refused(rig, text, length, 431);
}

static void a_target_that_is_too_long(void **state)
{
    struct rig *rig = *state;
    static char text[HTTP_MAX_TARGET + 100];
    size_t length;

    rig->config.max_header = 2 * HTTP_MAX_TARGET;
    free(rig->io.in);
    free(rig->spill);
    rig->io.in_size = connection_in_size(&rig->config);
    rig->io.in = malloc(rig->io.in_size);
    rig->spill = malloc(connection_spill_size(&rig->config));
    assert_true(rig->io.in != NULL && rig->spill != NULL);
    connection_init(&rig->conn, rig->conn.fd, rig->spill, &rig->config);
    length = (size_t)sprintf(text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_MAX_TARGET, 0);
    check_refused(rig, text, length, 414);
}

/* The answer can be read by a client that goes on sending for long. */
static void a_refused_client_is_read_on(void **state)
{
    static const char request[] = POST("/echo", "100000000");
    static char junk[100000];
    struct rig *rig = *state;
    uint64_t before;

    check_refused(rig, request, strlen(request), 413);
    memset(junk, 'j', sizeof junk);
    before = stats_get(&rig->stats->bytes_in);
    for (int i = 0; i < 50; i++) {
        rig_send_bytes(rig, junk, sizeof junk);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_receive(rig);
    }
    assert_int_equal(stats_get(&rig->stats->bytes_in) - before, 50 * sizeof junk);
    assert_int_equal(stats_get(&rig->stats->requests), 1);
    assert_int_equal(rig_deadline(rig), rig_now() + LINGER_MS); /* not moved by what comes */
    close(rig->client);
    rig->client = -1;
    assert_int_equal(rig_serve(rig), CONN_CLOSE);
}

static void lingering_ends_at_its_deadline(void **state)
{
    struct rig *rig = *state;

    check_refused(rig, "BAD\r\n\r\n", 7, 400);
    rig_send(rig, "more");
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
}

/* --- deadlines of parked connections -------------------------------------------- */

static void expire_before_a_request(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
    rig_expect(rig, "");
    assert_int_equal(stats_get(&rig->stats->requests), 0);
    again(rig);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
    rig_expect(rig, "");
}

static void expire_within_a_head(void **state)
{
    static const struct {
        const char *input;
        bool body;
    } rows[] = {
        {"G", true}, {"GET /hi HTTP/1.1\r\nHost: a\r\n", true}, {"HEAD /", false}, {"HEAD", true}};
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *body;

        again(rig);
        rig_send(rig, rows[i].input);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_scribble(rig);
        clocks_advance(RIG_HEADER_MS);
        assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
        rig_receive(rig);
        assert_int_equal(strncmp(rig->received, "HTTP/1.1 408 Request Timeout\r\n", 30), 0);
        assert_non_null(strstr(rig->received, "\r\nConnection: close\r\n"));
        body = strstr(rig->received, "\r\n\r\n");
        assert_non_null(body);
        assert_int_equal(body[4] != '\0', rows[i].body);
        assert_true(rig->end);
        assert_int_equal(rig->conn.phase, CONN_LINGER);
        assert_int_equal(rig_deadline(rig), rig_now() + LINGER_MS);
        assert_int_equal(stats_get(&rig->stats->responses[4]), 1);
    }
}

/* The server may be the one that is late: what has come is served first. */
static void expire_with_input_that_waits(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI);
    clocks_advance(RIG_HEADER_MS + 1);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    rig_expect(rig, "");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);

    rig_send(rig, "GET /h");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    clocks_advance(RIG_HEADER_MS + 1);
    rig_send(rig, "i HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
}

/* One that sends a byte now and then gains no time by it. */
static void a_late_head_is_refused_when_it_is_read(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, "GET /h");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    clocks_advance(RIG_HEADER_MS);
    rig_send(rig, "i");
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_HEAD);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
}

/* --- draining ------------------------------------------------------------------- */

static void drain_closes_what_is_idle(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    again(rig);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    rig_expect(rig, "");
}

static void drain_leaves_what_has_begun(void **state)
{
    struct rig *rig = *state;

    atomic_store(&rig->server.shared->draining, true);
    rig_send(rig, GET_HI GET_HI);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                    "Content-Length: 2\r\nConnection: close\r\n\r\nhi");
    assert_true(rig->end);
    assert_int_equal(rig->conn.requests, 1);

    again(rig);
    rig_send(rig, "GET /hi HT");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    atomic_store(&rig->server.shared->draining, true);
    rig_send(rig, "TP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_non_null(strstr(rig_receive(rig), "\r\nConnection: close\r\n"));
    assert_true(rig->end);
}

static void drain_shortens_lingering(void **state)
{
    struct rig *rig = *state;
    int64_t deadline;

    check_refused(rig, "BAD\r\n\r\n", 7, 400);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    deadline = rig_now() + LINGER_DRAIN_MS;
    assert_int_equal(rig_deadline(rig), deadline);
    clocks_advance(100);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig_deadline(rig), deadline); /* and never makes it longer again */
}

/* --- bodies --------------------------------------------------------------------- */

static int continued(struct rig *rig, int events)
{
    assert_int_equal(events, IO_READ);
    assert_string_equal(rig_receive(rig), CONTINUE);
    rig_forget(rig);
    rig_send(rig, "hello");
    return IO_READ;
}

#define EXPECT(path)                                                                               \
    "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n"

static void continue_when_the_body_is_asked_for(void **state)
{
    struct rig *rig = *state;

    rig->on_wait = continued;
    rig_send(rig, EXPECT("/echo"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->waits, 1);
    rig_expect(rig, HEAD_OF("5") "hello");
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
}

static void no_continue_when_the_body_is_there(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, EXPECT("/echo") "hello");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HEAD_OF("5") "hello");
}

static void no_continue_when_the_body_is_not_wanted(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, EXPECT("/hi"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                    "Content-Length: 2\r\nConnection: close\r\n\r\nhi");
    assert_true(rig->end);
}

static void no_continue_for_http_1_0_or_without_a_body(void **state)
{
    struct rig *rig = *state;
    struct pieces p = {.text = "hello", .length = 5, .piece = 5};

    rig->on_wait = wait_for_piece;
    rig->script = &p;
    rig_send(rig, "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                    "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
    again(rig);
    rig_send(rig, "GET /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HEAD_OF("0"));
}

/* A body left unread is never taken for the next request. */
static void an_unread_body_is_skipped(void **state)
{
    static const char *const requests[] = {
        POST("/hi", "31") "GET /none HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI,
        POST("/one", "31") "GET /none HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI,
        POST_CHUNKED("/hi") "1f\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n" GET_HI,
        POST("/nowhere", "31") "GET /none HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI,
        "BREW * HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\n"
        "GET /none HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI,
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(requests); i++) {
        again(rig);
        rig_send(rig, requests[i]);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        assert_int_equal(stats_get(&rig->stats->requests), 2);
        rig_receive(rig);
        assert_true(rig->received_length > strlen(HI));
        assert_string_equal(rig->received + rig->received_length - strlen(HI), HI);
    }
}

static void a_large_unread_body_closes(void **state)
{
    struct rig *rig = *state;
    char head[200];

    snprintf(head, sizeof head, POST("/hi", "%d") "GET /hi HTTP/1.1\r\nHost: a\r\n\r\n",
             BODY_DISCARD_LIMIT + 1);
    rig_send(rig, head);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                    "Content-Length: 2\r\nConnection: close\r\n\r\nhi");
    assert_true(rig->end);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig_deadline(rig), rig_now() + LINGER_MS);
}

/* Chunks whose end does not come within the limit: the connection closes after the answer. */
static void a_long_unread_chunked_body_closes(void **state)
{
    struct rig *rig = *state;
    static char text[BODY_DISCARD_LIMIT + 20000];
    size_t length = (size_t)sprintf(text, "%s", POST_CHUNKED("/hi"));

    while (length < BODY_DISCARD_LIMIT + 10000)
        length += (size_t)sprintf(text + length, "3e8\r\n%01000d\r\n", 0);
    rig_send_bytes(rig, text, length);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_true(rig->end);
    assert_int_equal(stats_get(&rig->stats->requests), 1);
}

static int gives_up(struct rig *rig, int events)
{
    (void)rig;
    assert_int_equal(events, IO_READ);
    return -ETIMEDOUT;
}

static int cancelled(struct rig *rig, int events)
{
    (void)rig;
    assert_int_equal(events, IO_READ);
    return -ECANCELED;
}

/* What http_read_body() failed with is answered, while there is no answer yet. */
static void body_errors_are_answered(void **state)
{
    static const struct {
        const char *request;
        rig_wait *on_wait;
        const char *status;
    } rows[] = {
        {POST_CHUNKED("/echo") "x", NULL, "HTTP/1.1 400 "},
        {POST_CHUNKED("/echo") "1\nx", NULL, "HTTP/1.1 400 "},
        {POST_CHUNKED("/echo") "1\r\nxy", NULL, "HTTP/1.1 400 "},
        {POST_CHUNKED("/echo") "1\r\nx\r\n0\r\nA : b\r\n", NULL, "HTTP/1.1 400 "},
        {POST_CHUNKED("/echo") "30d41\r\nx", NULL, "HTTP/1.1 413 "},
        {POST_CHUNKED("/echo") "1\r\nx\r\n30d40\r\nx", NULL, "HTTP/1.1 413 "},
        {POST_CHUNKED("/echo") "7fffffffffffffff\r\nx", NULL, "HTTP/1.1 413 "},
        {POST("/echo", "5") "hell", gives_up, "HTTP/1.1 408 "},
        {POST_CHUNKED("/echo") "5\r\nhell", gives_up, "HTTP/1.1 408 "},
        {POST_CHUNKED("/echo"), gives_up, "HTTP/1.1 408 "},
        {POST("/echo", "5") "hell", cancelled, "HTTP/1.1 503 "},
        {"GET /cancelled HTTP/1.1\r\nHost: a\r\n\r\n", NULL, "HTTP/1.1 503 "},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        again(rig);
        rig->on_wait = rows[i].on_wait;
        rig_send(rig, rows[i].request);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_receive(rig);
        if (strncmp(rig->received, rows[i].status, strlen(rows[i].status)) != 0 ||
            strstr(rig->received, "\r\nConnection: close\r\n") == NULL || !rig->end)
            fail_msg("%s: %s", rows[i].request, rig->received);
        assert_int_equal(rig->conn.phase, CONN_LINGER);
    }
}

static void the_largest_body(void **state)
{
    static char body[RIG_MAX_BODY];
    struct rig *rig = *state;
    struct pieces p = {.text = body, .length = sizeof body, .piece = 30000};
    size_t head = strlen(HEAD_OF("200000"));

    memset(body, 'b', sizeof body);
    rig->on_wait = wait_for_piece;
    rig->script = &p;
    rig_send(rig, POST("/echo", "200000"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_receive(rig);
    assert_int_equal(rig->received_length, head + sizeof body);
    assert_memory_equal(rig->received, HEAD_OF("200000"), head);
    assert_memory_equal(rig->received + head, body, sizeof body);
}

/* No answer to a failure is put into the middle of another. */
static void errors_in_mid_answer_break_it_off(void **state)
{
    static const char *const requests[] = {
        POST_CHUNKED("/through") "3\r\nabc\r\nx",
        "GET /broken HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI,
        "GET /short HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI,
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(requests); i++) {
        enum conn_next next;
        const char *body;

        again(rig);
        rig_send(rig, GET_HI);
        rig_send(rig, requests[i]);
        next = rig_serve(rig);
        if (next == CONN_PARK)
            assert_int_equal(rig->conn.phase, CONN_LINGER);
        rig_receive(rig);
        assert_memory_equal(rig->received, HI, strlen(HI)); /* an earlier answer is delivered */
        body = strstr(rig->received + strlen(HI), "\r\n\r\n");
        assert_non_null(body);
        assert_null(strstr(body, "HTTP/1.1"));
        assert_null(strstr(body, "0\r\n\r\n"));
        assert_int_equal(stats_get(&rig->stats->requests), 2);
    }
}

static void a_handler_that_gives_up_without_an_answer(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI "GET /fail HTTP/1.1\r\nHost: a\r\n\r\n" GET_HI);
    if (rig_serve(rig) == CONN_PARK)
        assert_int_equal(rig->conn.phase, CONN_LINGER);
    rig_expect(rig, HI);
    assert_int_equal(stats_get(&rig->stats->responses[2]), 1);
}

/* --- how long a client is waited for -------------------------------------------- */

/* A client that sends a little each time it is waited for, after a while. */
struct drip {
    int64_t after_ms;
    size_t bytes;
    int64_t waited_ms; /* in all */
};

static int drips(struct rig *rig, int events)
{
    struct drip *drip = rig->script;
    int64_t allowed = rig->wait_deadline_ms - rig_now();
    char bytes[20000];

    rig_receive(rig);
    assert_int_equal(events, IO_READ);
    assert_true(allowed > 0 && allowed <= RIG_BODY_MS);
    if (drip->after_ms >= allowed) {
        clocks_advance(allowed);
        drip->waited_ms += allowed;
        return -ETIMEDOUT;
    }
    clocks_advance(drip->after_ms);
    drip->waited_ms += drip->after_ms;
    memset(bytes, 'd', sizeof bytes);
    rig_send_bytes(rig, bytes, drip->bytes);
    return IO_READ;
}

static void a_slow_body_is_ended_by_the_rate(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 1000, .bytes = 100};

    rig->script = &drip;
    rig->on_wait = drips;
    rig_send(rig, POST("/echo", "100000"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    /* Five seconds of grace, and what the bytes sent meanwhile pay for at 500 a second. */
    assert_in_range(drip.waited_ms, 5000, 5000 + 2000);
}

static void a_body_at_the_rate_is_served(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 1000, .bytes = 500};

    rig->script = &drip;
    rig->on_wait = drips;
    rig_send(rig, POST("/echo", "50000"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 200 ", 13), 0);
    assert_int_equal(drip.waited_ms, 100000);
}

static void silence_is_ended_by_the_grace_period(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 5000, .bytes = 5};

    rig->script = &drip;
    rig->on_wait = drips;
    rig_send(rig, POST("/echo", "5"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    assert_int_equal(drip.waited_ms, 5000);
}

static int drips_once(struct rig *rig, int events)
{
    struct drip *drip = rig->script;
    int result = drips(rig, events);

    drip->after_ms = INT64_MAX;
    return result;
}

/* Bytes that would be enough for forty seconds do not buy that much silence. */
static void silence_is_ended_by_the_body_timeout(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 1000, .bytes = 20000};

    rig->config.body_timeout_ms = 3000;
    rig->script = &drip;
    rig->on_wait = drips_once;
    rig_send(rig, POST("/echo", "30000"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    assert_int_equal(drip.waited_ms, 1000 + 3000);
}

/* --- sending all before reading any --------------------------------------------- */

enum { WHOLE = 150000 };

/* The client sends what is left of its body and reads only then. */
static int reads_last(struct rig *rig, int events)
{
    struct pieces *p = rig->script;

    if ((events & IO_READ) && send_piece(rig))
        return IO_READ;
    assert_true(p->sent == p->length);
    assert_true(events & IO_WRITE);
    rig_receive(rig);
    return IO_WRITE;
}

/* The client sends two pieces for each time that it reads. */
static int reads_now_and_then(struct rig *rig, int events)
{
    if (rig->waits % 3 != 0 && (events & IO_READ) && send_piece(rig))
        return IO_READ;
    if (!(events & IO_WRITE)) /* all has been answered that was sent */
        return send_piece(rig) ? IO_READ : -ETIMEDOUT;
    rig_receive(rig);
    return IO_WRITE;
}

/* Sends a large body as wait does, then a request, and checks all that comes back. Without reading
 * ahead a handler that answers meanwhile and the client would wait for each other for ever. */
static void check_through(struct rig *rig, rig_wait *wait)
{
    static const char head[] =
        "POST /through HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n";
    static char text[WHOLE + sizeof GET_HI];
    static struct pieces p;
    size_t length = 0;
    int small = 1;
    const char *at;

    assert_return_code(setsockopt(rig->conn.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                       errno);
    for (size_t i = 0; i < WHOLE; i++)
        text[i] = (char)('a' + (i / 7) % 26);
    memcpy(text + WHOLE, GET_HI, strlen(GET_HI));
    p = (struct pieces){.text = text, .length = WHOLE + strlen(GET_HI), .piece = 20000};
    rig->script = &p;
    rig->on_wait = wait;
    rig_send(rig, head);
    assert_true(send_piece(rig));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    while (send_piece(rig))
        assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig_serve(rig), CONN_PARK); /* readable still, if the request was left */
    rig_receive(rig);
    assert_int_equal(rig->conn.requests, 2);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), 0);
    assert_int_equal(stats_get(&rig->stats->read_ahead), 0);
    assert_int_equal(stats_get(&rig->stats->bytes_in), strlen(head) + p.length);

    at = strstr(rig->received, "\r\n\r\n") + 4;
    while (*at != '0') { /* chunk by chunk against what was sent */
        char *end;
        unsigned long chunk = strtoul(at, &end, 16);

        assert_memory_equal(end, "\r\n", 2);
        assert_true(chunk > 0 && length + chunk <= WHOLE);
        assert_memory_equal(end + 2, text + length, chunk);
        assert_memory_equal(end + 2 + chunk, "\r\n", 2);
        length += chunk;
        at = end + 4 + chunk;
    }
    assert_int_equal(length, WHOLE);
    assert_string_equal(at, "0\r\n\r\n" HI);
}

static void a_client_that_sends_all_before_it_reads(void **state)
{
    check_through(*state, reads_last);
}

static void a_client_that_reads_less_than_it_sends(void **state)
{
    check_through(*state, reads_now_and_then);
}

/* Memory taken for reading ahead is given back when the connection breaks. */
static int reads_ahead_then_breaks(struct rig *rig, int events)
{
    if ((events & IO_READ) && send_piece(rig))
        return IO_READ;
    assert_true(atomic_load(&rig->server.shared->read_ahead) > 0);
    return -ETIMEDOUT;
}

static void a_broken_connection_gives_its_memory_back(void **state)
{
    static char text[WHOLE];
    struct rig *rig = *state;
    struct pieces p = {.text = text, .length = WHOLE, .piece = 20000};
    int small = 1;

    assert_return_code(setsockopt(rig->conn.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                       errno);
    memset(text, 'x', sizeof text);
    rig->script = &p;
    rig->on_wait = reads_ahead_then_breaks;
    rig_send(rig, POST("/through", "150000"));
    assert_true(send_piece(rig));
    (void)rig_serve(rig);
    assert_true(rig->waits > 1);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), 0);
    assert_int_equal(stats_get(&rig->stats->read_ahead), 0);
}

#define PLAIN(test)   cmocka_unit_test_setup_teardown(test, begin, end)
#define PACKETS(test) cmocka_unit_test_setup_teardown(test, begin_seqpacket, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(nothing_has_come),
        PLAIN(one_request),
        PLAIN(the_deadline_of_a_head_is_absolute),
        PLAIN(a_partial_second_head_gets_a_deadline_of_its_own),
        PLAIN(every_split_in_two),
        PLAIN(in_equal_pieces),
        PLAIN(random_pipelines),
        PACKETS(pipelined_answers_leave_in_one_send),
        PACKETS(answers_leave_before_a_route_that_waits),
        PLAIN(answers_leave_before_a_body_is_waited_for),
        PLAIN(nothing_after_connection_close_is_served),
        PLAIN(back_pressure),
        PLAIN(half_close_after_a_request),
        PLAIN(half_close_in_a_head),
        PLAIN(half_close_in_a_body),
        PLAIN(close_after_an_answer_waits_for_the_client),
        PLAIN(refusals),
        PLAIN(a_refused_connect_says_what_is_allowed),
        PLAIN(refused_after_good_ones),
        PLAIN(head_is_refused_without_a_body),
        PLAIN(the_largest_head),
        PLAIN(a_head_that_is_too_large),
        PLAIN(too_many_fields),
        PLAIN(a_target_that_is_too_long),
        PLAIN(a_refused_client_is_read_on),
        PLAIN(lingering_ends_at_its_deadline),
        PLAIN(expire_before_a_request),
        PLAIN(expire_within_a_head),
        PLAIN(expire_with_input_that_waits),
        PLAIN(a_late_head_is_refused_when_it_is_read),
        PLAIN(drain_closes_what_is_idle),
        PLAIN(drain_leaves_what_has_begun),
        PLAIN(drain_shortens_lingering),
        PLAIN(continue_when_the_body_is_asked_for),
        PLAIN(no_continue_when_the_body_is_there),
        PLAIN(no_continue_when_the_body_is_not_wanted),
        PLAIN(no_continue_for_http_1_0_or_without_a_body),
        PLAIN(an_unread_body_is_skipped),
        PLAIN(a_large_unread_body_closes),
        PLAIN(a_long_unread_chunked_body_closes),
        PLAIN(body_errors_are_answered),
        PLAIN(the_largest_body),
        PLAIN(errors_in_mid_answer_break_it_off),
        PLAIN(a_handler_that_gives_up_without_an_answer),
        PLAIN(a_slow_body_is_ended_by_the_rate),
        PLAIN(a_body_at_the_rate_is_served),
        PLAIN(silence_is_ended_by_the_grace_period),
        PLAIN(silence_is_ended_by_the_body_timeout),
        PLAIN(a_client_that_sends_all_before_it_reads),
        PLAIN(a_client_that_reads_less_than_it_sends),
        PLAIN(a_broken_connection_gives_its_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
