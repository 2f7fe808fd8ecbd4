/* SPDX-License-Identifier: MIT
 *
 * The writing half of http.h: exact bytes of answers, sent through a socket pair. How they leave,
 * and files, are in test_response_sending.c.
 */
#include "answer.h"

#include "http/body.h"

/* --- the head ------------------------------------------------------------------- */

static void kept_alive(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    assert_int_equal(http_reply(&a->x, 200, "text/plain", "hello", 5), 0);
    assert_false(a->x.close);
    assert_int_equal(a->x.status, 200);
    assert_int_equal(a->x.body_sent, 5);
    assert_int_equal(exchange_body_sent(&a->x), 0);
    assert_int_equal(http_flush(&a->x), 0);
    assert_int_equal(exchange_body_sent(&a->x), 5);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT "Content-Length: 5\r\n\r\nhello");
}

static void closed(void **state)
{
    struct answer *a = begin(HTTP_METHOD_GET, 1, false);

    (void)state;
    assert_int_equal(http_reply(&a->x, 404, "text/plain", "hello", 5), 0);
    assert_true(a->x.close);
    finish(a, "HTTP/1.1 404 Not Found\r\n" RIG_DATE TEXT
              "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
}

static void http_1_0(void **state)
{
    struct answer *a = begin(HTTP_METHOD_GET, 0, true);

    (void)state;
    assert_int_equal(http_reply(&a->x, 200, NULL, "x", 1), 0);
    assert_false(a->x.close);
    finish(a,
           "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 1\r\nConnection: keep-alive\r\n\r\nx");
    a = begin(HTTP_METHOD_GET, 0, false);
    assert_int_equal(http_reply(&a->x, 200, NULL, "x", 1), 0);
    assert_true(a->x.close);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 1\r\nConnection: close\r\n\r\nx");
}

/* Draining, and a lame duck that still accepts. */
static void who_is_told_to_stop_closes(void **state)
{
    (void)state;
    for (int lame = 0; lame < 2; lame++) {
        struct answer *a = begin_get();
        struct server_shared *shared = a->rig.server.shared;

        atomic_store(lame ? &shared->leaving : &shared->draining, true);
        renew(a);
        assert_int_equal(http_reply(&a->x, 200, NULL, "", 0), 0);
        assert_true(a->x.close);
        finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

static void an_unread_body_that_is_not_worth_reading_closes(void **state)
{
    static const struct {
        uint64_t left;
        bool continue_due, close;
        int error;
    } rows[] = {
        {BODY_DISCARD_LIMIT, false, false, 0},
        {BODY_DISCARD_LIMIT + 1, false, true, 0},
        {1, true, true, 0},
        {1, false, true, -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer *a = begin(HTTP_METHOD_POST, 1, true);

        a->stream.body_done = false;
        a->stream.body_left = rows[i].left;
        a->stream.continue_due = rows[i].continue_due;
        a->stream.body_error = rows[i].error;
        assert_int_equal(http_reply(&a->x, 200, NULL, "", 0), 0);
        assert_int_equal(a->x.close, rows[i].close);
        finish(a, rows[i].close ? "HTTP/1.1 200 OK\r\n" RIG_DATE
                                  "Content-Length: 0\r\nConnection: close\r\n\r\n"
                                : "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 0\r\n\r\n");
    }
}

static void lengths_in_decimal(void **state)
{
    static const uint64_t lengths[] = {0, 9, 10, 65535, 65536, INT64_MAX, UINT64_MAX - 1};

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct answer *a = begin(HTTP_METHOD_HEAD, 1, true);
        char expected[200];

        assert_int_equal(http_begin(&a->x, 200, NULL, lengths[i]), 0);
        snprintf(expected, sizeof expected,
                 "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: %llu\r\n\r\n",
                 (unsigned long long)lengths[i]);
        finish(a, expected);
    }
}

static void status_lines(void **state)
{
    static const struct {
        unsigned status;
        const char *line;
    } rows[] = {
        {200, "200 OK"},
        {206, "206 Partial Content"},
        {400, "400 Bad Request"},
        {405, "405 Method Not Allowed"},
        {408, "408 Request Timeout"},
        {413, "413 Content Too Large"},
        {414, "414 URI Too Long"},
        {416, "416 Range Not Satisfiable"},
        {417, "417 Expectation Failed"},
        {431, "431 Request Header Fields Too Large"},
        {501, "501 Not Implemented"},
        {505, "505 HTTP Version Not Supported"},
        {599, "599 Unknown"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer *a = begin_get();
        char expected[200];

        assert_int_equal(http_reply(&a->x, rows[i].status, NULL, "", 0), 0);
        snprintf(expected, sizeof expected, "HTTP/1.1 %s\r\n" RIG_DATE "Content-Length: 0\r\n\r\n",
                 rows[i].line);
        finish(a, expected);
    }
}

/* --- added header lines --------------------------------------------------------- */

static void added_lines_come_in_order(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    http_add_header(&a->x, "ETag", "\"%x-%s\"", 255u, "y");
    http_add_header(&a->x, "Allow", "%s", "");
    assert_int_equal(http_reply(&a->x, 200, NULL, "", 0), 0);
    finish(a,
           "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 0\r\nETag: \"ff-y\"\r\nAllow: \r\n\r\n");
}

/* Neither a control byte nor DEL gets through; whatever the client's bytes are, a line stays one.
 */
static void no_byte_ends_a_line(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        struct answer *a = begin_get();
        char expected[200], shown = (char)(byte < ' ' || byte == 0x7f ? '?' : byte);

        http_add_header(&a->x, "Location", "/a%cb", byte);
        assert_int_equal(http_reply(&a->x, 301, NULL, "", 0), 0);
        snprintf(expected, sizeof expected,
                 "HTTP/1.1 301 Moved Permanently\r\n" RIG_DATE
                 "Content-Length: 0\r\nLocation: /a%cb\r\n\r\n",
                 shown);
        finish(a, expected);
    }
}

static void a_header_cannot_be_injected(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    http_add_header(&a->x, "Location", "%s", "/\r\nSet-Cookie: x\r\n\r\nbody\n");
    assert_int_equal(http_reply(&a->x, 301, NULL, "", 0), 0);
    finish(a, "HTTP/1.1 301 Moved Permanently\r\n" RIG_DATE
              "Content-Length: 0\r\nLocation: /??Set-Cookie: x????body?\r\n\r\n");
}

static void added_lines_up_to_512_bytes(void **state)
{
    struct answer *a = begin_get();
    char value[512], expected[800];
    /* All lines with their ends; one byte is for the NUL that the formatting needs. */
    size_t rest = sizeof a->x.extra_buffer - strlen("A: 250\r\nB: \r\n") - 1;

    (void)state;
    memset(value, 'v', rest);
    value[rest] = '\0';
    http_add_header(&a->x, "A", "%d", 250);
    http_add_header(&a->x, "B", "%s", value);
    assert_int_equal(http_reply(&a->x, 200, NULL, "", 0), 0);
    snprintf(expected, sizeof expected,
             "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 0\r\nA: 250\r\nB: %s\r\n\r\n", value);
    finish(a, expected);
}

static void error_texts(void **state)
{
    struct answer *a = begin_get();
    char long_text[1001], expected[600];

    (void)state;
    assert_int_equal(http_error(&a->x, 400, "bad \"%s\" at %d", "\r\n\t\x7f\xe9", 7), 0);
    finish(a, "HTTP/1.1 400 Bad Request\r\n" RIG_DATE TEXT
              "Content-Length: 17\r\n\r\nbad \"?????\" at 7\n");

    a = begin_get();
    memset(long_text, 'x', 1000);
    long_text[1000] = '\0';
    assert_int_equal(http_error(&a->x, 400, "%s", long_text), 0);
    snprintf(expected, sizeof expected,
             "HTTP/1.1 400 Bad Request\r\n" RIG_DATE TEXT "Content-Length: 255\r\n\r\n%.254s\n",
             long_text);
    finish(a, expected);
}

/* --- bodies --------------------------------------------------------------------- */

static void in_pieces_of_a_known_length(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, 6), 0);
    assert_int_equal(http_write(&a->x, "ab", 2), 0);
    assert_int_equal(http_write(&a->x, "", 0), 0);
    assert_int_equal(http_write(&a->x, "cdef", 4), 0);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 6\r\n\r\nabcdef");
}

static void chunks(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, "text/plain", HTTP_UNKNOWN_LENGTH), 0);
    assert_int_equal(http_write(&a->x, "hello", 5), 0);
    assert_int_equal(http_write(&a->x, "", 0), 0); /* would end the body */
    assert_int_equal(http_write(&a->x, "0123456789abcdef", 16), 0);
    assert_int_equal(a->x.body_sent, 21);
    assert_int_equal(exchange_body_sent(&a->x), 0);
    assert_int_equal(http_flush(&a->x), 0);
    assert_int_equal(exchange_body_sent(&a->x), 21); /* without sizes and line ends */
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT "Transfer-Encoding: chunked\r\n\r\n"
              "5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
}

static void chunks_and_close(void **state)
{
    struct answer *a = begin(HTTP_METHOD_GET, 1, false);

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, HTTP_UNKNOWN_LENGTH), 0);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE
              "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n");
}

static void unknown_length_in_http_1_0(void **state)
{
    struct answer *a = begin(HTTP_METHOD_GET, 0, true);

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, HTTP_UNKNOWN_LENGTH), 0);
    assert_int_equal(http_write(&a->x, "hello", 5), 0);
    assert_int_equal(http_write(&a->x, " world", 6), 0);
    assert_true(a->x.close);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Connection: close\r\n\r\nhello world");
}

static void head_has_the_header_of_get(void **state)
{
    struct answer *a = begin(HTTP_METHOD_HEAD, 1, true);

    (void)state;
    assert_int_equal(http_reply(&a->x, 200, "text/plain", "hello", 5), 0);
    assert_int_equal(a->x.body_sent, 0);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT "Content-Length: 5\r\n\r\n");

    a = begin(HTTP_METHOD_HEAD, 1, true);
    assert_int_equal(http_error(&a->x, 404, "no"), 0);
    finish(a, "HTTP/1.1 404 Not Found\r\n" RIG_DATE TEXT "Content-Length: 3\r\n\r\n");

    a = begin(HTTP_METHOD_HEAD, 1, true);
    assert_int_equal(http_begin(&a->x, 200, NULL, HTTP_UNKNOWN_LENGTH), 0);
    assert_int_equal(http_write(&a->x, "hello", 5), 0);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Transfer-Encoding: chunked\r\n\r\n");

    a = begin(HTTP_METHOD_HEAD, 1, true);
    assert_int_equal(http_begin(&a->x, 200, NULL, 5), 0); /* and nothing is written */
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 5\r\n\r\n");
}

static void statuses_without_a_body(void **state)
{
    static const struct {
        unsigned status;
        const char *line;
    } rows[] = {{204, "204 No Content"}, {304, "304 Not Modified"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char expected[200];
        struct answer *a = begin_get();

        snprintf(expected, sizeof expected, "HTTP/1.1 %s\r\n" RIG_DATE "\r\n", rows[i].line);
        assert_int_equal(http_reply(&a->x, rows[i].status, NULL, "", 0), 0);
        finish(a, expected);
        a = begin_get();
        assert_int_equal(http_reply(&a->x, rows[i].status, NULL, "hello", 5), 0);
        assert_int_equal(a->x.body_sent, 0);
        finish(a, expected);
    }
}

static void statuses_without_a_body_whatever_length_is_said(void **state)
{
    static const unsigned statuses[] = {204, 304};

    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct answer *a = begin_get();

        assert_int_equal(http_begin(&a->x, statuses[i], NULL, HTTP_UNKNOWN_LENGTH), 0);
        assert_int_equal(http_write(&a->x, "hello", 5), 0);
        assert_int_equal(exchange_end(&a->x), 0);
        assert_int_equal(stream_flush(&a->stream, false), 0);
        if (strstr(rig_receive(&a->rig), "Transfer-Encoding") != NULL)
            fail_msg("%s", a->rig.received);
        assert_null(strstr(a->rig.received, "hello"));
        rig_term(&a->rig);
    }
}

static void no_more_than_announced(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, 3), 0);
    assert_int_equal(http_write(&a->x, "abcd", 4), -EMSGSIZE);
    assert_int_equal(http_write(&a->x, "ab", 2), 0);
    assert_int_equal(http_write(&a->x, "cd", 2), -EMSGSIZE);
    assert_int_equal(http_write(&a->x, "c", 1), 0);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 3\r\n\r\nabc");
}

/* A body that is too short must not look like a whole one: the connection has to close. */
static void no_less_than_announced(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, 3), 0);
    assert_int_equal(http_write(&a->x, "ab", 2), 0);
    assert_true(exchange_end(&a->x) < 0);
    assert_true(a->x.failed);
    rig_term(&a->rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_alive),
        cmocka_unit_test(closed),
        cmocka_unit_test(http_1_0),
        cmocka_unit_test(who_is_told_to_stop_closes),
        cmocka_unit_test(an_unread_body_that_is_not_worth_reading_closes),
        cmocka_unit_test(lengths_in_decimal),
        cmocka_unit_test(status_lines),
        cmocka_unit_test(added_lines_come_in_order),
        cmocka_unit_test(no_byte_ends_a_line),
        cmocka_unit_test(a_header_cannot_be_injected),
        cmocka_unit_test(added_lines_up_to_512_bytes),
        cmocka_unit_test(error_texts),
        cmocka_unit_test(in_pieces_of_a_known_length),
        cmocka_unit_test(chunks),
        cmocka_unit_test(chunks_and_close),
        cmocka_unit_test(unknown_length_in_http_1_0),
        cmocka_unit_test(head_has_the_header_of_get),
        cmocka_unit_test(statuses_without_a_body),
        cmocka_unit_test(statuses_without_a_body_whatever_length_is_said),
        cmocka_unit_test(no_more_than_announced),
        cmocka_unit_test(no_less_than_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
