/* SPDX-License-Identifier: MIT
 *
 * request.h: how long the body is, by Content-Length or chunked, and which framings are refused:
 * those that another reader might take for something else.
 */
#include "parsed.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_length),
        cmocka_unit_test(content_length_once),
        cmocka_unit_test(transfer_encoding),
        cmocka_unit_test(tabs_around_framing_values_are_white_space),
        cmocka_unit_test(both_framings),
        cmocka_unit_test(no_transfer_encoding_in_http_1_0),
        cmocka_unit_test(framing_does_not_depend_on_the_method),
        cmocka_unit_test(framing_errors_come_first),
    };
    return cmocka_run_group_tests(tests, parsed_setup, edge_teardown);
}
