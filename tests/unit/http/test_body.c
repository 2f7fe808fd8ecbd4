/* SPDX-License-Identifier: MIT
 *
 * body.h: request bodies as handlers read them, those they leave unread, and what
 * becomes of the connection when one is broken, too large or too late.
 */
#include "routes.h"

#include "http/body.h"

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

/* What has come is judged first: whatever the handler would do, it is not asked. */
static void what_has_come_is_judged_before_the_handler(void **state)
{
    static const char *const heads[] = {POST_CHUNKED("/hi"),      POST_CHUNKED("/one"),
                                        POST_CHUNKED("/through"), POST_CHUNKED("/echo"),
                                        POST_CHUNKED("/sleep"),   POST_CHUNKED("/none"),
                                        POST_CHUNKED("*"),        POST_CHUNKED("https://a/hi")};
    static const struct {
        const char *body, *status;
    } bodies[] = {
        {"x", "HTTP/1.1 400 "},
        {"3\r\nabc\r\nx", "HTTP/1.1 400 "},
        {"3\r\nabcd\r\n0\r\n\r\n", "HTTP/1.1 400 "},
        {"3\r\nabc\r\n0\n\r\n", "HTTP/1.1 400 "},
        {"3\r\nabc\r\n0\r\nA : b\r\n\r\n", "HTTP/1.1 400 "},
        {"3\r\nabc\r\n30d3e\r\n", "HTTP/1.1 413 "},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(heads) * COUNT(bodies); i++) {
        const char *status = bodies[i % COUNT(bodies)].status;

        again(rig);
        rig_send(rig, GET_HI);
        rig_send(rig, heads[i / COUNT(bodies)]);
        rig_send(rig, bodies[i % COUNT(bodies)].body);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_receive(rig);
        assert_memory_equal(rig->received, HI, strlen(HI)); /* an earlier answer is delivered */
        if (strncmp(rig->received + strlen(HI), status, strlen(status)) != 0)
            fail_msg("%s%s: %s", heads[i / COUNT(bodies)], bodies[i % COUNT(bodies)].body,
                     rig->received);
        assert_null(strstr(rig->received + strlen(HI) + 1, "HTTP/1.1"));
        assert_non_null(strstr(rig->received, "\r\nConnection: close\r\n"));
        assert_int_equal(rig->sleeps, 0);
        assert_int_equal(stats_get(&rig->stats->requests), 2);
        assert_int_equal(stats_get(&rig->stats->responses[4]), 1);
    }
}

/* What is found wrong later is still the answer as long as nothing of another has left. */
static void an_answer_that_has_not_left_is_taken_back(void **state)
{
    static const struct {
        const char *end, *status;
    } rows[] = {
        {"x", "HTTP/1.1 400 "},
        {"30000\r\n", "HTTP/1.1 413 "},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[20000] = GET_HI POST_CHUNKED("/through");
        size_t length = strlen(text);

        for (int chunk = 0; chunk < 12; chunk++) /* more than is read at once, less than is sent */
            length += (size_t)sprintf(text + length, "3e8\r\n%01000d\r\n", 0);
        length += (size_t)sprintf(text + length, "%s", rows[i].end);
        assert_true(length > rig->io.in_size && 12 * 1010 < rig->io.out_size);
        again(rig);
        rig_send_bytes(rig, text, length);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_receive(rig);
        assert_memory_equal(rig->received, HI, strlen(HI));
        assert_memory_equal(rig->received + strlen(HI), rows[i].status, strlen(rows[i].status));
        assert_null(strstr(rig->received + strlen(HI) + 1, "HTTP/1.1"));
        assert_int_equal(stats_get(&rig->stats->responses[2]), 1);
        assert_int_equal(stats_get(&rig->stats->responses[4]), 1);
    }
}

/* 100 has left by then, and is not part of what is taken back. */
static void an_answer_behind_100_is_taken_back(void **state)
{
    struct rig *rig = *state;
    static char text[20000];
    struct pieces p = {.text = text};

    for (int chunk = 0; chunk < 12; chunk++)
        p.length += (size_t)sprintf(text + p.length, "3e8\r\n%01000d\r\n", 0);
    text[p.length++] = 'x';
    p.piece = p.length;
    rig->on_wait = wait_for_piece;
    rig->script = &p;
    rig_send(rig, GET_HI "POST /through HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_receive(rig);
    assert_memory_equal(rig->received, HI CONTINUE, strlen(HI CONTINUE));
    assert_memory_equal(rig->received + strlen(HI CONTINUE), "HTTP/1.1 400 ", 13);
    assert_null(strstr(rig->received + strlen(HI CONTINUE) + 1, "HTTP/1.1"));
}

/* The 200 leaves while the handler waits for more. */
static void an_answer_that_has_left_is_broken_off(void **state)
{
    struct rig *rig = *state;
    struct pieces p = {.text = "x", .length = 1, .piece = 1};

    rig->on_wait = wait_for_piece;
    rig->script = &p;
    rig_send(rig, GET_HI POST_CHUNKED("/through") "3\r\nabc\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    rig_expect(rig, HI "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                       "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_int_equal(stats_get(&rig->stats->requests), 2);
}

/* No answer to a failure is put into the middle of another. */
static void errors_in_mid_answer_break_it_off(void **state)
{
    static const char *const requests[] = {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(continue_when_the_body_is_asked_for),
        PLAIN(no_continue_when_the_body_is_there),
        PLAIN(no_continue_when_the_body_is_not_wanted),
        PLAIN(no_continue_for_http_1_0_or_without_a_body),
        PLAIN(an_unread_body_is_skipped),
        PLAIN(a_large_unread_body_closes),
        PLAIN(a_long_unread_chunked_body_closes),
        PLAIN(body_errors_are_answered),
        PLAIN(the_largest_body),
        PLAIN(what_has_come_is_judged_before_the_handler),
        PLAIN(an_answer_that_has_not_left_is_taken_back),
        PLAIN(an_answer_behind_100_is_taken_back),
        PLAIN(an_answer_that_has_left_is_broken_off),
        PLAIN(errors_in_mid_answer_break_it_off),
        PLAIN(a_handler_that_gives_up_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
