/* SPDX-License-Identifier: MIT
 *
 * refusal.h: a reason for each thing that can be wrong with a head, the same however much of the
 * head has come behind it, with and without an empty line before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"
#include "http.h"
#include "http/guard.h"
#include "http/refusal.h"

#define COUNT(array)     (sizeof(array) / sizeof((array)[0]))
#define LINE             "GET /hello HTTP/1.1\r\n"
#define ROW(text, words) 400, (text), sizeof(text) - 1, (words)

enum { MAX_HEADER = 16384 };

static const struct {
    unsigned status;
    const char *head;
    size_t length;
    const char *reason;
} rows[] = {
    {ROW("\x16\x03\x01", "a TLS handshake; plain HTTP is spoken here")},
    {ROW(" GET", "white space before the request line")},
    {ROW("\n", "bare LF (without CR) in the request line")},
    {ROW("\x80", "byte 0x80 in the method")},
    {ROW("\0", "NUL in the method")},
    {ROW("GE(T", "byte 0x28 in the method")},
    {ROW("GET\r\n", "no request target in the request line")},
    {ROW("GET\n", "bare LF (without CR) in the request line")},
    {ROW("GET  /", "two spaces before the request target")},
    {ROW("GET /a\r\n", "no HTTP version in the request line")},
    {ROW("GET /a\x7f", "control byte 0x7f in the request target, which must be percent-encoded")},
    {ROW("GET /a\0", "NUL in the request target, which must be percent-encoded")},
    {ROW("GET /a\xc3\xa9", "byte 0xc3 in the request target, which must be percent-encoded")},
    {ROW("GET /a b HTTP/1.1\r\n",
         "the request target is not followed by a space and \"HTTP/1.1\"")},
    {ROW("GET /a  HTTP/1.1\r\n", "two spaces before the HTTP version")},
    {ROW("GET /a http/1.1\r\n", "the request target is not followed by a space and \"HTTP/1.1\"")},
    {ROW("GET /a HTTP/1.\r\n", "the request target is not followed by a space and \"HTTP/1.1\"")},
    {ROW("GET /a HTTP/0.9\r\n", "HTTP/0.9 is not served here")},
    {ROW("GET /a HTTP/1.1 \r\n", "something follows the HTTP version in the request line")},
    {ROW("GET /a HTTP/1.10\r\n", "something follows the HTTP version in the request line")},
    {ROW("GET /a HTTP/1.1\n", "bare LF (without CR) in the request line")},
    {ROW("GET /a HTTP/1.1\rH", "bare CR (without LF) in the request line")},
    {ROW(LINE " A: b", "white space before the first header field")},
    {ROW(LINE "\tA: b", "white space before the first header field")},
    {ROW(LINE "A: b\r\n c", "folded header line")},
    {ROW(LINE "A: b\r\n\tc", "folded header line")},
    {ROW(LINE ": b", "header field without a name")},
    {ROW(LINE "A\r\n", "header line without a colon")},
    {ROW(LINE "A\n", "bare LF (without CR) in the request head")},
    {ROW(LINE "A : b", "white space before the colon of a header field")},
    {ROW(LINE "A\t: b", "white space before the colon of a header field")},
    {ROW(LINE "A(: b", "byte 0x28 in the name of a header field")},
    {ROW(LINE "A\0: b", "NUL in the name of a header field")},
    {ROW(LINE "\x1b", "control byte 0x1b in the name of a header field")},
    {ROW(LINE "A: \0", "NUL in the value of a header field")},
    {ROW(LINE "A: b\x1b[2J", "control byte 0x1b in the value of a header field")},
    {ROW(LINE "A: b\n", "bare LF (without CR) in a header field")},
    {ROW(LINE "A: b\rc", "bare CR (without LF) in a header field")},
    {ROW(LINE "A: b\r\r\n", "bare CR (without LF) in a header field")},
    {ROW(LINE "A: b\r\n\n", "bare LF (without CR) in the request head")},
    {ROW(LINE "A: b\r\n\rX", "bare CR (without LF) in the request head")},
    {505, "GET /a HTTP/2.0\r\n", 17, "only HTTP/1.0 and HTTP/1.1 are served here"},
};

/* How many bytes of the head the guard takes until it refuses one, that one included. */
static size_t refused_at(const char *head, size_t length)
{
    struct guard guard;

    guard_init_head(&guard);
    for (size_t i = 0; i < length; i++) {
        size_t used;

        if (guard_feed(&guard, head + i, 1, &used) != GUARD_MORE)
            return i + 1;
    }
    fail_msg("the guard does not refuse %s", head);
    return 0;
}

static void reasons(void **state)
{
    const struct edge *edge = *state;
    static const char more[] = ": b\r\n\r\n \n";
    struct refusal refusal;
    char head[256];

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t empty = 0; empty <= 2; empty += 2) {
            size_t length = empty + rows[i].length, least;

            memcpy(head, "\r\n", 2);
            memcpy(head + empty, rows[i].head, rows[i].length);
            memcpy(head + length, more, sizeof more);
            least = refused_at(head, length);
            for (size_t have = least; have < length + sizeof more; have++) {
                refusal_explain(&refusal, edge_place(edge, head, have), have, MAX_HEADER);
                if (refusal.status != rows[i].status || strcmp(refusal.reason, rows[i].reason) != 0)
                    fail_msg("%u %s for %s", refusal.status, refusal.reason, rows[i].head);
            }
        }
    }
}

static void a_second_empty_line(void **state)
{
    const struct edge *edge = *state;
    struct refusal refusal;

    refusal_explain(&refusal, edge_place(edge, "\r\n\r\n", 4), 4, MAX_HEADER);
    assert_int_equal(refusal.status, 400);
    assert_string_equal(refusal.reason, "more than one empty line before the request line");
}

/* Every byte in every place of a head: a reason, and none that holds the byte itself. */
static void every_byte_in_every_place(void **state)
{
    static const char good[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    const struct edge *edge = *state;
    const size_t length = sizeof good - 1;
    unsigned refused = 0;

    for (size_t at = 0; at < length; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char head[sizeof good];
            struct refusal refusal;
            struct guard guard;
            size_t used;

            memcpy(head, good, length);
            head[at] = (char)byte;
            guard_init_head(&guard);
            if (guard_feed(&guard, head, length, &used) <= GUARD_DONE)
                continue;
            refusal_explain(&refusal, edge_place(edge, head, length), length, MAX_HEADER);
            assert_true(refusal.status == 400 || refusal.status == 505);
            assert_string_not_equal(refusal.reason, "malformed request");
            for (const char *p = refusal.reason; *p != '\0'; p++)
                assert_in_range(*p, ' ', '~');
            refused++;
        }
    }
    assert_true(refused > 3000);
}

/* A bad byte behind the largest head is not reached when the head comes in pieces: 431. */
static void size_comes_first(void **state)
{
    const struct edge *edge = *state;
    struct refusal refusal;
    char head[200];
    size_t length = (size_t)snprintf(head, sizeof head, "%s", LINE "A: b\r\nB: \x01");

    refusal_explain(&refusal, edge_place(edge, head, length), length, length);
    assert_int_equal(refusal.status, 400);
    refusal_explain(&refusal, edge_place(edge, head, length), length, length - 1);
    assert_int_equal(refusal.status, 431);
    assert_string_equal(refusal.reason, "request head larger than --max-header");
}

/* What is a method up to the limit is none that is known, and more of it would not change that. */
static void a_method_larger_than_a_head(void **state)
{
    const struct edge *edge = *state;
    struct refusal refusal;
    char head[300];

    for (size_t empty = 0; empty <= 2; empty += 2) {
        for (size_t method = 90; method <= 110; method++) {
            unsigned expected = empty + method >= 100 ? 501 : 431;
            size_t length =
                (size_t)snprintf(head, sizeof head, "%.*s%0*d / HTTP/1.1\r\nA: %050d\r\n\r\n",
                                 (int)empty, "\r\n", (int)method, 0, 0);

            for (size_t have = 101; have <= length; have++) {
                refusal_explain(&refusal, edge_place(edge, head, have), have, 100);
                assert_int_equal(refusal.status, expected);
            }
            head[100] = '\x01'; /* not looked at any more */
            refusal_explain(&refusal, edge_place(edge, head, length), length, 100);
            assert_int_equal(refusal.status, expected);
        }
    }
}

static void limits(void **state)
{
    const struct edge *edge = *state;
    size_t length = 0;
    char *head = malloc(MAX_HEADER);
    struct refusal refusal;

    assert_non_null(head);
    memset(head, 'a', MAX_HEADER);
    memcpy(head, "GET /", 5);
    refusal_explain(&refusal, edge_place(edge, head, 9000), 9000, MAX_HEADER);
    assert_int_equal(refusal.status, 414);
    assert_string_equal(refusal.reason, "request target too long");

    memcpy(head, LINE, length = sizeof LINE - 1);
    for (int i = 0; i <= HTTP_MAX_FIELDS; i++, length += 5)
        memcpy(head + length, "A:b\r\n", 5);
    refusal_explain(&refusal, edge_place(edge, head, length), length, MAX_HEADER);
    assert_int_equal(refusal.status, 431);
    assert_string_equal(refusal.reason, "too many header fields");
    free(head);
}

/* Asked about a head that is not refused it says no more than that. */
static void nothing_wrong(void **state)
{
    const struct edge *edge = *state;
    static const char head[] = LINE "Host: x\r\n\r\n";
    struct refusal refusal;

    for (size_t length = 0; length < sizeof head; length++) {
        refusal_explain(&refusal, edge_place(edge, head, length), length, MAX_HEADER);
        assert_int_equal(refusal.status, 400);
        assert_string_equal(refusal.reason, "malformed request");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons),
        cmocka_unit_test(a_second_empty_line),
        cmocka_unit_test(every_byte_in_every_place),
        cmocka_unit_test(size_comes_first),
        cmocka_unit_test(a_method_larger_than_a_head),
        cmocka_unit_test(limits),
        cmocka_unit_test(nothing_wrong),
    };

    return cmocka_run_group_tests(tests, edge_setup, edge_teardown);
}
