/* SPDX-License-Identifier: MIT
 *
 * request.h: what a well-formed head means, and which ones are refused all the
 * same. Every head is passed by the guard first, as its contract wants, and ends
 * at a page that cannot be read; every one is parsed twice into memory of
 * different contents, which must make no difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "edge.h"
#include "http/guard.h"
#include "http/request.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One head, parsed; its slices point to the edge. */
struct parsed {
    struct http_request request;
    struct request_error error;
    const char *head;
    size_t length;
};

static bool same_slice(struct http_slice a, struct http_slice b)
{
    return a.data == b.data && a.length == b.length;
}

static bool same_request(const struct http_request *a, const struct http_request *b)
{
    return a->method == b->method && same_slice(a->method_name, b->method_name) &&
           same_slice(a->target, b->target) && same_slice(a->path, b->path) &&
           same_slice(a->query, b->query) && same_slice(a->authority, b->authority) &&
           a->version_minor == b->version_minor &&
           memcmp(&a->keep_alive, &b->keep_alive, sizeof a->keep_alive) == 0 &&
           memcmp(&a->expects_continue, &b->expects_continue, sizeof a->expects_continue) == 0 &&
           memcmp(&a->chunked, &b->chunked, sizeof a->chunked) == 0 &&
           memcmp(&a->has_body, &b->has_body, sizeof a->has_body) == 0 &&
           a->content_length == b->content_length && a->field_count == b->field_count;
}

static struct parsed *parse_bytes(void **state, const char *head, size_t length)
{
    static struct parsed parsed;
    static struct http_request other;
    struct guard guard;
    size_t used;

    parsed.head = edge_place(*state, head, length);
    parsed.length = length;
    guard_init_head(&guard);
    if (guard_feed(&guard, parsed.head, length, &used) != GUARD_DONE || used != length)
        fail_msg("not a head that the guard passes: %s", head);
    memset(&other, 0x01, sizeof other);
    (void)request_parse(&other, parsed.head, length);
    memset(&parsed.request, 0x00, sizeof parsed.request);
    parsed.error = request_parse(&parsed.request, parsed.head, length);
    if (!same_request(&parsed.request, &other))
        fail_msg("what was in memory before shows through: %s", head);
    assert_true(parsed.error.status == 0 || parsed.error.reason != NULL);
    return &parsed;
}

static struct parsed *parse(void **state, const char *head)
{
    return parse_bytes(state, head, strlen(head));
}

/* A GET of "/" with these field lines (each with its CRLF) behind Host. */
static struct parsed *parse_with(void **state, const char *lines)
{
    char head[5000];

    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    return parse(state, head);
}

static void assert_slice(const struct parsed *parsed, struct http_slice slice, const char *expected)
{
    if (slice.length != strlen(expected) || memcmp(slice.data, expected, slice.length) != 0)
        fail_msg("\"%.*s\" instead of \"%s\" in %.*s", (int)slice.length, slice.data, expected,
                 (int)parsed->length, parsed->head);
}

static void assert_status(const struct parsed *parsed, unsigned status, bool close)
{
    if (parsed->error.status != status || (status != 0 && close && !parsed->error.close))
        fail_msg("%u%s instead of %u%s: %.*s", parsed->error.status,
                 parsed->error.close ? " and close" : "", status, close ? " and close" : "",
                 (int)parsed->length, parsed->head);
}

/* --- the request line ----------------------------------------------------------- */

static void methods(void **state)
{
    static const struct {
        const char *name;
        enum request_method method;
    } rows[] = {
        {"GET", HTTP_METHOD_GET},
        {"HEAD", HTTP_METHOD_HEAD},
        {"POST", HTTP_METHOD_POST},
        {"OPTIONS", HTTP_METHOD_OPTIONS},
        {"PUT", HTTP_METHOD_OTHER},
        {"DELETE", HTTP_METHOD_OTHER},
        {"PATCH", HTTP_METHOD_OTHER},
        {"TRACE", HTTP_METHOD_OTHER},
        {"get", HTTP_METHOD_UNKNOWN},
        {"Get", HTTP_METHOD_UNKNOWN},
        {"GETX", HTTP_METHOD_UNKNOWN},
        {"GE", HTTP_METHOD_UNKNOWN},
        {"G", HTTP_METHOD_UNKNOWN},
        {"HEADER", HTTP_METHOD_UNKNOWN},
        {"POS", HTTP_METHOD_UNKNOWN},
        {"POSTS", HTTP_METHOD_UNKNOWN},
        {"BREW", HTTP_METHOD_UNKNOWN},
        {"1", HTTP_METHOD_UNKNOWN},
        {"!#$%&'*+-.^_`|~", HTTP_METHOD_UNKNOWN},
        {"option", HTTP_METHOD_UNKNOWN},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char head[200];
        struct parsed *p;

        snprintf(head, sizeof head, "%s /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n",
                 rows[i].name);
        p = parse(state, head);
        assert_status(p, 0, false);
        if (p->request.method != rows[i].method)
            fail_msg("%s: %d", rows[i].name, (int)p->request.method);
        assert_slice(p, p->request.method_name, rows[i].name);
        assert_slice(p, p->request.target, "/x?y");
        assert_slice(p, p->request.path, "/x");
        /* The framing holds whatever the method: the body can be skipped. */
        assert_true(p->request.has_body);
        assert_int_equal(p->request.content_length, 7);
    }
}

static void connect_is_refused(void **state)
{
    struct parsed *p =
        parse(state, "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");

    assert_status(p, 405, true);
    assert_int_equal(p->request.method, HTTP_METHOD_CONNECT);
}

static void versions(void **state)
{
    char head[] = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";

    for (int minor = '0'; minor <= '9'; minor++) {
        struct parsed *p;

        head[13] = (char)minor;
        p = parse(state, head);
        assert_status(p, 0, false);
        assert_int_equal(p->request.version_minor, minor == '0' ? 0 : 1);
        assert_int_equal(p->request.keep_alive, minor != '0');
    }
}

static void targets(void **state)
{
    static const struct {
        const char *method, *target, *path, *query, *authority;
    } rows[] = {
        {"GET", "/", "/", "", "h:1"},
        {"GET", "/a/b", "/a/b", "", "h:1"},
        {"GET", "/a?b=c", "/a", "b=c", "h:1"},
        {"GET", "/?", "/", "", "h:1"},
        {"GET", "/??", "/", "?", "h:1"},
        {"GET", "/a?b?c/d", "/a", "b?c/d", "h:1"},
        {"GET", "//a", "//a", "", "h:1"},
        {"GET", "/http://x/", "/http://x/", "", "h:1"},
        {"GET", "/%00%zz", "/%00%zz", "", "h:1"},
        {"GET", "/[]@:;,", "/[]@:;,", "", "h:1"},
        {"OPTIONS", "*", "*", "", "h:1"},
        {"OPTIONS", "/x", "/x", "", "h:1"},
        {"GET", "http://o.example/p?q", "/p", "q", "o.example"},
        {"GET", "HTTP://o.example/p", "/p", "", "o.example"},
        {"GET", "https://o.example/", "/", "", "o.example"},
        {"GET", "http://o.example", "/", "", "o.example"},
        {"GET", "http://o.example?q=/", "/", "q=/", "o.example"},
        {"GET", "http://o.example:8080/p", "/p", "", "o.example:8080"},
        {"GET", "http://127.0.0.1/p", "/p", "", "127.0.0.1"},
        {"GET", "http://[::1]:80/p", "/p", "", "[::1]:80"},
        {"GET", "http://o.example//p", "//p", "", "o.example"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char head[200];
        struct parsed *p;

        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: h:1\r\n\r\n", rows[i].method,
                 rows[i].target);
        p = parse(state, head);
        assert_status(p, 0, false);
        assert_slice(p, p->request.target, rows[i].target);
        assert_slice(p, p->request.path, rows[i].path);
        assert_slice(p, p->request.query, rows[i].query);
        assert_slice(p, p->request.authority, rows[i].authority);
    }
}

static void refused_targets(void **state)
{
    static const struct {
        const char *method, *target;
    } rows[] = {
        {"GET", "*"},
        {"POST", "*"},
        {"BREW", "*"},
        {"OPTIONS", "**"},
        {"OPTIONS", "*/"},
        {"GET", "a"},
        {"GET", "a/b"},
        {"GET", "a.example:80"},
        {"GET", "?a"},
        {"GET", "@"},
        {"GET", "[::1]:80"},
        {"GET", "%2f"},
        {"GET", "http:/a/"},
        {"GET", "http://"},
        {"GET", "http:///a"},
        {"GET", "http://?a"},
        {"GET", "http://u@a/"},
        {"GET", "http://a:b/"},
        {"GET", "http://a:80:80/"},
        {"GET", "http://[::1/"},
        {"GET", "http://[]/"},
        {"GET", "ftp://a/"},
        {"GET", "file:///etc/passwd"},
        {"GET", "javascript:1"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char head[200];
        struct parsed *p;

        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", rows[i].method,
                 rows[i].target);
        p = parse(state, head);
        assert_status(p, 400, false);
        assert_slice(p, p->request.method_name, rows[i].method);
        if (p->request.target.length > 0)
            assert_slice(p, p->request.target, rows[i].target);
    }
}

/* Refused without closing: what is needed to skip the body and go on is there. */
static void a_refusal_that_keeps_the_connection_tells_the_framing(void **state)
{
    struct parsed *p = parse(state, "POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n");

    assert_status(p, 400, false);
    if (!p->error.close) {
        assert_true(p->request.keep_alive);
        assert_true(p->request.has_body);
        assert_int_equal(p->request.content_length, 12);
    }
    p = parse(state, "GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_status(p, 400, false);
    assert_false(p->request.keep_alive);
}

static void an_empty_line_may_come_first(void **state)
{
    struct parsed *p = parse(state, "\r\nGET /x HTTP/1.1\r\nHost: b\r\n\r\n");

    assert_status(p, 0, false);
    assert_int_equal(p->request.method, HTTP_METHOD_GET);
    assert_slice(p, p->request.method_name, "GET");
    assert_slice(p, p->request.path, "/x");
    assert_int_equal(p->request.field_count, 1);
}

/* --- fields --------------------------------------------------------------------- */

static void fields_are_slices_of_the_head(void **state)
{
    static const struct {
        const char *name, *value;
    } rows[] = {{"Host", "a"}, {"X-Empty", ""}, {"x-blank", ""},      {"A", "b c\td"},
                {"B", "x:y"},  {"a", "again"},  {"C", "\x80\xff\"("}, {"!#$%&'*+-.^_`|~", "1"}};
    struct parsed *p = parse(state, "GET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nx-blank: \t \r\n"
                                    "A: \t b c\td \t\r\nB:x:y\r\na: again\r\nC: \x80\xff\"(\r\n"
                                    "!#$%&'*+-.^_`|~: 1\r\n\r\n");

    assert_status(p, 0, false);
    assert_int_equal(p->request.field_count, COUNT(rows));
    for (unsigned i = 0; i < COUNT(rows); i++) {
        const struct http_field *field = &p->request.fields[i];

        assert_slice(p, field->name, rows[i].name);
        assert_slice(p, field->value, rows[i].value);
        assert_true(field->name.data >= p->head);
        assert_true(field->value.data + field->value.length <= p->head + p->length);
    }
}

static void no_field_at_all(void **state)
{
    struct parsed *p = parse(state, "GET / HTTP/1.0\r\n\r\n");

    assert_status(p, 0, false);
    assert_int_equal(p->request.field_count, 0);
    assert_int_equal(p->request.authority.length, 0);
    assert_false(p->request.has_body);
}

static void a_hundred_fields(void **state)
{
    char lines[4096];
    size_t length = 0;
    struct parsed *p;

    for (int i = 1; i < HTTP_MAX_FIELDS; i++)
        length += (size_t)snprintf(lines + length, sizeof lines - length, "f%d: v%d\r\n", i, i);
    p = parse_with(state, lines);
    assert_status(p, 0, false);
    assert_int_equal(p->request.field_count, HTTP_MAX_FIELDS);
    assert_slice(p, p->request.fields[99].name, "f99");
    assert_slice(p, p->request.fields[99].value, "v99");
}

static void host(void **state)
{
    static const char *const good[] = {
        "a",           "A.example", "a.example.", "a.example:80",        "a:",
        "127.0.0.1:1", "[::1]",     "[::1]:8080", "[fe80::1]:",          "[v1.a:b]",
        "a-b_c~d",     "%41b",      "a:65535",    "[::ffff:1.2.3.4]:80", "!$&'()*+,;=",
    };
    static const char *const bad[] = {
        "",         "a b",   "a/b",       "/a",      "a@b",    "http://a", "a:b",     "a:1:2",
        ":80",      "a:-1",  "a?",        "a#",      "<a>",    "a\\b",     "\x80",    "a\xff",
        "[::1",     "::1",   "[]",        "[",       "[::1]a", "[::1]80",  "[::1]]",  "[[::1]]",
        "[zz]",     "[1:2]", "[1.2.3.4]", "[::1%1]", "[v1]",   "[v.a]",    "[v1.]",   "[vg.a]",
        "[v1.%41]", "a[",    "[a/b]",     "a:8 0",   "\"a\"",  "a:80,",    "[::1]:x",
    };
    char head[200];

    for (size_t i = 0; i < COUNT(good); i++) {
        struct parsed *p;

        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        p = parse(state, head);
        assert_status(p, 0, false);
        assert_slice(p, p->request.authority, good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        assert_status(parse(state, head), 400, true);
        snprintf(head, sizeof head, "GET / HTTP/1.0\r\nhost: %s\r\n\r\n", bad[i]);
        assert_status(parse(state, head), 400, true);
        snprintf(head, sizeof head, "GET http://x/ HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        assert_status(parse(state, head), 400, true);
    }
}

static void host_once(void **state)
{
    assert_status(parse(state, "GET / HTTP/1.1\r\n\r\n"), 400, true);
    assert_status(parse(state, "GET / HTTP/1.2\r\nHosts: a\r\n\r\n"), 400, true);
    assert_status(parse(state, "GET http://a/ HTTP/1.1\r\n\r\n"), 400, true);
    assert_status(parse(state, "GET / HTTP/1.0\r\n\r\n"), 0, false);
    assert_status(parse(state, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400, true);
    assert_status(parse(state, "GET / HTTP/1.1\r\nHOST: a\r\nX: y\r\nhost: b\r\n\r\n"), 400, true);
    assert_status(parse(state, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400, true);
    assert_status(parse(state, "GET / HTTP/1.1\r\nhOsT: a\r\n\r\n"), 0, false);
}

/* --- framing -------------------------------------------------------------------- */

static void content_length(void **state)
{
    static const struct {
        const char *value;
        uint64_t length;
    } good[] = {
        {"0", 0},
        {"1", 1},
        {"00", 0},
        {"007", 7},
        {"9223372036854775807", INT64_MAX},
        {"0009223372036854775807", INT64_MAX},
    };
    static const char *const bad[] = {
        "",
        "+1",
        "-1",
        "0x10",
        "a",
        "1a",
        "1 1",
        "1,1",
        "1, 1",
        "1;",
        "1.0",
        "1e3",
        "\xb2",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "18446744073709551617",
        "36893488147419103233",
    };
    char lines[200];

    for (size_t i = 0; i < COUNT(good); i++) {
        struct parsed *p;

        snprintf(lines, sizeof lines, "content-LENGTH:  %s\r\n", good[i].value);
        p = parse_with(state, lines);
        assert_status(p, 0, false);
        if (p->request.content_length != good[i].length ||
            p->request.has_body != (good[i].length > 0) || p->request.chunked)
            fail_msg("Content-Length: %s", good[i].value);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        snprintf(lines, sizeof lines, "Content-Length: %s\r\n", bad[i]);
        assert_status(parse_with(state, lines), 400, true);
    }
}

static void content_length_once(void **state)
{
    assert_status(parse_with(state, "Content-Length: 5\r\nContent-Length: 5\r\n"), 400, true);
    assert_status(parse_with(state, "Content-Length: 5\r\ncontent-length: 6\r\n"), 400, true);
    assert_status(parse_with(state, "Content-Length: 0\r\nX: y\r\nContent-Length: 0\r\n"), 400,
                  true);
    assert_status(parse_with(state, "Content-Length: 5\r\nContent-Length:\r\n"), 400, true);
    /* Names that only look like it. */
    assert_status(parse_with(state, "Content_Length: 5\r\nContent-Length: 6\r\n"), 0, false);
    assert_status(parse_with(state, "Content-Lengthy: x\r\nXContent-Length: -\r\n"), 0, false);
}

static void transfer_encoding(void **state)
{
    static const struct {
        const char *lines;
        unsigned status;
    } rows[] = {
        {"Transfer-Encoding: chunked\r\n", 0},
        {"transfer-encoding: CHUNKED\r\n", 0},
        {"Transfer-Encoding:chunked\r\n", 0},
        {"Transfer-Encoding:  chunked  \r\n", 0},
        {"Transfer-Encoding: gzip, chunked\r\n", 501},
        {"Transfer-Encoding: gzip,chunked\r\n", 501},
        {"Transfer-Encoding: identity, chunked\r\n", 501},
        {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501},
        {"Transfer-Encoding: chunked;a=b, chunked\r\n", 501},
        {"Transfer-Encoding:\r\n", 400},
        {"Transfer-Encoding: ,\r\n", 400},
        {"Transfer-Encoding: chunked,\r\n", 400},
        {"Transfer-Encoding: , chunked\r\n", 400},
        {"Transfer-Encoding: gzip\r\n", 400},
        {"Transfer-Encoding: identity\r\n", 400},
        {"Transfer-Encoding: chunked, gzip\r\n", 400},
        {"Transfer-Encoding: chunked, identity\r\n", 400},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", 400},
        {"Transfer-Encoding: chunked, chunked\r\n", 400},
        {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
        {"Transfer-Encoding: xchunked\r\n", 400},
        {"Transfer-Encoding: chunkedx\r\n", 400},
        {"Transfer-Encoding: chunke\r\n", 400},
        {"Transfer-Encoding: \"chunked\"\r\n", 400},
        {"Transfer-Encoding: chunked;q=1\r\n", 400},
        {"Transfer-Encoding: chunked chunked\r\n", 400},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parsed *p = parse_with(state, rows[i].lines);

        assert_status(p, rows[i].status, true);
        if (rows[i].status == 0) {
            assert_true(p->request.chunked);
            assert_true(p->request.has_body);
            assert_int_equal(p->request.content_length, 0);
        }
    }
}

static void tabs_around_framing_values_are_white_space(void **state)
{
    struct parsed *p = parse_with(state, "Content-Length:\t5\t \r\n");

    assert_status(p, 0, false);
    assert_int_equal(p->request.content_length, 5);
    p = parse_with(state, "Transfer-Encoding:\tchunked\t\r\n");
    assert_status(p, 0, false);
    assert_true(p->request.chunked);
}

static void both_framings(void **state)
{
    static const char *const lines[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nA: b\r\ncontent-length: 0\r\n",
        "Transfer-Encoding:\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
    };

    for (size_t i = 0; i < COUNT(lines); i++)
        assert_status(parse_with(state, lines[i]), 400, true);
}

static void no_transfer_encoding_in_http_1_0(void **state)
{
    assert_status(parse(state, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, true);
    assert_status(parse(state, "POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 400,
                  true);
    assert_status(parse(state, "BREW / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, true);
}

/* Every method's message is framed alike (RFC 9112, 6), unknown ones' too. */
static void framing_does_not_depend_on_the_method(void **state)
{
    static const char *const methods[] = {"GET", "HEAD",  "POST", "OPTIONS",
                                          "PUT", "TRACE", "BREW", "DELETE"};

    for (size_t i = 0; i < COUNT(methods); i++) {
        char head[200];
        struct parsed *p;

        snprintf(head, sizeof head,
                 "%s / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", methods[i]);
        p = parse(state, head);
        assert_status(p, 0, false);
        assert_true(p->request.chunked && p->request.has_body);
        snprintf(head, sizeof head,
                 "%s / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                 methods[i]);
        assert_status(parse(state, head), 400, true);
        snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", methods[i]);
        p = parse(state, head);
        assert_status(p, 0, false);
        assert_false(p->request.chunked || p->request.has_body);
    }
}

/* --- connection and expectations ------------------------------------------------ */

static void connection(void **state)
{
    static const struct {
        const char *lines;
        bool http_1_1, http_1_0; /* kept alive? */
    } rows[] = {
        {"", true, false},
        {"Connection: close\r\n", false, false},
        {"Connection: Close\r\n", false, false},
        {"CONNECTION: CLOSE\r\n", false, false},
        {"Connection: keep-alive\r\n", true, true},
        {"Connection: Keep-Alive\r\n", true, true},
        {"Connection: keep-alive, close\r\n", false, false},
        {"Connection: close, keep-alive\r\n", false, false},
        {"Connection: keep-alive\r\nConnection: close\r\n", false, false},
        {"Connection: close\r\nConnection: keep-alive\r\n", false, false},
        {"Connection: x,close\r\n", false, false},
        {"Connection: x ,\tclose\t, y\r\n", false, false},
        {"Connection: ,close\r\n", false, false},
        {"Connection: close,\r\n", false, false},
        {"Connection: ,,, close ,,,\r\n", false, false},
        {"Connection:\tclose\t\r\n", false, false},
        {"Connection:close\r\n", false, false},
        {"Connection: x, keep-alive\r\n", true, true},
        {"Connection: closed\r\n", true, false},
        {"Connection: xclose\r\n", true, false},
        {"Connection: clos\r\n", true, false},
        {"Connection: close x\r\n", true, false},
        {"Connection: \"close\"\r\n", true, false},
        {"Connection: keep-alives\r\n", true, false},
        {"Connection:\r\n", true, false},
        {"Connections: close\r\n", true, false},
        {"Proxy-Connection: close\r\n", true, false},
        {"Connection: upgrade\r\nUpgrade: websocket\r\n", true, false},
        {"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n", true,
         false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char head[300];
        struct parsed *p = parse_with(state, rows[i].lines);

        assert_status(p, 0, false);
        if (p->request.keep_alive != rows[i].http_1_1)
            fail_msg("HTTP/1.1, %s", rows[i].lines);
        snprintf(head, sizeof head, "GET / HTTP/1.0\r\n%s\r\n", rows[i].lines);
        p = parse(state, head);
        assert_status(p, 0, false);
        if (p->request.keep_alive != rows[i].http_1_0)
            fail_msg("HTTP/1.0, %s", rows[i].lines);
    }
}

static void expect(void **state)
{
    static const struct {
        const char *lines;
        unsigned status;
        bool expects_continue;
    } rows[] = {
        {"", 0, false},
        {"Expect: 100-continue\r\n", 0, true},
        {"expect: 100-Continue\r\n", 0, true},
        {"EXPECT:\t100-CONTINUE \r\n", 0, true},
        {"Expect: 100-continue\r\nExpect: 100-continue\r\n", 0, true},
        {"Expect: 200-ok\r\n", 417, false},
        {"Expect: 100-continues\r\n", 417, false},
        {"Expect: 100-continue=1\r\n", 417, false},
        {"Expect: 100-continue, x\r\n", 417, false},
        {"Expect: 100-continue\r\nExpect: x\r\n", 417, false},
        {"Expect: x\r\nExpect: 100-continue\r\n", 417, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char head[300];
        struct parsed *p;

        snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n%s\r\n",
                 rows[i].lines);
        p = parse(state, head);
        assert_status(p, rows[i].status, false);
        if (rows[i].status == 0 && p->request.expects_continue != rows[i].expects_continue)
            fail_msg("%s", rows[i].lines);
        /* RFC 9110, 10.1.1: a server that receives it in HTTP/1.0 ignores it. */
        snprintf(head, sizeof head, "POST / HTTP/1.0\r\nContent-Length: 5\r\n%s\r\n",
                 rows[i].lines);
        p = parse(state, head);
        assert_status(p, 0, false);
        assert_false(p->request.expects_continue);
    }
}

/* The more dangerous reading wins whatever else is wrong. */
static void framing_errors_come_first(void **state)
{
    assert_status(parse(state, "POST * HTTP/1.1\r\nContent-Length: x\r\n\r\n"), 400, true);
    assert_status(parse(state, "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n"
                               "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                  400, true);
    assert_status(parse(state, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
                               "Content-Length: 1\r\n\r\n"),
                  400, true);
}

static int setup(void **state)
{
    static struct edge edge;

    *state = &edge;
    request_set_max_header(64 * 1024);
    return edge_init(&edge);
}

static int teardown(void **state)
{
    edge_term(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods),
        cmocka_unit_test(connect_is_refused),
        cmocka_unit_test(versions),
        cmocka_unit_test(targets),
        cmocka_unit_test(refused_targets),
        cmocka_unit_test(a_refusal_that_keeps_the_connection_tells_the_framing),
        cmocka_unit_test(an_empty_line_may_come_first),
        cmocka_unit_test(fields_are_slices_of_the_head),
        cmocka_unit_test(no_field_at_all),
        cmocka_unit_test(a_hundred_fields),
        cmocka_unit_test(host),
        cmocka_unit_test(host_once),
        cmocka_unit_test(content_length),
        cmocka_unit_test(content_length_once),
        cmocka_unit_test(transfer_encoding),
        cmocka_unit_test(tabs_around_framing_values_are_white_space),
        cmocka_unit_test(both_framings),
        cmocka_unit_test(no_transfer_encoding_in_http_1_0),
        cmocka_unit_test(framing_does_not_depend_on_the_method),
        cmocka_unit_test(connection),
        cmocka_unit_test(expect),
        cmocka_unit_test(framing_errors_come_first),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
