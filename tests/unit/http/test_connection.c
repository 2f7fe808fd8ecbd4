/* SPDX-License-Identifier: MIT
 *
 * connection.h: the life of a connection, played over a socket pair with time and
 * every wait in the hands of the test. The routes are the test's own.
 *
 * What is refused is in test_connection_refusals.c, what becomes of who is parked in
 * test_connection_parked.c.
 */
#include "routes.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
