/* SPDX-License-Identifier: MIT
 *
 * What the server says about itself: /whoami, /status and the page at /.
 */
#include "serving.h"

static void test_whoami(void **state)
{
    struct fake fake;
    char expected[256];

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/whoami", 1);
    fake.io.worker = 3;
    fake.io.context = 17;
    stats_add(&fake.worker.requests, 50);
    stats_add(&fake.worker.requests_before, 8);
    assert_int_equal(serve(&fake), 0);
    snprintf(expected, sizeof expected,
             "{\"model\":\"fake\",\"pid\":%d,\"tid\":%d,\"worker\":3,\"context\":17,"
             "\"requests\":42}\n",
             (int)getpid(), (int)gettid());
    assert_text(&fake, 200, expected);
    fake_term(&fake);
}

static void test_status(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/status", 2);
    struct server_shared *shared = fake.server.shared;
    shared->slots_used = 2;
    stats_add(&shared->workers[0].requests, 5);
    stats_add(&shared->workers[1].requests, 7);
    stats_add(&shared->workers[0].responses[2], 4);
    stats_add(&shared->workers[1].responses[2], 6);
    stats_add(&shared->workers[1].responses[4], 1);
    stats_add(&shared->workers[1].bytes_in, 100);
    stats_add(&server_master_stats(&fake.server)->bytes_out, 11);
    stats_add(&shared->workers[1].stack_peak, 3000);
    stats_add(&shared->workers[0].stack_peak, 2000);
    shared->workers[1].pid = 99;
    shared->open_connections = 10;
    shared->contexts = 3;
    shared->contexts_peak = 8;
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 200);
    assert_string_equal(fake.type, "application/json");
    static const char *const parts[] = {
        "{\"model\":\"fake\"",
        "\"requests\":12,",
        "\"responses\":{\"1xx\":0,\"2xx\":10,\"3xx\":0,\"4xx\":1,\"5xx\":0}",
        "\"bytes\":{\"in\":100,\"out\":11}",
        "\"stack_peak\":3000",
        "\"connections\":{\"open\":10,\"parked\":7,\"active\":3}",
        "\"contexts\":{\"in_use\":3,\"peak\":8}",
        "\"listen\":\"127.0.0.1:8080\"",
        "\"workers\":\"2\"",
        "{\"worker\":1,\"pid\":99,\"tid\":0,\"requests\":7,",
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_contains(fake.sent, parts[i]);
    fake_term(&fake);
}

/* Fewer connections open than contexts in use, for a moment: never a negative number. */
static void test_status_unsettled(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/status", 1);
    fake.server.shared->contexts = 1;
    assert_int_equal(serve(&fake), 0);
    assert_contains(fake.sent, "\"connections\":{\"open\":0,\"parked\":0,\"active\":1}");
    fake_term(&fake);
}

static void test_index(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    fake.request.authority = (struct http_slice){"example.org:81", 14};
    fake.config.root = "/a<b>&c";
    fake.config.enable_fault_routes = true;
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 200);
    assert_string_equal(fake.type, "text/html; charset=utf-8");
    for (const struct route *route = handler_routes; route->path != NULL; route++)
        assert_contains(fake.sent, route->path);
    assert_contains(fake.sent, "href=\"/block?ms=20&amp;offload=1\"");
    assert_contains(fake.sent, "curl http://example.org:81/hello<");
    assert_contains(fake.sent, "/a&lt;b&gt;&amp;c");
    assert_null(strstr(fake.sent, "<b>&c"));
    fake_term(&fake);

    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    fake.request.authority = (struct http_slice){"a';reboot'", 10}; /* a valid Host */
    assert_int_equal(serve(&fake), 0);
    assert_null(strstr(fake.sent, "reboot"));
    assert_contains(fake.sent, "curl http://127.0.0.1:8080/hello<");
    fake_term(&fake);

    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    strcpy(fake.server.listen_name, "unix:/run/s.sock");
    assert_int_equal(serve(&fake), 0);
    assert_contains(fake.sent, "curl --unix-socket &#39;/run/s.sock&#39; http://localhost/hello<");
    fake_term(&fake);
}

/* A password in --db is not shown to whoever asks, however it is spelt. */
static void test_password_is_not_shown(void **state)
{
    static const char *const targets[] = {"/", "/status"};
    static char longest[1000];
    const char *const uris[] = {
        "postgresql://me:secret@host/world?password=secret",
        "postgresql://me:secret secret@host/world",
        "postgresql://me:secret#secret@host/world",
        "postgresql://me:secret\"secret@host/world",
        "postgresql://me:secret?secret@host/world",
        "postgresql://host/world?password=secret&application_name=my app",
        longest,
    };

    (void)state;
    snprintf(longest, sizeof longest, "postgresql://me:secret%0*d@host/world", 900, 0);
    for (size_t i = 0; i < COUNT(targets) * COUNT(uris); i++) {
        struct fake fake;

        fake_init(&fake, HTTP_METHOD_GET, "GET", targets[i % COUNT(targets)], 1);
        fake.config.db = uris[i / COUNT(targets)];
        assert_int_equal(serve(&fake), 0);
        assert_contains(fake.sent, "postgresql://host/world");
        assert_null(strstr(fake.sent, "secret"));
        fake_term(&fake);
    }
}

static void test_settings_can_be_hidden(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    fake.config.show_settings = false;
    fake.config.root = "/private";
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 200);
    assert_null(strstr(fake.sent, "Settings"));
    assert_null(strstr(fake.sent, "/private"));
    fake_term(&fake);

    fake_init(&fake, HTTP_METHOD_GET, "GET", "/status", 1);
    fake.config.show_settings = false;
    assert_int_equal(serve(&fake), 0);
    assert_contains(fake.sent, "\"settings\":{},");
    fake_term(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whoami),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_unsettled),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_password_is_not_shown),
        cmocka_unit_test(test_settings_can_be_hidden),
    };
    return cmocka_run_group_tests_name("handler/about", tests, NULL, NULL);
}
