/* SPDX-License-Identifier: MIT
 *
 * log.h: a line is one write, is cut where the header says and waits for nobody, and what
 * log_escape() lets through can harm neither the log nor a terminal.
 */
#include "tests/unit/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

enum { LINE_MAX_BYTES = 1000 };

static void a_line_is_one_write(void **state)
{
    char line[2000];
    log_line(LOG_ERROR, "%s %d", "bind", 7);
    log_line(LOG_WARN, "two");
    log_line(LOG_INFO, "%s", "");
    captured(*state, line, sizeof(line));
    assert_string_equal(line, "error: bind 7\n");
    captured(*state, line, sizeof(line));
    assert_string_equal(line, "warning: two\n");
    captured(*state, line, sizeof(line));
    assert_string_equal(line, "info: \n");
    assert_int_equal(captured(*state, line, sizeof(line)), 0);
}

static void a_long_line_is_cut_and_ends_with_a_newline(void **state)
{
    char text[2000];
    char line[3000];
    /* "info: " is 6 bytes, the newline one. */
    for (size_t length = LINE_MAX_BYTES - 10; length < LINE_MAX_BYTES + 10; length++) {
        size_t expected;

        memset(text, 'a', length);
        text[length] = '\0';
        log_line(LOG_INFO, "%s", text);
        expected = length + 7 < LINE_MAX_BYTES ? length + 7 : LINE_MAX_BYTES;
        assert_int_equal(captured(*state, line, sizeof(line)), expected);
        assert_int_equal(line[expected - 1], '\n');
        assert_int_equal(line[expected - 2], 'a');
        assert_int_equal(strlen(line), expected);
    }
}

static void errno_is_left_alone(void **state)
{
    char line[100];
    errno = ENOENT;
    log_line(LOG_INFO, "%m");
    assert_int_equal(errno, ENOENT);
    captured(*state, line, sizeof(line));
    assert_string_equal(line, "info: No such file or directory\n");
}

static void a_closed_standard_error_is_survived(void **state)
{
    (void)state;
    close(STDERR_FILENO);
    errno = 0;
    log_line(LOG_ERROR, "lost");
    assert_int_equal(errno, 0);
}

static void a_plain_line_has_no_level(void **state)
{
    char line[100];
    log_plain("ready %d", 1);
    captured(*state, line, sizeof(line));
    assert_string_equal(line, "ready 1\n");
}

/* Fills fd, whose open file need not be non-blocking, until log_append() finds no room in it. */
static void fill(int fd)
{
    static const char piece[4096];
    const size_t sizes[] = {sizeof(piece), 1};
    for (size_t i = 0; i < 2; i++) {
        struct iovec part = {(void *)(uintptr_t)piece, sizes[i]};
        ssize_t written;
        do
            written = log_append(fd, &part, 1);
        while (written > 0);
        assert_int_equal(written, -EAGAIN);
    }
}

static void nothing_waits_for(int reader, int writer, bool opened_again)
{
    char text[] = "line\n";
    const struct iovec line = {text, 5};
    int own = dup(writer);
    char got[4096];

    log_own(own);
    assert_int_equal((fcntl(own, F_GETFL) & O_NONBLOCK) != 0, opened_again);
    assert_false(fcntl(writer, F_GETFL) & O_NONBLOCK); /* others may have that one */
    fill(writer);
    fill(own);
    assert_true(read(reader, got, sizeof(got)) > 0);
    assert_int_equal(log_append(own, &line, 1), 5);
    close(own);
    close(reader);
    close(writer);
}

static void a_pipe_is_not_waited_for(void **state)
{
    int ends[2];
    (void)state;
    assert_return_code(pipe(ends), errno);
    nothing_waits_for(ends[0], ends[1], true);
}

static void a_socket_is_not_waited_for(void **state)
{
    int ends[2];
    (void)state;
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), errno);
    nothing_waits_for(ends[0], ends[1], false);
}

static void every_byte_is_printed_or_escaped(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char in = (char)byte;
        char out[8];
        char expected[8];
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\')
            snprintf(expected, sizeof(expected), "\\x%02x", byte);
        else
            snprintf(expected, sizeof(expected), "%c", (int)byte);
        assert_int_equal(log_escape(out, sizeof(out), &in, 1), strlen(expected));
        assert_string_equal(out, expected);
    }
}

static void an_escape_is_never_cut(void **state)
{
    static const struct {
        size_t size;
        const char *expected;
    } cases[] = {
        {1, ""},
        {2, "a"},
        {3, "a"},
        {5, "a"},
        {6, "a\\x0a"},
        {7, "a\\x0ab"},
        {8, "a\\x0ab"},
        {10, "a\\x0ab"},
        {11, "a\\x0ab\\xff"},
        {12, "a\\x0ab\\xff"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[16];
        size_t length;

        memset(out, 'x', sizeof(out));
        length = log_escape(out, cases[i].size, "a\nb\xff", 4);
        assert_int_equal(length, strlen(cases[i].expected));
        assert_string_equal(out, cases[i].expected);
        assert_int_equal(out[cases[i].size], 'x');
    }
}

static void no_room_at_all_is_left_alone(void **state)
{
    char out = 'x';

    (void)state;
    assert_int_equal(log_escape(&out, 0, "a", 1), 0);
    assert_int_equal(out, 'x');
    assert_int_equal(log_escape(&out, 1, "a", 1), 0);
    assert_int_equal(out, '\0');
    assert_int_equal(log_escape(&out, 1, "", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(a_line_is_one_write),
        CAPTURED(a_long_line_is_cut_and_ends_with_a_newline),
        CAPTURED(errno_is_left_alone),
        CAPTURED(a_closed_standard_error_is_survived),
        CAPTURED(a_plain_line_has_no_level),
        cmocka_unit_test(a_pipe_is_not_waited_for),
        cmocka_unit_test(a_socket_is_not_waited_for),
        cmocka_unit_test(every_byte_is_printed_or_escaped),
        cmocka_unit_test(an_escape_is_never_cut),
        cmocka_unit_test(no_room_at_all_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
