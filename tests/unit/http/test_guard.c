/* SPDX-License-Identifier: MIT
 *
 * guard.h: what is a request head or a trailer section, to the byte.
 *
 * A refused input is written as two strings: all that is still well formed, and
 * the rest, whose first byte is the one that must be refused. Every input is fed
 * whole, byte by byte and in every pair of pieces, each piece ending at a page
 * that cannot be read.
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef void guard_start(struct guard *guard);

static enum guard_verdict feed(const struct edge *edge, struct guard *guard, const char *data,
                               size_t length, size_t *used)
{
    *used = SIZE_MAX;
    return guard_feed(guard, edge_place(edge, data, length), length, used);
}

/* text[0..length) is complete and nothing less of it is. What stands behind it is not taken. */
static void check_complete(const struct edge *edge, guard_start *start, const char *text,
                           size_t length)
{
    char *followed = malloc(length + 4);
    struct guard guard, bytewise;
    size_t used;

    assert_non_null(followed);
    memcpy(followed, text, length);
    memcpy(followed + length, "GE\n\0", 4);
    start(&guard);
    if (feed(edge, &guard, followed, length + 4, &used) != GUARD_DONE || used != length)
        fail_msg("followed by more: %s", text);
    free(followed);

    start(&bytewise);
    for (size_t i = 0; i < length; i++) {
        struct guard prefix;
        enum guard_verdict verdict;

        start(&prefix);
        if (feed(edge, &prefix, text, i, &used) != GUARD_MORE || used != i)
            fail_msg("the first %zu bytes of %s", i, text);
        if (feed(edge, &prefix, text + i, length - i, &used) != GUARD_DONE || used != length - i)
            fail_msg("split at %zu: %s", i, text);

        verdict = feed(edge, &bytewise, text + i, 1, &used);
        if (verdict != (i + 1 < length ? GUARD_MORE : GUARD_DONE) || used != 1)
            fail_msg("byte %zu of %s", i, text);
    }
}

/* text[0..good) is well formed so far; the byte behind it brings the verdict. */
static void check_refused(const struct edge *edge, guard_start *start, const char *text,
                          size_t good, size_t length, enum guard_verdict expected)
{
    struct guard guard;
    size_t used;

    start(&guard);
    for (size_t i = 0; i < good; i++)
        if (feed(edge, &guard, text + i, 1, &used) != GUARD_MORE || used != 1)
            fail_msg("byte %zu is refused already: %s", i, text);
    if (feed(edge, &guard, text + good, 1, &used) != expected)
        fail_msg("byte %zu (0x%02x) is not refused as it must be: %s", good,
                 (unsigned)(unsigned char)text[good], text);
    for (size_t i = 0; i <= length; i++) {
        enum guard_verdict verdict;

        start(&guard);
        verdict = feed(edge, &guard, text, i, &used);
        if (verdict != (i <= good ? GUARD_MORE : expected))
            fail_msg("the first %zu bytes of %s", i, text);
        if (i <= good && feed(edge, &guard, text + i, length - i, &used) != expected)
            fail_msg("split at %zu: %s", i, text);
    }
}

/* --- heads ---------------------------------------------------------------------- */

static void complete_heads(void **state)
{
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
        "GET http://[::1]:80/a/b?c=d&e=%20;f HTTP/1.1\r\nHost: x\r\n\r\n",
        "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n\r\n",
        "GET /-._~!$&'()*+,;=:@%41[]?/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b={c|d}&`e` HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?| HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET http://a/b?c|?d/e HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ?{ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nA:\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \t \r\nB:b\r\nC: \tc \t\r\n\r\n",
        "GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~: x\r\n\r\n",
        "GET / HTTP/1.1\r\nA: :\"(),/;<=>?@[\\]{}\r\n\r\n",
        "GET / HTTP/1.1\r\nA: \x80\xff\xc3\xa9\r\n\r\n",
        /* Contradictions are the parser's to find. */
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT(heads); i++)
        check_complete(*state, guard_init_head, heads[i], strlen(heads[i]));
}

struct refused {
    const char *good, *bad;
    size_t bad_length; /* 0: strlen(bad) */
    enum guard_verdict verdict;
};

static void check_refused_table(const struct edge *edge, guard_start *start,
                                const struct refused *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t good = strlen(rows[i].good);
        size_t bad = rows[i].bad_length > 0 ? rows[i].bad_length : strlen(rows[i].bad);
        char text[300];

        assert_true(good + bad < sizeof text);
        memcpy(text, rows[i].good, good);
        memcpy(text + good, rows[i].bad, bad);
        text[good + bad] = '\0';
        check_refused(edge, start, text, good, good + bad, rows[i].verdict);
    }
}

#define LINE "GET / HTTP/1.1\r\n"

static const struct refused bad_heads[] = {
    /* White space where none may be. */
    {LINE "Host", " : a\r\n\r\n", 0, GUARD_BAD},
    {LINE "Host", "\t: a\r\n\r\n", 0, GUARD_BAD},
    {LINE "Ho", " st: a\r\n\r\n", 0, GUARD_BAD},
    {LINE "Ho", "\tst: a\r\n\r\n", 0, GUARD_BAD},
    {LINE, " Host: a\r\n\r\n", 0, GUARD_BAD},
    {LINE, "\tHost: a\r\n\r\n", 0, GUARD_BAD},
    {"", " GET / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET ", " / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET / ", " HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET / HTTP/1.1", " \r\n\r\n", 0, GUARD_BAD},
    {"GET", "\t/ HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "\tHTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /a ", "b HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    /* Folded lines. */
    {LINE "A: b\r\n", " c\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b\r\n", "\tc\r\n\r\n", 0, GUARD_BAD},
    {LINE "A:\r\n", " \r\n\r\n", 0, GUARD_BAD},
    /* Line ends. */
    {"GET / HTTP/1.1", "\n\r\n", 0, GUARD_BAD},
    {"GET / HTTP/1.1\r", "\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b", "\nB: c\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b\r", "B: c\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b\r", "\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b\r\n", "\n", 0, GUARD_BAD},
    {LINE "A: b\r\n\r", "X", 0, GUARD_BAD},
    {LINE "\r", "\r\n", 0, GUARD_BAD},
    {LINE, "\n", 0, GUARD_BAD},
    {"", "\nGET / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"\r", "GET / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"\r\n", "\r\nGET / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"\r\n", "\nGET / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    /* The target: what browsers do not escape in a query is refused before it, the rest there.
     */
    {"GET /a", "|?b HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "{ HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET ", "|?a HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /?a|", "^ HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /?a", "\\ HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /?a{", "\" HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /?a|", "<> HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /?", "#a HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /?|", "\xe9 HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /?|", "\x7f HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    /* Names. */
    {LINE, ": a\r\n\r\n", 0, GUARD_BAD},
    {LINE "Host", "\r\n\r\n", 0, GUARD_BAD},
    {LINE, "\"a\": b\r\n\r\n", 0, GUARD_BAD},
    {LINE "a", "(b): c\r\n\r\n", 0, GUARD_BAD},
    {LINE "a", "\x80: c\r\n\r\n", 0, GUARD_BAD},
    {LINE, "\0: c\r\n\r\n", 8, GUARD_BAD},
    /* Control bytes in a value. */
    {LINE "A:", "\0\r\n\r\n", 5, GUARD_BAD},
    {LINE "A: ", "\0b\r\n\r\n", 6, GUARD_BAD},
    {LINE "A: b", "\0\r\n\r\n", 5, GUARD_BAD},
    {LINE "A: ", "\x01\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b", "\x1b[0m\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b", "\x7f\r\n\r\n", 0, GUARD_BAD},
    {LINE "A: b", "\x0b\r\n\r\n", 0, GUARD_BAD},
    /* The version. */
    {"GET / HTTP/", "2.0\r\n\r\n", 0, GUARD_VERSION},
    {"GET / HTTP/", "9.9\r\n\r\n", 0, GUARD_VERSION},
    {"PRI * HTTP/", "2.0\r\n\r\nSM\r\n\r\n", 0, GUARD_VERSION},
    {"GET / HTTP/", "0.9\r\n\r\n", 0, GUARD_BAD},
    {"GET / HTTP/1", "1\r\n\r\n", 0, GUARD_BAD},
    {"GET / HTTP/1", "0.1\r\n\r\n", 0, GUARD_BAD},
    {"GET / HTTP/1.1", "0\r\n\r\n", 0, GUARD_BAD},
    {"GET / HTTP/1.", "\r\n\r\n", 0, GUARD_BAD},
    {"GET / HTTP/", "x.1\r\n\r\n", 0, GUARD_BAD},
    {"GET / ", "http/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET / HTT", "p/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET / ", "\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "\r\n", 0, GUARD_BAD}, /* HTTP/0.9 */
    /* The target. */
    {"GET ", "\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "#a HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "<a> HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "\\a HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "^ HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "\x80 HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "\x7f HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET /", "\0 HTTP/1.1\r\n\r\n", 14, GUARD_BAD},
    /* The method, and what is no request at all. */
    {"G", "(T / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
    {"GET", "\r\n\r\n", 0, GUARD_BAD},
    {"GET", "\0 / HTTP/1.1\r\n\r\n", 16, GUARD_BAD},
    {"", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 11, GUARD_BAD}, /* TLS */
    {"", "\x80garbage", 0, GUARD_BAD},
    {"", "\0", 1, GUARD_BAD},
    {"", "{\"json\": true}", 0, GUARD_BAD},
    {"SSH-2.0-OpenSSH_9.2p1", "\r\n", 0, GUARD_BAD},
};

static void refused_heads(void **state)
{
    check_refused_table(*state, guard_init_head, bad_heads, COUNT(bad_heads));
}

#define DIGIT "0123456789"
#define ALPHA "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define TCHAR "!#$%&'*+-.^_`|~" DIGIT ALPHA
#define URI   "-._~!$&'()*+,;=%:@/?[]" DIGIT ALPHA

/* After each place in a head every one of the 256 bytes is tried. */
static void every_byte_in_every_place(void **state)
{
    static const struct {
        const char *before;
        const char *allowed;
        bool text;           /* and all of a field value's bytes */
        const char *too_new; /* bytes refused as a version */
    } rows[] = {
        {"", TCHAR "\r", false, ""},
        {"\r", "\n", false, ""},
        {"\r\n", TCHAR, false, ""},
        {"G", TCHAR " ", false, ""},
        {"\r\nG", TCHAR " ", false, ""},
        {"GET ", URI, false, ""},
        {"GET /", URI " ", false, ""},
        {"GET / ", "H", false, ""},
        {"GET / H", "T", false, ""},
        {"GET / HT", "T", false, ""},
        {"GET / HTT", "P", false, ""},
        {"GET / HTTP", "/", false, ""},
        {"GET / HTTP/", "1", false, "23456789"},
        {"GET / HTTP/1", ".", false, ""},
        {"GET / HTTP/1.", DIGIT, false, ""},
        {"GET / HTTP/1.1", "\r", false, ""},
        {"GET / HTTP/1.1\r", "\n", false, ""},
        {LINE, TCHAR "\r", false, ""},
        {LINE "a", TCHAR ":", false, ""},
        {LINE "a:", "\r", true, ""},
        {LINE "a: b", "\r", true, ""},
        {LINE "a: b\r", "\n", false, ""},
        {LINE "a: b\r\n", TCHAR "\r", false, ""},
        {LINE "a: b\r\n\r", "", false, ""}, /* but for the last LF */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int byte = 0; byte < 256; byte++) {
            char input[64];
            size_t length = strlen(rows[i].before);
            enum guard_verdict expected = GUARD_BAD, verdict;
            struct guard guard;
            size_t used;

            memcpy(input, rows[i].before, length);
            input[length] = (char)byte;
            if (byte != 0 && strchr(rows[i].allowed, byte) != NULL)
                expected = GUARD_MORE;
            if (rows[i].text && (byte == '\t' || (byte >= ' ' && byte != 0x7f)))
                expected = GUARD_MORE;
            if (byte != 0 && strchr(rows[i].too_new, byte) != NULL)
                expected = GUARD_VERSION;
            if (byte == '\n' && rows[i].allowed[0] == '\0')
                expected = GUARD_DONE;
            guard_init_head(&guard);
            verdict = feed(*state, &guard, input, length + 1, &used);
            if (verdict != expected)
                fail_msg("0x%02x after %s: verdict %d", (unsigned)byte, rows[i].before,
                         (int)verdict);
        }
    }
}

/* Runs are read several bytes at a time: every byte at every offset of one must count. */
static void every_byte_at_every_offset_of_a_run(void **state)
{
    static const struct {
        const char *before, *allowed;
        bool text;
    } rows[] = {
        {"G", TCHAR " ", false},
        {"GET /", URI " ", false},
        {LINE "a", TCHAR ":", false},
        {LINE "a: ", "\r", true},
    };
    enum { RUN = 21 };

    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t before = strlen(rows[i].before);

        for (int number = 0; number < 256 * RUN; number++) {
            unsigned char byte = (unsigned char)(number / RUN);
            size_t at = before + (size_t)(number % RUN);
            bool allowed = (byte != 0 && strchr(rows[i].allowed, byte) != NULL) ||
                           (rows[i].text && (byte == '\t' || (byte >= ' ' && byte != 0x7f)));
            /* A byte that ends the run is wrong only by what follows it. */
            size_t length = byte == ' ' || byte == ':' || byte == '\r' ? at + 1 : before + RUN;
            char input[64];
            struct guard guard;
            size_t used;

            memcpy(input, rows[i].before, before);
            memset(input + before, 'b', RUN);
            input[at] = (char)byte;
            guard_init_head(&guard);
            if (feed(*state, &guard, input, length, &used) != (allowed ? GUARD_MORE : GUARD_BAD))
                fail_msg("0x%02x at byte %zu after %s", (unsigned)byte, at - before,
                         rows[i].before);
        }
    }
}

static void nothing_fed_changes_nothing(void **state)
{
    static const char text[] = LINE "a: b\r\n\r\n";
    struct guard guard;
    size_t used;

    guard_init_head(&guard);
    for (size_t i = 0; i < strlen(text); i++) {
        assert_int_equal(feed(*state, &guard, "", 0, &used), GUARD_MORE);
        assert_int_equal(used, 0);
        assert_int_equal(feed(*state, &guard, text + i, 1, &used),
                         i + 1 < strlen(text) ? GUARD_MORE : GUARD_DONE);
    }
}

/* --- limits --------------------------------------------------------------------- */

/* A head of that many fields, but for the empty line that ends it. */
static size_t with_fields(char *text, unsigned fields)
{
    size_t length = (size_t)sprintf(text, LINE);

    for (unsigned i = 0; i < fields; i++)
        length += (size_t)sprintf(text + length, "f%u: %u\r\n", i, i);
    return length;
}

static void a_hundred_fields_and_no_more(void **state)
{
    char text[4096];
    size_t length = with_fields(text, HTTP_MAX_FIELDS);

    memcpy(text + length, "\r\n", 3);
    check_complete(*state, guard_init_head, text, length + 2);
    memcpy(text + length, "f: x\r\n\r\n", sizeof "f: x\r\n\r\n");
    check_refused(*state, guard_init_head, text, length, length + 8, GUARD_TOO_MANY_FIELDS);
    memcpy(text + length, " x\r\n\r\n", sizeof " x\r\n\r\n"); /* bad before it is too many */
    check_refused(*state, guard_init_head, text, length, length + 6, GUARD_BAD);
}

/* A request for a target of that many bytes. */
static size_t with_target(char *text, size_t target)
{
    memcpy(text, "GET /", 5);
    memset(text + 5, 'a', target - 1);
    memcpy(text + 4 + target, " HTTP/1.1\r\n\r\n", sizeof " HTTP/1.1\r\n\r\n");
    return 4 + target + 13;
}

static void a_target_of_8000_bytes(void **state)
{
    static char text[HTTP_MAX_TARGET + 100];
    size_t length = with_target(text, HTTP_MAX_TARGET);
    static const size_t splits[] = {1, 4, 5, 6, 7, 4000, 8002, 8003, 8004, 8005, 8006};
    struct guard guard;
    size_t used;

    guard_init_head(&guard);
    assert_int_equal(feed(*state, &guard, text, length, &used), GUARD_DONE);
    assert_int_equal(used, length);
    for (size_t i = 0; i < COUNT(splits); i++) {
        guard_init_head(&guard);
        assert_int_equal(feed(*state, &guard, text, splits[i], &used), GUARD_MORE);
        assert_int_equal(feed(*state, &guard, text + splits[i], length - splits[i], &used),
                         GUARD_DONE);
        assert_int_equal(used, length - splits[i]);
    }
}

static void a_target_of_8001_bytes(void **state)
{
    static char text[HTTP_MAX_TARGET + 100];
    size_t length = with_target(text, HTTP_MAX_TARGET + 1);
    size_t last = 4 + HTTP_MAX_TARGET; /* where the byte too many stands */
    static const size_t splits[] = {1, 4, 5, 6, 7, 4000, 8003, 8004};
    struct guard guard;
    size_t used;

    guard_init_head(&guard);
    assert_int_equal(feed(*state, &guard, text, last, &used), GUARD_MORE);
    assert_int_equal(feed(*state, &guard, text + last, 1, &used), GUARD_TARGET_TOO_LONG);
    guard_init_head(&guard);
    assert_int_equal(feed(*state, &guard, text, length, &used), GUARD_TARGET_TOO_LONG);
    for (size_t i = 0; i < COUNT(splits); i++) {
        guard_init_head(&guard);
        assert_int_equal(feed(*state, &guard, text, splits[i], &used), GUARD_MORE);
        assert_int_equal(feed(*state, &guard, text + splits[i], length - splits[i], &used),
                         GUARD_TARGET_TOO_LONG);
    }
}

/* Beyond what the counter of target bytes can hold. */
static void a_target_without_end(void **state)
{
    static char text[150000];
    static const size_t pieces[] = {1, 7999, 8000, 8001, 65535, 65536, sizeof text};

    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        enum guard_verdict verdict = GUARD_MORE;
        struct guard guard;
        size_t at = 0, used;

        guard_init_head(&guard);
        while (verdict == GUARD_MORE && at < sizeof text) {
            size_t piece = sizeof text - at < pieces[i] ? sizeof text - at : pieces[i];

            verdict = feed(*state, &guard, text + at, piece, &used);
            at += piece;
        }
        if (verdict != GUARD_TARGET_TOO_LONG || at > 4 + HTTP_MAX_TARGET + pieces[i])
            fail_msg("in pieces of %zu: verdict %d after %zu bytes", pieces[i], (int)verdict, at);
    }
}

/* --- trailers ------------------------------------------------------------------- */

static void complete_trailers(void **state)
{
    static const char *const sections[] = {
        "\r\n",
        "A: b\r\n\r\n",
        "Content-Length: 5\r\nHost: a\r\nX:\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT(sections); i++)
        check_complete(*state, guard_init_trailers, sections[i], strlen(sections[i]));
}

static void refused_trailers(void **state)
{
    static const struct refused rows[] = {
        {"", "\n", 0, GUARD_BAD},
        {"\r", "X", 0, GUARD_BAD},
        {"", " A: b\r\n\r\n", 0, GUARD_BAD},
        {"A", " : b\r\n\r\n", 0, GUARD_BAD},
        {"A: b\r\n", " c\r\n\r\n", 0, GUARD_BAD},
        {"A: b", "\nC: d\r\n\r\n", 0, GUARD_BAD},
        {"A: b", "\0\r\n\r\n", 5, GUARD_BAD},
        {"GET", " / HTTP/1.1\r\n\r\n", 0, GUARD_BAD},
        {"", ":\r\n\r\n", 0, GUARD_BAD},
    };

    check_refused_table(*state, guard_init_trailers, rows, COUNT(rows));
}

static void trailers_are_limited_like_fields(void **state)
{
    char text[4096];
    size_t skip = strlen(LINE), length = with_fields(text, HTTP_MAX_FIELDS) - skip;

    memcpy(text + skip + length, "f: x\r\n\r\n", sizeof "f: x\r\n\r\n");
    check_refused(*state, guard_init_trailers, text + skip, length, length + 8,
                  GUARD_TOO_MANY_FIELDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complete_heads),
        cmocka_unit_test(refused_heads),
        cmocka_unit_test(every_byte_in_every_place),
        cmocka_unit_test(every_byte_at_every_offset_of_a_run),
        cmocka_unit_test(nothing_fed_changes_nothing),
        cmocka_unit_test(a_hundred_fields_and_no_more),
        cmocka_unit_test(a_target_of_8000_bytes),
        cmocka_unit_test(a_target_of_8001_bytes),
        cmocka_unit_test(a_target_without_end),
        cmocka_unit_test(complete_trailers),
        cmocka_unit_test(refused_trailers),
        cmocka_unit_test(trailers_are_limited_like_fields),
    };
    return cmocka_run_group_tests(tests, edge_setup, edge_teardown);
}
