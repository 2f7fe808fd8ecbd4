/* SPDX-License-Identifier: MIT
 *
 * request.h: what a well-formed request line means, which targets are refused all the same, and
 * what a refusal tells of the rest.
 */
#include <http_parser.h>

#include "http/chars.h"
#include "parsed.h"

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
        {"OPTIONS", "http://o.example", "*", "", "o.example"},
        {"OPTIONS", "http://o.example/", "/", "", "o.example"},
        {"OPTIONS", "http://o.example?q", "/", "q", "o.example"},
        {"BREW", "*", "*", "", "h:1"},
        {"M-SEARCH", "*", "*", "", "h:1"},
        {"PUT", "*", "*", "", "h:1"},
        {"GET", "/a?{b}|`c`", "/a", "{b}|`c`", "h:1"},
        {"GET", "http://o.example/?a|b", "/", "a|b", "o.example"},
        {"GET", "http://o.example/p?q", "/p", "q", "o.example"},
        {"GET", "HTTP://o.example/p", "/p", "", "o.example"},
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
        {"HEAD", "*"},
        {"POST", "*"},
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

/* RFC 9110, 7.4: what is https is not served where it was not asked for securely. */
static void https_in_plain_text(void **state)
{
    static const struct {
        const char *target;
        unsigned status;
    } rows[] = {
        {"https://o.example/", 421},
        {"https://o.example", 421},
        {"HTTPS://o.example:443/p?q", 421},
        {"https://[::1]/", 421},
        {"https://u@o.example/", 400},
        {"https:///", 400},
        {"https://", 400},
        {"https:o.example", 400},
        {"httpss://o.example/", 400},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        static const char *const methods[] = {"GET", "POST", "OPTIONS", "BREW"};
        char head[200];
        struct parsed *p;

        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n",
                 methods[i % COUNT(methods)], rows[i].target);
        p = parse(state, head);
        assert_status(p, rows[i].status, false);
        if (p->error.status == 421) {
            assert_false(p->error.close);
            assert_int_equal(p->request.content_length, 2);
        }
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

/* What request.c relies on when it shows the parser no more of a path than its first byte: the
 * parser refuses nothing that may follow, and finds the version behind it. */
static void the_parser_takes_any_path(void **state)
{
    const http_parser_settings settings = {0};

    (void)state;
    for (int first = 0; first < 256; first++)
        for (int second = 0; second < 256; second++) {
            char line[] = "GET /12 HTTP/1.0\r\n";
            http_parser parser;
            size_t used;

            line[5] = (char)first;
            line[6] = (char)second;
            if (!http_char_is(line[5], CHAR_QUERY) || !http_char_is(line[6], CHAR_QUERY))
                continue;
            http_parser_init(&parser, HTTP_REQUEST);
            used = http_parser_execute(&parser, &settings, line, sizeof line - 1);
            if (used != sizeof line - 1 || parser.http_minor != 0 || parser.http_major != 1)
                fail_msg("0x%02x 0x%02x: %s", first, second,
                         http_errno_description(HTTP_PARSER_ERRNO(&parser)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods),
        cmocka_unit_test(connect_is_refused),
        cmocka_unit_test(versions),
        cmocka_unit_test(targets),
        cmocka_unit_test(refused_targets),
        cmocka_unit_test(https_in_plain_text),
        cmocka_unit_test(a_refusal_that_keeps_the_connection_tells_the_framing),
        cmocka_unit_test(an_empty_line_may_come_first),
        cmocka_unit_test(the_parser_takes_any_path),
    };
    return cmocka_run_group_tests(tests, parsed_setup, edge_teardown);
}
