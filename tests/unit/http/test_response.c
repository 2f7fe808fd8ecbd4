/* SPDX-License-Identifier: MIT
 *
 * The writing half of http.h: exact bytes of answers, sent through a socket pair.
 */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>

#include "http/body.h"
#include "http/response.h"

#define TEXT "Content-Type: text/plain\r\n"

/* An exchange for a request that a test describes by its members. */
struct answer {
    struct rig rig;
    struct http_request request;
    struct connection_stream stream;
    struct http_exchange x;
};

static void renew(struct answer *a)
{
    exchange_init(&a->x, &a->stream, &a->request);
}

static struct answer *begin_typed(int type, enum request_method method, unsigned char minor,
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

static struct answer *begin(enum request_method method, unsigned char minor, bool keep_alive)
{
    return begin_typed(SOCK_STREAM, method, minor, keep_alive);
}

static struct answer *begin_get(void)
{
    return begin(HTTP_METHOD_GET, 1, true);
}

/* Ends the answer, which must be whole, and checks every byte the client got. */
static void finish(struct answer *a, const char *expected)
{
    assert_int_equal(exchange_end(&a->x), 0);
    assert_int_equal(stream_flush(&a->stream, false), 0);
    rig_expect(&a->rig, expected);
    rig_term(&a->rig);
}

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

static void draining_closes(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    atomic_store(&a->rig.server.shared->draining, true);
    renew(a);
    assert_int_equal(http_reply(&a->x, 200, NULL, "", 0), 0);
    assert_true(a->x.close);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 0\r\nConnection: close\r\n\r\n");
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

/* --- sending -------------------------------------------------------------------- */

static void nothing_is_sent_before_it_must_be(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, 5), 0);
    assert_int_equal(http_write(&a->x, "hel", 3), 0);
    rig_expect(&a->rig, "");
    assert_int_equal(http_flush(&a->x), 0);
    rig_expect(&a->rig, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 5\r\n\r\nhel");
    assert_int_equal(http_flush(&a->x), 0);
    assert_int_equal(http_write(&a->x, "lo", 2), 0);
    finish(a, "lo");
}

static void many_small_answers_are_one_send(void **state)
{
    struct answer *a = begin_typed(SOCK_SEQPACKET, HTTP_METHOD_GET, 1, true);
    size_t one;

    (void)state;
    for (int i = 0; i < 20; i++) {
        renew(a);
        assert_int_equal(http_reply(&a->x, 200, "text/plain", "hello", 5), 0);
        assert_int_equal(exchange_end(&a->x), 0);
    }
    assert_int_equal(rig_receive_once(&a->rig), -1);
    assert_int_equal(stream_flush(&a->stream, false), 0);
    one = strlen("HTTP/1.1 200 OK\r\n" RIG_DATE TEXT "Content-Length: 5\r\n\r\nhello");
    assert_int_equal(rig_receive_once(&a->rig), 20 * one);
    assert_int_equal(rig_receive_once(&a->rig), -1);
    assert_int_equal(stats_get(&a->rig.stats->bytes_out), 20 * one);
    rig_term(&a->rig);
}

/* More answers than the output buffer holds: none is lost, cut or sent twice. */
static void answers_beyond_the_buffer(void **state)
{
    enum { ANSWERS = 500 };
    static const char one[] = "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT "Content-Length: 5\r\n\r\nhello";
    struct answer *a = begin_get();

    (void)state;
    for (int i = 0; i < ANSWERS; i++) {
        renew(a);
        assert_int_equal(http_reply(&a->x, 200, "text/plain", "hello", 5), 0);
        assert_int_equal(exchange_end(&a->x), 0);
        assert_true(a->stream.out_length <= HTTP_OUT_SIZE);
        rig_receive(&a->rig);
    }
    assert_int_equal(stream_flush(&a->stream, false), 0);
    rig_receive(&a->rig);
    assert_int_equal(a->rig.received_length, ANSWERS * strlen(one));
    for (size_t i = 0; i < ANSWERS; i++)
        assert_memory_equal(a->rig.received + i * strlen(one), one, strlen(one));
    rig_term(&a->rig);
}

/* The client reads a little whenever the server waits for it. */
static int read_some(struct rig *rig, int events)
{
    assert_int_equal(events, IO_WRITE);
    rig_receive_once(rig);
    return IO_WRITE;
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 31 + i / 251);
}

/* Makes every send that is larger than a few kilobytes come up short. */
static void narrow(struct rig *rig)
{
    int size = 1;

    assert_return_code(setsockopt(rig->conn.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), errno);
}

static void large_bodies_to_a_slow_reader(void **state)
{
    static const size_t sizes[] = {HTTP_OUT_SIZE - 100, HTTP_OUT_SIZE, HTTP_OUT_SIZE + 1, 300000};
    static char body[300000];

    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)pattern(i);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct answer *a = begin_get();
        char head[200];
        size_t length = (size_t)snprintf(
            head, sizeof head, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: %zu\r\n\r\n",
            sizes[i]);

        narrow(&a->rig);
        a->rig.on_wait = read_some;
        assert_int_equal(http_reply(&a->x, 200, NULL, body, sizes[i]), 0);
        assert_int_equal(exchange_end(&a->x), 0);
        assert_int_equal(stream_flush(&a->stream, false), 0);
        rig_receive(&a->rig);
        assert_true(a->rig.waits > 0);
        assert_int_equal(a->rig.received_length, length + sizes[i]);
        assert_memory_equal(a->rig.received, head, length);
        assert_memory_equal(a->rig.received + length, body, sizes[i]);
        assert_int_equal(a->x.body_sent, sizes[i]);
        rig_term(&a->rig);
    }
}

static void large_chunks_to_a_slow_reader(void **state)
{
    enum { CHUNK = 40000 };
    static char body[CHUNK];
    struct answer *a = begin_get();
    const char *p;

    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)pattern(i);
    narrow(&a->rig);
    a->rig.on_wait = read_some;
    assert_int_equal(http_begin(&a->x, 200, NULL, HTTP_UNKNOWN_LENGTH), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(http_write(&a->x, body, CHUNK), 0);
    assert_int_equal(exchange_end(&a->x), 0);
    assert_int_equal(stream_flush(&a->stream, false), 0);
    rig_receive(&a->rig);
    p = strstr(a->rig.received, "\r\n\r\n") + 4;
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(p, "9c40\r\n", 6);
        assert_memory_equal(p + 6, body, CHUNK);
        assert_memory_equal(p + 6 + CHUNK, "\r\n", 2);
        p += 8 + CHUNK;
    }
    assert_memory_equal(p, "0\r\n\r\n", 6); /* and the NUL that ends what was received */
    rig_term(&a->rig);
}

static int never(struct rig *rig, int events)
{
    (void)rig;
    assert_int_equal(events, IO_WRITE);
    return -ETIMEDOUT;
}

static void a_reader_that_has_stopped(void **state)
{
    static char body[300000];
    struct answer *a = begin_get();

    (void)state;
    a->rig.on_wait = never;
    narrow(&a->rig);
    assert_int_equal(http_begin(&a->x, 200, NULL, sizeof body + 1), 0);
    assert_int_equal(http_write(&a->x, body, sizeof body), -ETIMEDOUT);
    assert_true(a->x.failed);
    assert_int_equal(a->rig.waits, 1);
    assert_int_equal(http_write(&a->x, "x", 1), -EPIPE);
    assert_int_equal(a->rig.waits, 1); /* a failed connection is not tried again */
    assert_true(exchange_end(&a->x) < 0);
    rig_term(&a->rig);
}

/* A client that is gone: an error, no signal. */
static void a_reader_that_has_gone(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    close(a->rig.client);
    a->rig.client = -1;
    assert_int_equal(http_reply(&a->x, 200, NULL, "x", 1), 0);
    assert_int_equal(http_flush(&a->x), -EPIPE);
    assert_true(a->x.failed);
    assert_true(exchange_end(&a->x) < 0);
    rig_term(&a->rig);
}

/* --- files ---------------------------------------------------------------------- */

/* An unlinked file of that many patterned bytes. */
static int make_file(size_t size)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *bytes = malloc(size);

    assert_true(fd >= 0);
    assert_non_null(bytes);
    for (size_t i = 0; bytes != NULL && i < size; i++)
        bytes[i] = (char)pattern(i);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    free(bytes);
    return fd;
}

static void files(void **state)
{
    enum { SIZE = 500000 };
    static const struct {
        uint64_t offset, length;
    } rows[] = {{0, SIZE}, {0, 1}, {SIZE - 1, 1}, {4095, 70000}, {7, 0}};
    int fd = make_file(SIZE);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer *a = begin_get();
        const char *body;

        narrow(&a->rig);
        a->rig.on_wait = read_some;
        assert_int_equal(http_begin(&a->x, 200, NULL, rows[i].length + 4), 0);
        assert_int_equal(http_write(&a->x, "<<", 2), 0);
        assert_int_equal(http_send_file(&a->x, fd, rows[i].offset, rows[i].length), 0);
        assert_int_equal(http_write(&a->x, ">>", 2), 0);
        assert_int_equal(exchange_end(&a->x), 0);
        assert_int_equal(stream_flush(&a->stream, false), 0);
        rig_receive(&a->rig);
        body = strstr(a->rig.received, "\r\n\r\n") + 4;
        assert_int_equal(a->rig.received_length - (size_t)(body - a->rig.received),
                         rows[i].length + 4);
        assert_memory_equal(body, "<<", 2);
        for (size_t j = 0; j < rows[i].length; j++)
            if ((unsigned char)body[2 + j] != pattern((size_t)rows[i].offset + j))
                fail_msg("byte %zu from offset %llu", j, (unsigned long long)rows[i].offset);
        assert_memory_equal(body + 2 + rows[i].length, ">>", 2);
        rig_term(&a->rig);
    }
    close(fd);
}

static void a_file_that_has_shrunk(void **state)
{
    int fd = make_file(1000);
    struct answer *a = begin_get();

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, 1001), 0);
    assert_int_equal(http_send_file(&a->x, fd, 0, 1001), -EIO);
    assert_true(a->x.failed);
    assert_true(exchange_end(&a->x) < 0);
    rig_receive(&a->rig); /* what was there, and no padding */
    assert_int_equal(a->rig.received_length,
                     strlen("HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 1001\r\n\r\n") + 1000);
    rig_term(&a->rig);
    close(fd);
}

static void a_file_for_head(void **state)
{
    int fd = make_file(10);
    struct answer *a = begin(HTTP_METHOD_HEAD, 1, true);

    (void)state;
    assert_int_equal(http_begin(&a->x, 200, NULL, 10), 0);
    assert_int_equal(http_send_file(&a->x, fd, 0, 10), 0);
    finish(a, "HTTP/1.1 200 OK\r\n" RIG_DATE "Content-Length: 10\r\n\r\n");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_alive),
        cmocka_unit_test(closed),
        cmocka_unit_test(http_1_0),
        cmocka_unit_test(draining_closes),
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
        cmocka_unit_test(nothing_is_sent_before_it_must_be),
        cmocka_unit_test(many_small_answers_are_one_send),
        cmocka_unit_test(answers_beyond_the_buffer),
        cmocka_unit_test(large_bodies_to_a_slow_reader),
        cmocka_unit_test(large_chunks_to_a_slow_reader),
        cmocka_unit_test(a_reader_that_has_stopped),
        cmocka_unit_test(a_reader_that_has_gone),
        cmocka_unit_test(files),
        cmocka_unit_test(a_file_that_has_shrunk),
        cmocka_unit_test(a_file_for_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
