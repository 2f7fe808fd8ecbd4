/* SPDX-License-Identifier: MIT
 *
 * The routes whose bodies come in pieces, stream.c and echo.c, and how they end when the body or a
 * wait does not go on.
 */
#include "serving.h"

static void test_stream(void **state)
{
    struct fake fake;

    (void)state;
    get(&fake, "/stream?chunks=3&ms=50&size=20");
    assert_int_equal(fake.status, 200);
    assert_true(fake.announced == HTTP_UNKNOWN_LENGTH);
    assert_string_equal(fake.sent,
                        "chunk 1 of 3 abcdef\nchunk 2 of 3 abcdef\nchunk 3 of 3 abcdef\n");
    assert_int_equal(fake.writes, 3);
    assert_int_equal(fake.flushes, 3);
    assert_int_equal(fake.sleeps, 2); /* between chunks */
    assert_int_equal(fake.slept_ms, 100);
    fake_term(&fake);

    get(&fake, "/stream?chunks=2&size=1");
    assert_string_equal(fake.sent, "\n\n");
    fake_term(&fake);

    get(&fake, "/stream?chunks=12&size=9&ms=0");
    assert_int_equal(fake.sent_length, 12 * 9);
    assert_string_equal(fake.sent + fake.sent_length - 9, "chunk 12\n");
    fake_term(&fake);

    get(&fake, "/stream?chunks=2&size=65536&ms=0");
    assert_int_equal(fake.sent_length, 2 * 65536);
    assert_int_equal(fake.sent[65535], '\n');
    fake_term(&fake);

    get(&fake, "/stream?chunks=0");
    assert_int_equal(fake.status, 200);
    assert_int_equal(fake.writes, 0);
    fake_term(&fake);
}

static void test_stream_cancelled(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/stream?chunks=9", 1);
    fake.fail_sleep = 3;
    assert_int_equal(serve(&fake), -ECANCELED);
    assert_int_equal(fake.writes, 3); /* and what made them is freed: the sanitizer looks */
    fake_term(&fake);

    fake_init(&fake, HTTP_METHOD_HEAD, "HEAD", "/stream?chunks=9", 1);
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.sleeps + fake.writes, 0);
    fake_term(&fake);
}

static void test_echo(void **state)
{
    static char long_type[300];
    static char body[50001];
    static const struct {
        const char *given, *answered;
    } types[] = {
        {NULL, "application/octet-stream"},
        {"text/plain; charset=\"utf-8\"", "text/plain; charset=\"utf-8\""},
        {"", "application/octet-stream"},
        {"text/\xff", "application/octet-stream"},
        {"text/plain\tx", "application/octet-stream"},
        {long_type, "application/octet-stream"},
        {long_type + 101, NULL}, /* 198 bytes */
    };
    struct fake fake;

    (void)state;
    memset(long_type, 'a', sizeof long_type - 1);
    for (size_t i = 0; i < COUNT(types); i++) {
        fake_init(&fake, HTTP_METHOD_POST, "POST", "/echo", 1);
        if (types[i].given != NULL)
            fake_field(&fake, "content-type", types[i].given);
        assert_int_equal(serve(&fake), 0);
        assert_int_equal(fake.status, 200);
        assert_int_equal(fake.announced, 0);
        assert_string_equal(fake.type,
                            types[i].answered != NULL ? types[i].answered : types[i].given);
        fake_term(&fake);
    }

    memset(body, 'x', sizeof body - 1);
    body[0] = 'b';
    for (int chunked = 0; chunked < 2; chunked++) {
        fake_init(&fake, HTTP_METHOD_POST, "POST", "/echo", 1);
        fake.request.chunked = chunked != 0;
        fake.request.content_length = chunked != 0 ? 0 : sizeof body - 1;
        fake.body = body;
        fake.body_piece = 3000;
        assert_int_equal(serve(&fake), 0);
        assert_true(fake.announced == (chunked != 0 ? HTTP_UNKNOWN_LENGTH : sizeof body - 1));
        assert_string_equal(fake.sent, body);
        fake_term(&fake);
    }
}

static void test_echo_broken(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_POST, "POST", "/echo", 1);
    fake.body_error = -EBADMSG;
    assert_int_equal(serve(&fake), -EBADMSG);
    assert_int_equal(fake.status, 0); /* still free for a 400 */
    fake_term(&fake);

    fake_init(&fake, HTTP_METHOD_POST, "POST", "/echo", 1);
    fake.request.content_length = 10;
    fake.body = "12345";
    fake.body_error = -ECONNRESET;
    assert_int_equal(serve(&fake), -ECONNRESET);
    assert_string_equal(fake.sent, "12345");
    fake_term(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_cancelled),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_broken),
    };
    return cmocka_run_group_tests_name("handler/bodies", tests, NULL, NULL);
}
