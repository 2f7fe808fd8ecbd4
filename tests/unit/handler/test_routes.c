/* SPDX-License-Identifier: MIT
 *
 * handler.c: the table of routes, without a server: what is found for a path, the judging of
 * methods, and the queries that are refused. The answers are for the tests beside this one; what
 * only a connection can show (framing, HEAD, keep-alive) is for tests/http.
 */
#include "fake_db.h"
#include "serving.h"

static const char *found(const char *path)
{
    struct http_request request = {.path = {path, strlen(path)}};
    const struct route *route = handler_find(&request);

    assert_int_equal(handler_application.waits(route),
                     route != NULL && (route->flags & ROUTE_WAITS) != 0);
    return route != NULL ? route->path : "none";
}

static void test_find(void **state)
{
    static const char *const none[] = {"*",
                                       "/hell",
                                       "/hello/",
                                       "/helloo",
                                       "/Hello",
                                       "/files",
                                       "/filesx",
                                       "/x",
                                       "//",
                                       "//hello",
                                       "/status/",
                                       "/%48ello",
                                       "%2Fhello",
                                       "/%2Fhello",
                                       "/files%2F",
                                       "/files%2fa",
                                       "/hello%",
                                       "/hello%00",
                                       "/%zzello",
                                       "/hello%2",
                                       "/%2568ello",
                                       "/hello%20",
                                       "/hell%6f/",
                                       "/%2e/",
                                       "/hellooooooooooooooooooooooooooooooooooooooooooo"};

    (void)state;
    for (const struct route *route = handler_routes; route->path != NULL; route++)
        assert_string_equal(found(route->path), route->path);
    assert_string_equal(found("/files/a"), "/files/");
    assert_string_equal(found("/files/a/b.txt"), "/files/");
    for (size_t i = 0; i < COUNT(none); i++)
        assert_string_equal(found(none[i]), "none");
}

/* Every spelling of a path is the same (RFC 3986, 6.2.2.2), but for slashes, which separate. */
static void test_find_escaped(void **state)
{
    (void)state;
    for (const struct route *route = handler_routes; route->path != NULL; route++) {
        char each[100] = "", one[100], upper[100] = "";
        size_t length = strlen(route->path);
        struct http_request request;
        struct http_slice below;

        for (size_t i = 0; i < length; i++) {
            bool slash = route->path[i] == '/';
            snprintf(each + strlen(each), 4, slash ? "/" : "%%%02x", route->path[i]);
            snprintf(upper + strlen(upper), 4, slash ? "/" : "%%%02X", route->path[i]);
        }
        assert_string_equal(found(each), route->path);
        assert_string_equal(found(upper), route->path);
        for (size_t i = 1; i < length && route->path[i] != '/'; i++) {
            snprintf(one, sizeof one, "%.*s%%%02x%s", (int)i, route->path, route->path[i],
                     route->path + i + 1);
            assert_string_equal(found(one), route->path);
        }
        if ((route->flags & ROUTE_PREFIX) == 0)
            continue;
        snprintf(each + strlen(each), 8, "%s", "%61/%2f");
        assert_string_equal(found(each), route->path);
        request = (struct http_request){.path = {each, strlen(each)}};
        below = handler_below_prefix(&request);
        assert_int_equal(below.length, 7);
        assert_memory_equal(below.data, "%61/%2f", 7);
    }
}

/* An example must be a request that its own route accepts. */
static void test_examples(void **state)
{
    (void)state;
    for (const struct route *route = handler_routes; route->path != NULL; route++) {
        struct fake fake;

        assert_true(route->summary != NULL && route->summary[0] != '\0');
        if (route->example == NULL)
            continue;
        get(&fake, route->example);
        assert_ptr_equal(handler_find(&fake.request), route);
        assert_int_equal(fake.status, 200);
        fake_term(&fake);
    }
}

static void test_methods(void **state)
{
    static const struct {
        enum request_method method;
        unsigned status;
        const char *name, *target;
        const char *headers;
    } cases[] = {
        {HTTP_METHOD_GET, 200, "GET", "/hello", ""},
        {HTTP_METHOD_HEAD, 200, "HEAD", "/hello", ""},
        {HTTP_METHOD_POST, 405, "POST", "/hello", "Allow: GET, HEAD, OPTIONS\n"},
        {HTTP_METHOD_OTHER, 405, "DELETE", "/hello", "Allow: GET, HEAD, OPTIONS\n"},
        {HTTP_METHOD_OPTIONS, 204, "OPTIONS", "/hello", "Allow: GET, HEAD, OPTIONS\n"},
        {HTTP_METHOD_OPTIONS, 204, "OPTIONS", "/files/none", "Allow: GET, HEAD, OPTIONS\n"},
        {HTTP_METHOD_UNKNOWN, 501, "BREW", "/hello", ""},
        {HTTP_METHOD_UNKNOWN, 501, "BREW", "/none", ""},
        {HTTP_METHOD_POST, 200, "POST", "/echo", ""},
        {HTTP_METHOD_GET, 405, "GET", "/echo", "Allow: POST, OPTIONS\n"},
        {HTTP_METHOD_HEAD, 405, "HEAD", "/echo", "Allow: POST, OPTIONS\n"},
        {HTTP_METHOD_OPTIONS, 204, "OPTIONS", "/echo", "Allow: POST, OPTIONS\n"},
        {HTTP_METHOD_OPTIONS, 204, "OPTIONS", "*", "Allow: GET, HEAD, POST, OPTIONS\n"},
        {HTTP_METHOD_OTHER, 405, "M-SEARCH", "*", "Allow: GET, HEAD, POST, OPTIONS\n"},
        {HTTP_METHOD_OTHER, 405, "M-SEARCH", "/hello", "Allow: GET, HEAD, OPTIONS\n"},
        {HTTP_METHOD_UNKNOWN, 501, "BREW", "*", ""},
        {HTTP_METHOD_GET, 404, "GET", "/none", ""},
        {HTTP_METHOD_HEAD, 404, "HEAD", "/none", ""},
        {HTTP_METHOD_POST, 404, "POST", "/none", ""},
        {HTTP_METHOD_OPTIONS, 404, "OPTIONS", "/none", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake fake;
        fake_init(&fake, cases[i].method, cases[i].name, cases[i].target, 1);
        assert_int_equal(serve(&fake), 0);
        if (fake.status != cases[i].status || strcmp(fake.headers, cases[i].headers) != 0)
            fail_msg("%s %s: %u\n%s", cases[i].name, cases[i].target, fake.status, fake.headers);
        fake_term(&fake);
    }
}

/* Each refusal comes before any waiting or computing, with the parameter's name. */
static void test_bad_queries(void **state)
{
    static const struct {
        const char *target, *named;
    } cases[] = {
        {"/hello?x=1", "x"},
        {"/hello?x", "x"},
        {"/json?n=1", "n"},
        {"/?a=b", "a"},
        {"/whoami?a=b", "a"},
        {"/status?a=b", "a"},
        {"/%68ello?x=1", "x"},
        {"/sleep?%6ds=60001", "ms"},
        {"/sleep?ms=%31x", "ms"},
        {"/sleep?ms=1|2", "ms"},
        {"/cpu?n=0", "n"},
        {"/cpu?n=10000001", "n"},
        {"/cpu?n=-1", "n"},
        {"/cpu?n=", "n"},
        {"/cpu?n=1&n=2", "n"},
        {"/cpu?N=1", "N"},
        {"/sleep?ms=60001", "ms"},
        {"/sleep?ms=1e3", "ms"},
        {"/sleep?sm=1", "sm"},
        {"/block?ms=99999999999999999999", "ms"},
        {"/block?offload=2", "offload"},
        {"/block?offload=yes", "offload"},
        {"/mix?cpu=10000001", "cpu"},
        {"/mix?wait=60001", "wait"},
        {"/mix?rounds=0", "rounds"},
        {"/mix?rounds=1001", "rounds"},
        {"/fanout?n=0", "n"},
        {"/fanout?n=1001", "n"},
        {"/fanout?ms=60001", "ms"},
        {"/fanout?n=1000&ms=1001", "n times ms"},
        {"/mix?rounds=1000&cpu=10001", "rounds times cpu"},
        {"/mix?rounds=1000&wait=1001", "rounds times wait"},
        {"/stream?chunks=100001", "chunks"},
        {"/stream?size=0", "size"},
        {"/stream?size=65537", "size"},
        {"/stream?ms=60001", "ms"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake fake;
        get(&fake, cases[i].target);
        if (fake.status != 400)
            fail_msg("%s: %u", cases[i].target, fake.status);
        assert_contains(fake.sent, cases[i].named);
        assert_int_equal(fake.sleeps + fake.offloads + fake.gathered + fake.holds, 0);
        fake_term(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),        cmocka_unit_test(test_find_escaped),
        cmocka_unit_test(test_examples),    cmocka_unit_test(test_methods),
        cmocka_unit_test(test_bad_queries),
    };
    return cmocka_run_group_tests_name("handler/routes", tests, NULL, NULL);
}
