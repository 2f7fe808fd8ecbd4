/* SPDX-License-Identifier: MIT
 *
 * access_log.h: the line to the byte, what a client cannot do to it, and lines that find no room.
 */
#include "answer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>

#include "http/access_log.h"

#define AT " - - [06/Nov/1994:08:49:37 +0000] "

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

static void add_field(struct answer *a, const char *name, const char *value)
{
    a->request.fields[a->request.field_count++] = (struct http_field){slice(name), slice(value)};
}

/* An answer of five bytes, and a pipe for its log; the pipe's end to read from. */
static struct answer *begin_logged(int *reader)
{
    struct answer *a = begin_get();
    int ends[2];

    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    *reader = ends[0];
    a->rig.server.access_log_fd = ends[1];
    a->rig.config.model = "coro";
    a->rig.conn.worker = 7;
    assert_int_equal(http_reply(&a->x, 200, NULL, "hello", 5), 0);
    assert_int_equal(http_flush(&a->x), 0);
    return a;
}

static void end_logged(struct answer *a, int reader)
{
    close(reader);
    close(a->rig.server.access_log_fd);
    rig_term(&a->rig);
}

static void assert_logged(int reader, const char *expected)
{
    char line[2 * PIPE_BUF];
    ssize_t length = read(reader, line, sizeof line - 1);

    line[length < 0 ? 0 : length] = '\0';
    assert_string_equal(line, expected);
}

static void the_line(void **state)
{
    int reader;
    struct answer *a = begin_logged(&reader);

    (void)state;
    add_field(a, "Referer", "http://a/");
    add_field(a, "User-Agent", "curl/8");
    access_log_write(&a->x, slice("GET /hello HTTP/1.1\r\nHost: a\r\n"), 41000);
    assert_logged(reader, "unix:" AT "\"GET /hello HTTP/1.1\" 200 5 \"http://a/\" \"curl/8\" "
                          "0.000041 w7 coro\n");
    end_logged(a, reader);
}

static void clients(void **state)
{
    static const char *const rows[][2] = {
        {"::", "unix:"}, {"::ffff:10.1.2.3", "10.1.2.3"}, {"2001:db8::1", "2001:db8::1"}};
    int reader;
    struct answer *a = begin_logged(&reader);
    char expected[200];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(inet_pton(AF_INET6, rows[i][0], &a->rig.conn.client), 1);
        access_log_write(&a->x, slice(""), 0);
        snprintf(expected, sizeof expected, "%s" AT "\"-\" 200 5 \"-\" \"-\" 0.000000 w7 coro\n",
                 rows[i][1]);
        assert_logged(reader, expected);
    }
    end_logged(a, reader);
}

static void the_first_line_is_as_it_came_and_escaped(void **state)
{
    static const char *const rows[][2] = {
        {"\r\n\r\nGET / HTTP/1.1\r\n", "GET / HTTP/1.1"}, /* empty lines before it */
        {"GET /\nx", "GET /"},
        {"GET /\"\x1b[2J\\", "GET /\\x22\\x1b[2J\\x5c"},
        {"\x16\x03", "\\x16\\x03"},
        {"\r\n", "-"},
    };
    int reader;
    struct answer *a = begin_logged(&reader);
    char expected[200];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        access_log_write(&a->x, slice(rows[i][0]), 0);
        snprintf(expected, sizeof expected,
                 "unix:" AT "\"%s\" 200 5 \"-\" \"-\" 0.000000 w7 coro\n", rows[i][1]);
        assert_logged(reader, expected);
    }
    end_logged(a, reader);
}

static void a_long_line_is_cut_and_ends(void **state)
{
    static char head[PIPE_BUF], agent[PIPE_BUF], line[2 * PIPE_BUF];
    int reader;
    struct answer *a = begin_logged(&reader);
    ssize_t length;

    (void)state;
    memset(head, '"', sizeof head - 1); /* four bytes each, escaped */
    memset(agent, '"', sizeof agent - 1);
    add_field(a, "Referer", agent);
    add_field(a, "User-Agent", agent);
    access_log_write(&a->x, slice(head), 0);
    length = read(reader, line, sizeof line);
    assert_true(length > 3000 && length < PIPE_BUF);
    assert_string_equal(line + length - strlen(" coro\n"), " coro\n");
    a->rig.config.model = agent;
    access_log_write(&a->x, slice(head), 0);
    length = read(reader, line, sizeof line);
    assert_int_equal(length, PIPE_BUF - 1);
    assert_int_equal(line[length - 1], '\n');
    assert_int_equal(read(reader, line, sizeof line), -1);
    end_logged(a, reader);
}

static void without_a_log_nothing_is_written(void **state)
{
    struct answer *a = begin_get();

    (void)state;
    access_log_write(&a->x, slice("GET /"), 0);
    assert_int_equal(atomic_load(&a->rig.server.shared->log_lines_lost), 0);
    rig_term(&a->rig);
}

static void a_line_that_finds_no_room_is_counted(void **state)
{
    static char fill[65536];
    int reader;
    struct answer *a = begin_logged(&reader);

    (void)state;
    while (write(a->rig.server.access_log_fd, fill, sizeof fill) > 0)
        continue;
    access_log_write(&a->x, slice("GET /"), 0);
    assert_int_equal(atomic_load(&a->rig.server.shared->log_lines_lost), 1);
    assert_true(atomic_load(&a->rig.server.shared->log_losing));
    assert_false(atomic_load(&a->rig.server.shared->log_torn));
    while (read(reader, fill, sizeof fill) > 0)
        continue;
    access_log_write(&a->x, slice("GET /"), 0);
    assert_logged(reader, "unix:" AT "\"GET /\" 200 5 \"-\" \"-\" 0.000000 w7 coro\n");
    assert_int_equal(atomic_load(&a->rig.server.shared->log_lines_lost), 1);
    end_logged(a, reader);
}

static void the_end_that_a_torn_line_lacks_comes_first(void **state)
{
    int reader;
    struct answer *a = begin_logged(&reader);

    (void)state;
    atomic_store(&a->rig.server.shared->log_torn, true);
    access_log_write(&a->x, slice("GET /"), 0);
    assert_logged(reader, "\nunix:" AT "\"GET /\" 200 5 \"-\" \"-\" 0.000000 w7 coro\n");
    assert_false(atomic_load(&a->rig.server.shared->log_torn));
    end_logged(a, reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line),
        cmocka_unit_test(clients),
        cmocka_unit_test(the_first_line_is_as_it_came_and_escaped),
        cmocka_unit_test(a_long_line_is_cut_and_ends),
        cmocka_unit_test(without_a_log_nothing_is_written),
        cmocka_unit_test(a_line_that_finds_no_room_is_counted),
        cmocka_unit_test(the_end_that_a_torn_line_lacks_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
