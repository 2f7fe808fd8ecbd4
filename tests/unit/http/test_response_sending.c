/* SPDX-License-Identifier: MIT
 *
 * The writing half of http.h: when what is written leaves, what a slow reader gets, and files.
 */
#include "answer.h"

#include <fcntl.h>
#include <signal.h>

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
