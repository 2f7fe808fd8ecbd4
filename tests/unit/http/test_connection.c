/* SPDX-License-Identifier: MIT
 *
 * connection.h: the life of a connection, played over a socket pair with time and
 * every wait in the hands of the test. The routes are the test's own.
 */
#include "routes.h"

enum { LINGER_MS = 10000, CLOSE_LINGER_MS = 2000, LINGER_DRAIN_MS = 500, RECENT_MS = 250 };

/* --- idle, partial, served ------------------------------------------------------ */

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
    assert_int_equal(rig->conn.phase, CONN_ENDING); /* may be looked at later */
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER); /* has not gone by then: to be watched */
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
    connection_init(&rig->conn, rig->conn.fd, &in6addr_any, rig->spill, &rig->config);
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

/* Answers that are on their way keep a connection for as long as the client goes on taking them,
 * whatever it is parked for; then they are dropped with it. */
static void expire_with_answers_on_their_way(void **state)
{
    static const struct {
        const char *request;
        int64_t then_ms; /* once all has been taken */
    } rows[] = {
        {GET_HI GET_HI GET_HI, RIG_KEEPALIVE_MS},
        {GET_HI GET_HI "GET /hi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", CLOSE_LINGER_MS},
        {GET_HI GET_HI "BAD\r\n\r\n", CLOSE_LINGER_MS},
    };

    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        struct rig *rig = *state;
        char bytes[8192];

        rig_term(rig);
        rig_init_routes(rig, SOCK_STREAM);
        for (int sends = 0; sends < 3; sends++) /* each of them can be read alone */
            assert_int_equal(send(rig->conn.fd, bytes, sizeof bytes, 0), sizeof bytes);
        rig_send(rig, rows[i / 2].request);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        for (int looks = 0; looks < 3; looks++) {
            assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
            assert_int_equal(rig_deadline(rig), rig_now() + RIG_WRITE_MS);
            assert_int_equal(recv(rig->client, bytes, sizeof bytes, 0), sizeof bytes);
        }
        if (i % 2 == 0)
            rig_receive(rig);
        assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
        assert_int_equal(rig_deadline(rig),
                         rig_now() + (i % 2 == 0 ? rows[i / 2].then_ms : RIG_WRITE_MS));
        assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
    }
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

/* --- making room for others ----------------------------------------------------- */

/* An idle connection goes when a place is wanted, and takes it once; any other stays. */
static void who_makes_room(void **state)
{
    static const struct {
        const char *input;
        int64_t idle_ms;
        int32_t wanted, left;
        enum conn_next next;
        bool takes_answers, asks;
    } rows[] = {
        {"", 1000, 1, 0, CONN_CLOSE, true, false},
        {GET_HI, 1000, 2, 1, CONN_CLOSE, true, false},
        {GET_HI, 1000, 0, 0, CONN_PARK, true, false},  /* no place is wanted */
        {GET_HI, 999, 1, 1, CONN_PARK, true, false},   /* it was in use a moment ago */
        {GET_HI, 1000, 1, 1, CONN_PARK, false, false}, /* its answer is on its way */
        {GET_HI, 1000, 1, 1, CONN_PARK, true, true},   /* it has just asked again */
        {"GET /h", 1000, 1, 1, CONN_PARK, true, false},
        {"BAD\r\n\r\n", 1000, 1, 1, CONN_PARK, true, false},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        _Atomic int32_t *wanted;

        again(rig);
        wanted = &rig->server.shared->places_of_idle;
        atomic_store(wanted, rows[i].wanted);
        rig_send(rig, rows[i].input);
        if (rows[i].input[0] != '\0')
            assert_int_equal(rig_serve(rig), CONN_PARK);
        if (rows[i].takes_answers)
            rig_receive(rig);
        clocks_advance(rows[i].idle_ms);
        if (rows[i].asks)
            rig_send(rig, GET_HI);
        if (connection_make_room(&rig->conn, &rig->io) != rows[i].next ||
            atomic_load(wanted) != rows[i].left)
            fail_msg("row %zu", i);
    }
}

/* Where that is not enough the next answers are the last of their connections, one for each place.
 */
static void an_answer_gives_up_its_place(void **state)
{
    struct rig *rig = *state;

    atomic_store(&rig->server.shared->places_of_any, 1);
    rig_send(rig, GET_HI GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_non_null(strstr(rig_receive(rig), "\r\nConnection: close\r\n"));
    assert_int_equal(rig->conn.requests, 1);
    assert_int_equal(atomic_load(&rig->server.shared->places_of_any), 0);
}

/* --- draining ------------------------------------------------------------------- */

static void drain_closes_what_is_idle(void **state)
{
    struct rig *rig = *state;

    clocks_advance(RECENT_MS);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    again(rig);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    clocks_advance(RECENT_MS);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    rig_expect(rig, "");
}

/* Its client may be asking just now. */
static void drain_leaves_what_was_used_a_moment_ago(void **state)
{
    struct rig *rig = *state;

    clocks_advance(RECENT_MS - 1);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI); /* which promises that the connection stays */
    clocks_advance(RECENT_MS - 1);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    atomic_store(&rig->server.shared->draining, true);
    assert_int_equal(rig_serve(rig), CONN_PARK); /* as when it began during the last request */
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_non_null(strstr(rig_receive(rig), "\r\nConnection: close\r\n"));
    assert_true(rig->end);
}

/* A pool's connections outlive the settings by which their time was set. */
static void drain_is_not_delayed_by_other_timeouts(void **state)
{
    struct rig *rig = *state;

    rig->config.header_timeout_ms = RIG_HEADER_MS / 2;
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    rig->config.header_timeout_ms = RIG_HEADER_MS;
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
        PLAIN(who_makes_room),
        PLAIN(an_answer_gives_up_its_place),
        PLAIN(expire_with_answers_on_their_way),
        PLAIN(expire_within_a_head),
        PLAIN(expire_with_input_that_waits),
        PLAIN(a_late_head_is_refused_when_it_is_read),
        PLAIN(drain_closes_what_is_idle),
        PLAIN(drain_leaves_what_was_used_a_moment_ago),
        PLAIN(drain_is_not_delayed_by_other_timeouts),
        PLAIN(drain_leaves_what_has_begun),
        PLAIN(drain_shortens_lingering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
