/* SPDX-License-Identifier: MIT
 *
 * What the server says about itself: /whoami, /status, /metrics, /healthz, /readyz and the page at
 * / (whoami.c, status.c, totals.c, metrics.c, health.c, index.c), and what of its settings it keeps
 * to itself (settings.c).
 */
#include "handler/text.h"
#include "serving.h"

#define BROWSER "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

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
             "\"requests\":42,\"client\":\"192.0.2.7\"}\n",
             (int)getpid(), (int)gettid());
    assert_text(&fake, 200, expected);
    fake_term(&fake);
}

static void test_status(void **state)
{
    struct fake fake;
    struct server_shared *shared;
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

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/status", 2);
    shared = fake.server.shared;
    shared->slots_used = 2;
    stats_add(&shared->workers[0].requests, 5);
    stats_add(&shared->workers[1].requests, 7);
    stats_add(&shared->workers[0].responses[2], 4);
    stats_add(&shared->workers[1].responses[2], 6);
    stats_add(&shared->workers[1].responses[4], 1);
    stats_add(&shared->workers[1].bytes_in, 100);
    stats_add(&fake.server.shared->master.bytes_out, 11);
    stats_add(&shared->workers[1].stack_peak, 3000);
    stats_add(&shared->workers[0].stack_peak, 2000);
    shared->workers[1].pid = 99;
    shared->open_connections = 10;
    shared->contexts = 3;
    shared->contexts_peak = 8;
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 200);
    assert_string_equal(fake.type, "application/json");
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_contains(fake.sent, parts[i]);
    fake_term(&fake);
}

/* All the workers of several generations at once, each as long as it may get. */
static void test_status_of_thousands(void **state)
{
    enum { WORKERS = 10000 };
    struct fake fake;
    struct server_shared *shared;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/status", WORKERS);
    shared = fake.server.shared;
    shared->slots_used = WORKERS;
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker_stats *stats = &shared->workers[i];

        stats->pid = stats->tid = INT32_MAX;
        stats->requests = stats->accepted = stats->closed = stats->contexts = UINT64_MAX;
    }
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 200);
    assert_contains(fake.sent, "{\"worker\":9999,\"pid\":2147483647,");
    assert_true(fake.announced > TEXT_MAX);
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

static void test_metrics(void **state)
{
    struct fake fake;
    struct server_shared *shared;
    static const char *const parts[] = {
        "\n# TYPE server_requests_total counter\nserver_requests_total 12\n",
        "\nserver_responses_total{class=\"2xx\"} 10\n",
        "\nserver_responses_total{class=\"5xx\"} 1\n",
        "\nserver_received_bytes_total 100\n",
        "\nserver_sent_bytes_total 11\n",
        "\n# TYPE server_connections gauge\nserver_connections 10\n",
        "\nserver_requests_in_progress 3\n",
        "\nserver_access_log_lost_lines_total 6\n",
        "\nserver_workers 2\n",
        "server_info{model=\"fake\",version=\"",
        "\nserver_ready 1\n",
    };

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/metrics", 1);
    fake.server.workers = 2;
    shared = fake.server.shared;
    shared->slots_used = 2;
    stats_add(&shared->workers[0].requests, 5);
    stats_add(&shared->workers[1].requests, 7);
    stats_add(&shared->workers[0].responses[2], 10);
    stats_add(&shared->workers[1].responses[5], 1);
    stats_add(&shared->workers[1].bytes_in, 100);
    stats_add(&shared->master.bytes_out, 11);
    shared->open_connections = 10;
    shared->contexts = 3;
    shared->log_lines_lost = 6;
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 200);
    assert_string_equal(fake.type, "text/plain; version=0.0.4; charset=utf-8");
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_contains(fake.sent, parts[i]);
    fake_term(&fake);
}

/* A server that stops is not ready; a count that is below zero for a moment is shown as none. */
static void test_metrics_of_a_lame_duck(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/metrics", 1);
    atomic_store(&fake.server.shared->leaving, true);
    fake.server.shared->open_connections = -1;
    assert_int_equal(serve(&fake), 0);
    assert_contains(fake.sent, "\nserver_ready 0\n");
    assert_contains(fake.sent, "\nserver_connections 0\n");
    fake_term(&fake);
}

/* Alive as long as it answers; ready until it was told to stop. */
static void test_health(void **state)
{
    static const char *const targets[] = {"/healthz", "/readyz"};
    struct fake fake;

    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++)
        for (int leaving = 0; leaving < 2; leaving++) {
            bool well = i == 0 || !leaving;

            fake_init(&fake, HTTP_METHOD_GET, "GET", targets[i], 1);
            atomic_store(&fake.server.shared->leaving, leaving);
            assert_int_equal(serve(&fake), 0);
            assert_int_equal(fake.status, well ? 200 : 503);
            assert_string_equal(fake.sent, well ? "ok\n" : "this server was told to stop\n");
            assert_string_equal(fake.type, "text/plain");
            assert_contains(fake.headers, "Cache-Control: no-store\n");
            fake_term(&fake);
        }
}

static void test_index(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    fake_field(&fake, "Accept", BROWSER);
    fake.request.authority = (struct http_slice){"example.org:81", 14};
    fake.config.root = "/a<b>&c";
    fake.config.enable_fault_routes = true;
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 200);
    assert_string_equal(fake.type, "text/html; charset=utf-8");
    assert_contains(fake.headers, "Vary: Accept\n");
    for (const struct route *route = handler_routes; route->path != NULL; route++)
        assert_contains(fake.sent, route->path);
    assert_contains(fake.sent, "href=\"/block?ms=20&amp;offload=1\"");
    assert_contains(fake.sent, "curl http://example.org:81/hello<");
    assert_contains(fake.sent, "/a&lt;b&gt;&amp;c");
    assert_null(strstr(fake.sent, "<b>&c"));
    fake_term(&fake);

    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    fake_field(&fake, "Accept", BROWSER);
    fake.request.authority = (struct http_slice){"a';reboot'", 10}; /* a valid Host */
    assert_int_equal(serve(&fake), 0);
    assert_null(strstr(fake.sent, "reboot"));
    assert_contains(fake.sent, "curl http://127.0.0.1:8080/hello<");
    fake_term(&fake);

    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    fake_field(&fake, "Accept", BROWSER);
    strcpy(fake.server.listen_name, "unix:/run/s.sock");
    assert_int_equal(serve(&fake), 0);
    assert_contains(fake.sent, "curl --unix-socket &#39;/run/s.sock&#39; http://localhost/hello<");
    fake_term(&fake);
}

/* Who does not ask for HTML gets the same as text: a line for each route that can be pasted. */
static void test_index_as_text(void **state)
{
    static const char *const accepts[] = {
        NULL,
        "*/*",
        "text/*",
        "text/plain",
        "application/json",
        "text/html;q=0",
        "",
        "text/plain, text/html;q=0.9",
        "text/html;q=0.8, */*",
        "application/xhtml+xml",
    };
    static const char *const html[] = {BROWSER, "text/html", "text/html, text/plain",
                                       "text/html, text/*;q=0.5, image/*", "text/html, */*"};
    struct fake fake;

    (void)state;
    for (size_t i = 0; i < COUNT(accepts); i++) {
        fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
        if (accepts[i] != NULL)
            fake_field(&fake, "Accept", accepts[i]);
        assert_int_equal(serve(&fake), 0);
        if (strcmp(fake.type, "text/plain; charset=utf-8") != 0)
            fail_msg("%s: %s", accepts[i], fake.type);
        assert_string_equal(fake.headers, "Vary: Accept\n");
        assert_null(strchr(fake.sent, '<'));
        assert_null(strstr(fake.sent, "&amp;"));
        for (const struct route *route = handler_routes; route->path != NULL; route++)
            assert_true((strstr(fake.sent, route->summary) != NULL) ==
                        ((route->flags & ROUTE_FAULT) == 0));
        assert_contains(fake.sent, "\ncurl http://127.0.0.1:8080/hello\n");
        assert_contains(fake.sent, "\ncurl 'http://127.0.0.1:8080/block?ms=20&offload=1'\n");
        assert_contains(fake.sent, "\ncurl --data-binary 'Hello' http://127.0.0.1:8080/echo\n");
        fake_term(&fake);
    }
    for (size_t i = 0; i < COUNT(html); i++) {
        fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
        fake_field(&fake, "Accept", html[i]);
        assert_int_equal(serve(&fake), 0);
        assert_string_equal(fake.type, "text/html; charset=utf-8");
        fake_term(&fake);
    }
}

/* A link-local address is of no use without its zone, which no client puts into Host. */
static void test_index_of_a_zone(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/", 1);
    fake.request.authority = (struct http_slice){"[fe80::1]:81", 12};
    strcpy(fake.server.listen_name, "[fe80::1%lo]:81");
    assert_int_equal(serve(&fake), 0);
    assert_contains(fake.sent, "\ncurl http://[fe80::1%25lo]:81/hello\n");
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
        fake_field(&fake, "Accept", BROWSER);
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
    fake_field(&fake, "Accept", BROWSER);
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
        cmocka_unit_test(test_status_of_thousands),
        cmocka_unit_test(test_status_unsettled),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_metrics_of_a_lame_duck),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_index_as_text),
        cmocka_unit_test(test_index_of_a_zone),
        cmocka_unit_test(test_password_is_not_shown),
        cmocka_unit_test(test_settings_can_be_hidden),
    };
    return cmocka_run_group_tests_name("handler/about", tests, NULL, NULL);
}
