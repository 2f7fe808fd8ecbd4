/* SPDX-License-Identifier: MIT
 *
 * chunked.h: the framing of a chunked body, to the byte.
 *
 * As in test_guard.c a refused body is written in two strings: what is well
 * formed so far, and the rest, whose first byte must be refused. Every piece
 * ends at a page that cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"
#include "http.h"
#include "http/chunked.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MAX_BODY = 200 * 1024 };

/* A decoder and what came out of it. */
struct decoding {
    const struct edge *edge;
    struct chunked chunked;
    size_t taken; /* of the input, framing and data */
    char data[MAX_BODY];
    size_t data_length;
};

static struct decoding *start(void **state)
{
    static struct decoding decoding;

    decoding.edge = *state;
    decoding.taken = decoding.data_length = 0;
    chunked_init(&decoding.chunked);
    return &decoding;
}

/* Decodes all of one piece. Returns CHUNKED_MORE when it could be used up. */
static enum chunked_event feed(struct decoding *d, const char *piece, size_t length)
{
    const char *at = edge_place(d->edge, piece, length);
    const char *end = at + length;

    for (;;) {
        size_t used = SIZE_MAX, count;
        enum chunked_event event = chunked_next(&d->chunked, at, (size_t)(end - at), &used);

        if (event == CHUNKED_BAD)
            return event;
        assert_true(used <= (size_t)(end - at));
        at += used;
        d->taken += used;
        if (event != CHUNKED_DATA) {
            assert_true(event != CHUNKED_MORE || at == end);
            return event;
        }
        assert_true(d->chunked.left > 0);
        if (at == end)
            return CHUNKED_MORE;
        count =
            d->chunked.left < (uint64_t)(end - at) ? (size_t)d->chunked.left : (size_t)(end - at);
        assert_true(d->data_length + count <= sizeof d->data);
        memcpy(d->data + d->data_length, at, count);
        d->data_length += count;
        chunked_take(&d->chunked, count);
        at += count;
        d->taken += count;
    }
}

/* text[0..length) is a whole body that carries data; all in every pair of pieces. */
static void check_body(void **state, const char *text, size_t length, const char *data)
{
    char followed[600];
    struct decoding *d = start(state);

    assert_true(length + 3 <= sizeof followed);
    memcpy(followed, text, length);
    memcpy(followed + length, "\r\nX", 3);
    if (feed(d, followed, length + 3) != CHUNKED_END || d->taken != length)
        fail_msg("followed by more: %s", text);

    for (size_t split = 0; split <= length; split++) {
        d = start(state);
        if (feed(d, text, split) != (split < length ? CHUNKED_MORE : CHUNKED_END))
            fail_msg("the first %zu bytes of %s", split, text);
        if (split < length && feed(d, text + split, length - split) != CHUNKED_END)
            fail_msg("split at %zu: %s", split, text);
        if (d->taken != length || d->data_length != strlen(data) ||
            memcmp(d->data, data, strlen(data)) != 0)
            fail_msg("split at %zu: %zu bytes of data in %s", split, d->data_length, text);
    }

    d = start(state);
    for (size_t i = 0; i < length; i++)
        if (feed(d, text + i, 1) != (i + 1 < length ? CHUNKED_MORE : CHUNKED_END))
            fail_msg("byte %zu of %s", i, text);
    if (d->data_length != strlen(data) || memcmp(d->data, data, strlen(data)) != 0)
        fail_msg("byte by byte: %zu bytes of data in %s", d->data_length, text);
}

static void bodies(void **state)
{
    static const struct {
        const char *text, *data;
    } rows[] = {
        {"0\r\n\r\n", ""},
        {"000\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello"},
        {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
        {"0005\r\nhello\r\n00\r\n\r\n", "hello"},
        {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
        {"B\r\n0123456789a\r\n0\r\n\r\n", "0123456789a"},
        {"1F\r\n0123456789012345678901234567890\r\n0\r\n\r\n", "0123456789012345678901234567890"},
        {"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", "abc"},
        /* Data that looks like framing. */
        {"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"},
        {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
        {"1\r\n\n\r\n0\r\n\r\n", "\n"},
        /* Extensions. */
        {"1;a\r\nx\r\n0\r\n\r\n", "x"},
        {"1;a=b\r\nx\r\n0;z\r\n\r\n", "x"},
        {"1;a=b;c;d=e\r\nx\r\n0\r\n\r\n", "x"},
        {"1 ;a\r\nx\r\n0\t;b=c\r\n\r\n", "x"},
        {"1 \t  ; a = b\r\nx\r\n0 ;\tc \t;d\r\n\r\n", "x"},
        {"1; a = b ;\tc\t=\td ; e\r\nx\r\n0\r\n\r\n", "x"},
        {"1;a=\"\"\r\nx\r\n0\r\n\r\n", "x"},
        {"1;a=\"b;c=d\\\"e\\\\\" ;f\r\nx\r\n0\r\n\r\n", "x"},
        {"1;a=\"\t \x80\xff\"\r\nx\r\n0\r\n\r\n", "x"},
        {"1;!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~\r\nx\r\n0\r\n\r\n", "x"},
        {"0;a=\"0\"\r\n\r\n", ""},
        /* Trailers. */
        {"0\r\nA: b\r\n\r\n", ""},
        {"1\r\nx\r\n0\r\nContent-Length: 7\r\nX:\r\n\r\n", "x"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        check_body(state, rows[i].text, strlen(rows[i].text), rows[i].data);
}

static const struct {
    const char *good, *bad;
    size_t bad_length; /* 0: strlen(bad) */
} refused_bodies[] = {
    /* The size. */
    {"", "\r\nx", 0},
    {"", "+1\r\nx\r\n", 0},
    {"", "-1\r\nx\r\n", 0},
    {"0", "x1\r\nx\r\n", 0},
    {"", " 1\r\nx\r\n", 0},
    {"", "\t1\r\nx\r\n", 0},
    {"1 ", "\r\nx\r\n", 0},
    {"1\t", "\r\nx\r\n", 0},
    {"1 ", "2\r\nx\r\n", 0},
    {"1 ", "=a\r\nx\r\n", 0},
    {"1\t ", "a;b\r\nx\r\n", 0},
    {"1 ;", "\r\nx\r\n", 0},
    {"", "g\r\n", 0},
    {"", "G\r\n", 0},
    {"1", ",\r\nx\r\n", 0},
    {"1", "_0\r\nx\r\n", 0},
    {"1", ".0\r\nx\r\n", 0},
    {"", "\x80\r\n", 0},
    {"1", "\0\r\nx\r\n", 6},
    {"", ";a\r\n", 0},
    {"800000000000000", "0\r\n", 0}, /* 2^63 */
    {"fffffffffffffff", "f\r\n", 0},
    {"1000000000000000", "0\r\n", 0},
    {"000000000000000800000000000000", "0\r\n", 0},
    /* Its end. */
    {"1", "\nx\r\n", 0},
    {"1\r", "x\r\n", 0},
    {"1\r", "\r\nx", 0},
    {"0", "\n\r\n", 0},
    {"0\r", "\r\n", 0},
    /* The end of the data. */
    {"1\r\nx", "\n0\r\n", 0},
    {"1\r\nx", "x\r\n0", 0},
    {"1\r\nx", "0\r\n\r\n", 0},
    {"1\r\nx\r", "0\r\n\r\n", 0},
    {"1\r\nx\r", "\r\n0\r\n", 0},
    {"1\r\nx\r\n", "\r\n0\r\n", 0},
    /* Extensions. */
    {"1;", "\r\nx\r\n", 0},
    {"1;a;", "\r\nx\r\n", 0},
    {"1;", ";a\r\nx\r\n", 0},
    {"1;", "=b\r\nx\r\n", 0},
    {"1;a=", "\r\nx\r\n", 0},
    {"1;a= ", "\r\nx\r\n", 0},
    {"1;a=", ";b\r\nx\r\n", 0},
    {"1;a=b", "=c\r\nx\r\n", 0},
    {"1;a=b ", "=c\r\nx\r\n", 0},
    {"1;a ", "b\r\nx\r\n", 0},
    {"1;a=b ", "c\r\nx\r\n", 0},
    {"1;a=\"b\"", "c\r\nx\r\n", 0},
    {"1;a=\"b\" ", "=\r\nx\r\n", 0},
    {"1;a=\"b", "\r\nx\r\n", 0},
    {"1;a=\"b\\", "\r\nx\r\n", 0},
    {"1;a=\"b", "\n\"\r\nx\r\n", 0},
    {"1;a=\"b", "\0\"\r\nx\r\n", 7},
    {"1;a=\"\\", "\0\"\r\nx\r\n", 7},
    {"1;a", "\nx\r\n", 0},
    {"1;a=b", "\nx\r\n", 0},
    {"1;a\r", "x\r\n", 0},
    {"1;a", "\x80\r\nx\r\n", 0},
    {"1;a=b", "\"\r\nx\r\n", 0},
    {"1;a", "(b)\r\nx\r\n", 0},
    /* Trailers. */
    {"0\r\n", "\n", 0},
    {"0\r\n\r", "X", 0},
    {"0\r\n", " a: b\r\n\r\n", 0},
    {"0\r\nA: b\r\n", " c\r\n\r\n", 0},
    {"0\r\nA", " : b\r\n\r\n", 0},
    {"0\r\nA: b", "\n\r\n", 0},
    {"0\r\nGET", " / HTTP/1.1\r\n\r\n", 0},
};

static void refused(void **state)
{
    for (size_t i = 0; i < COUNT(refused_bodies); i++) {
        size_t good = strlen(refused_bodies[i].good);
        size_t bad = refused_bodies[i].bad_length > 0 ? refused_bodies[i].bad_length
                                                      : strlen(refused_bodies[i].bad);
        struct decoding *d = start(state);
        char text[200];

        memcpy(text, refused_bodies[i].good, good);
        memcpy(text + good, refused_bodies[i].bad, bad);
        for (size_t j = 0; j < good; j++)
            if (feed(d, text + j, 1) != CHUNKED_MORE)
                fail_msg("row %zu, %s: byte %zu is refused already", i, refused_bodies[i].good, j);
        if (feed(d, text + good, 1) != CHUNKED_BAD)
            fail_msg("row %zu, %s: byte 0x%02x is not refused", i, refused_bodies[i].good,
                     (unsigned)(unsigned char)text[good]);
        for (size_t split = 0; split <= good + bad; split++) {
            d = start(state);
            if (feed(d, text, split) != (split <= good ? CHUNKED_MORE : CHUNKED_BAD) ||
                (split <= good && feed(d, text + split, good + bad - split) != CHUNKED_BAD))
                fail_msg("row %zu, %s: split at %zu", i, refused_bodies[i].good, split);
        }
    }
}

/* After each place every one of the 256 bytes is tried. */
static void every_byte_in_every_place(void **state)
{
#define HEX   "0123456789abcdefABCDEF"
#define TCHAR "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    static const struct {
        const char *before, *allowed;
        bool text; /* and all bytes of a quoted string */
    } rows[] = {
        {"", HEX, false},
        {"1", HEX "\r; \t", false},
        {"1 ", "; \t", false},
        {"1\r", "\n", false},
        {"1\r\nx", "\r", false},
        {"1\r\nx\r", "\n", false},
        {"1\r\nx\r\n", HEX, false},
        {"1;", TCHAR " \t", false},
        {"1; ", TCHAR " \t", false},
        {"1;a", TCHAR " \t;=\r", false},
        {"1;a=", TCHAR " \t\"", false},
        {"1;a= ", TCHAR " \t\"", false},
        {"1;a=b", TCHAR " \t;\r", false},
        {"1;a=\"", "", true},
        {"1;a=\"b", "", true},
        {"1;a=\"\\", "", true},
        {"1;a=\"b\"", " \t;\r", false},
        {"0\r\n", TCHAR "\r", false},
        {"0\r\nA", TCHAR ":", false},
        {"0\r\nA:", "\r", true},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int byte = 0; byte < 256; byte++) {
            struct decoding *d = start(state);
            char last = (char)byte;
            bool allowed = (byte != 0 && strchr(rows[i].allowed, byte) != NULL) ||
                           (rows[i].text && (byte == '\t' || (byte >= ' ' && byte != 0x7f)));

            assert_int_equal(feed(d, rows[i].before, strlen(rows[i].before)), CHUNKED_MORE);
            if (feed(d, &last, 1) != (allowed ? CHUNKED_MORE : CHUNKED_BAD))
                fail_msg("0x%02x after %s", (unsigned)byte, rows[i].before);
        }
    }
}

static void the_largest_chunk(void **state)
{
    static const char text[] = "7fffffffffffffff\r\n";
    struct decoding *d = start(state);
    size_t used;

    assert_int_equal(chunked_next(&d->chunked, text, strlen(text), &used), CHUNKED_DATA);
    assert_int_equal(used, strlen(text));
    assert_true(d->chunked.left == (uint64_t)INT64_MAX);
    assert_true(d->chunked.data == (uint64_t)INT64_MAX);
}

/* Data is announced again until all of it has been taken, whatever input there is. */
static void data_is_the_callers_to_take(void **state)
{
    struct decoding *d = start(state);
    size_t used;

    assert_int_equal(chunked_next(&d->chunked, "5\r\nab", 5, &used), CHUNKED_DATA);
    assert_int_equal(used, 3);
    assert_int_equal(d->chunked.left, 5);
    assert_int_equal(chunked_next(&d->chunked, "\r\n", 2, &used), CHUNKED_DATA);
    assert_int_equal(used, 0);
    chunked_take(&d->chunked, 4);
    assert_int_equal(chunked_next(&d->chunked, "", 0, &used), CHUNKED_DATA);
    assert_int_equal(d->chunked.left, 1);
    chunked_take(&d->chunked, 1);
    assert_int_equal(chunked_next(&d->chunked, "", 0, &used), CHUNKED_MORE);
    assert_int_equal(chunked_next(&d->chunked, "\r\n0\r\n\r\nX", 8, &used), CHUNKED_END);
    assert_int_equal(used, 7);
}

/* --- caps ----------------------------------------------------------------------- */

enum { CAP = 16 * 1024, PIECES = 4 };

static const size_t PIECE[PIECES] = {1, 7, 4096, SIZE_MAX};

/* Feeds text in pieces of one size, until it is used up or something is decided. */
static enum chunked_event feed_pieces(struct decoding *d, const char *text, size_t length,
                                      size_t piece)
{
    enum chunked_event event = CHUNKED_MORE;

    for (size_t at = 0; at < length && event == CHUNKED_MORE;) {
        size_t count = length - at < piece ? length - at : piece;

        event = feed(d, text + at, count);
        at += count;
    }
    return event;
}

static void extensions_are_capped(void **state)
{
    /* ";aaa…" and its CR are the extension's bytes; with the rest of the framing they stay far
     * below what that data allows. */
    static char text[3 * CAP];

    for (int over = 0; over <= 1; over++) {
        for (int p = 0; p < PIECES; p++) {
            struct decoding *d = start(state);
            size_t length, extension = over ? CAP : CAP - 1;

            memcpy(text, "1000\r\n", sizeof "1000\r\n");
            memset(text + 6, 'x', 4096);
            memcpy(text + 6 + 4096, "\r\n1;", sizeof "\r\n1;");
            length = strlen(text);
            memset(text + length, 'a', extension);
            length += extension;
            memcpy(text + length, "\r\nx\r\n0\r\n\r\n", sizeof "\r\nx\r\n0\r\n\r\n");
            length += strlen(text + length);
            if (feed_pieces(d, text, length, PIECE[p]) != (over ? CHUNKED_BAD : CHUNKED_END))
                fail_msg("%d bytes too many, in pieces of %zu", over, PIECE[p]);
        }
    }
}

/* Not each chunk by itself, but all of them together. */
static void extensions_are_capped_over_the_whole_body(void **state)
{
    struct decoding *d = start(state);
    enum chunked_event event = CHUNKED_MORE;
    unsigned chunks = 0;

    while (event == CHUNKED_MORE && chunks < 5000) {
        event = feed(d, "8;a=bcd\r\n12345678\r\n", 19); /* 5 bytes and CR after the ";" */
        chunks++;
    }
    assert_int_equal(event, CHUNKED_BAD);
    assert_int_equal(chunks, CAP / 6 + 1);
}

/* A body of one-byte chunks, of any length, is not what the cap on framing is against. */
static void small_chunks_are_no_abuse(void **state)
{
    struct decoding *d = start(state);

    for (int i = 0; i < 100000; i++)
        if (feed(d, "1\r\nx\r\n", 6) != CHUNKED_MORE)
            fail_msg("chunk %d", i);
    assert_int_equal(feed(d, "0\r\n\r\n", 5), CHUNKED_END);
    assert_int_equal(d->data_length, 100000);
}

static void leading_zeros_are_framing(void **state)
{
    static char text[2 * CAP];

    memset(text, '0', sizeof text);
    for (int p = 0; p < PIECES; p++)
        assert_int_equal(feed_pieces(start(state), text, sizeof text, PIECE[p]), CHUNKED_BAD);
}

/* The whole framing of a body without data, n trailers of 18 bytes, against the allowance. */
static void trailers_are_framing(void **state)
{
    for (int over = 0; over <= 1; over++) {
        for (int p = 0; p < PIECES; p++) {
            static char text[3 * CAP];
            size_t length;

            /* Few lines, so that the number of fields is not what is refused. */
            memcpy(text, "0\r\na: ", sizeof "0\r\na: ");
            length = strlen(text);
            memset(text + length, 'x', over ? 2 * CAP : CAP - 100);
            length += over ? 2 * CAP : CAP - 100;
            memcpy(text + length, "\r\n\r\n", sizeof "\r\n\r\n");
            length += 4;
            if (feed_pieces(start(state), text, length, PIECE[p]) !=
                (over ? CHUNKED_BAD : CHUNKED_END))
                fail_msg("%zu bytes, in pieces of %zu", length, PIECE[p]);
        }
    }
}

static void trailer_lines_are_limited_like_fields(void **state)
{
    struct decoding *d = start(state);

    assert_int_equal(feed(d, "0\r\n", 3), CHUNKED_MORE);
    for (int i = 0; i < HTTP_MAX_FIELDS; i++)
        assert_int_equal(feed(d, "a:b\r\n", 5), CHUNKED_MORE);
    assert_int_equal(feed(d, "a:b\r\n", 5), CHUNKED_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(refused),
        cmocka_unit_test(every_byte_in_every_place),
        cmocka_unit_test(the_largest_chunk),
        cmocka_unit_test(data_is_the_callers_to_take),
        cmocka_unit_test(extensions_are_capped),
        cmocka_unit_test(extensions_are_capped_over_the_whole_body),
        cmocka_unit_test(small_chunks_are_no_abuse),
        cmocka_unit_test(leading_zeros_are_framing),
        cmocka_unit_test(trailers_are_framing),
        cmocka_unit_test(trailer_lines_are_limited_like_fields),
    };
    return cmocka_run_group_tests(tests, edge_setup, edge_teardown);
}
