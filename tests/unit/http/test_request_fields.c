/* SPDX-License-Identifier: MIT
 *
 * request.h: the fields as slices of the head, and what Host, Connection and Expect mean.
 */
#include "parsed.h"

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
        {"Expect: 100-continue, 100-continue\r\n", 0, true},
        {"Expect: 100-continue,100-CONTINUE\t,  100-continue\r\n", 0, true},
        {"Expect: , 100-continue,\r\n", 0, true},
        {"Expect: ,\r\n", 0, false},
        {"Expect:\r\n", 417, false},
        {"Expect: 100-continue 100-continue\r\n", 417, false},
        {"Expect: x, 100-continue\r\n", 417, false},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_slices_of_the_head),
        cmocka_unit_test(no_field_at_all),
        cmocka_unit_test(a_hundred_fields),
        cmocka_unit_test(host),
        cmocka_unit_test(host_once),
        cmocka_unit_test(connection),
        cmocka_unit_test(expect),
    };
    return cmocka_run_group_tests(tests, parsed_setup, edge_teardown);
}
