/* SPDX-License-Identifier: MIT
 *
 * Answers in one piece, cut at each byte, one byte at a time; and what is none.
 */
#include "load/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *bytes;
    unsigned status;
    bool keeps_open;
} whole[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, true},
    {"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, true},
    {"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 503, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: x\r\n\r\n", 200,
     true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", 201, true},
};

enum { WHOLE = sizeof whole / sizeof *whole };

static void a_whole_one_is_whole_however_it_comes(void **state)
{
    (void)state;
    for (size_t i = 0; i < WHOLE; i++) {
        size_t length = strlen(whole[i].bytes);
        struct answer a;

        for (size_t cut = 1; cut < length; cut++) {
            answer_begin(&a);
            assert_int_equal(answer_feed(&a, whole[i].bytes, cut), ANSWER_PARTIAL);
            assert_int_equal(answer_feed(&a, whole[i].bytes + cut, length - cut), ANSWER_WHOLE);
            assert_int_equal(answer_status(&a), whole[i].status);
            assert_int_equal(answer_keeps_open(&a), whole[i].keeps_open);
        }
        answer_begin(&a);
        for (size_t at = 0; at < length; at++)
            assert_int_equal(answer_feed(&a, whole[i].bytes + at, 1),
                             at + 1 < length ? ANSWER_PARTIAL : ANSWER_WHOLE);
        answer_begin(&a);
        assert_int_equal(answer_feed(&a, whole[i].bytes, length), ANSWER_WHOLE);
    }
}

static void what_follows_makes_it_malformed(void **state)
{
    (void)state;
    for (size_t i = 0; i < WHOLE; i++) {
        char more[256];
        struct answer a;

        snprintf(more, sizeof more, "%sH", whole[i].bytes);
        answer_begin(&a);
        assert_int_equal(answer_feed(&a, more, strlen(more)), ANSWER_MALFORMED);
    }
}

static void one_can_be_ended_by_the_connection(void **state)
{
    static const char bytes[] = "HTTP/1.1 200 OK\r\n\r\nuntil the end";
    struct answer a;

    (void)state;
    answer_begin(&a);
    assert_int_equal(answer_feed(&a, bytes, strlen(bytes)), ANSWER_PARTIAL);
    assert_int_equal(answer_end(&a), ANSWER_WHOLE);
    assert_int_equal(answer_status(&a), 200);
    assert_false(answer_keeps_open(&a));
}

static void one_cut_short_is_not_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < WHOLE; i++) {
        for (size_t cut = 0; cut < strlen(whole[i].bytes); cut++) {
            struct answer a;

            answer_begin(&a);
            if (cut > 0)
                assert_int_equal(answer_feed(&a, whole[i].bytes, cut), ANSWER_PARTIAL);
            assert_int_equal(answer_end(&a), ANSWER_PARTIAL);
        }
    }
}

static void what_is_no_http_is_malformed(void **state)
{
    static const char *const cases[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a;

        answer_begin(&a);
        assert_int_equal(answer_feed(&a, cases[i], strlen(cases[i])), ANSWER_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one_is_whole_however_it_comes),
        cmocka_unit_test(what_follows_makes_it_malformed),
        cmocka_unit_test(one_can_be_ended_by_the_connection),
        cmocka_unit_test(one_cut_short_is_not_whole),
        cmocka_unit_test(what_is_no_http_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
