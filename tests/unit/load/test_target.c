/* SPDX-License-Identifier: MIT
 *
 * URLs, the bytes that are sent, and whether somebody is there.
 */
#include "load/target.h"

#include "tests/unit/scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/un.h>

static char error[512];

static struct options options_of(const char *url)
{
    return (struct options){.url = url, .timeout_s = 5};
}

static void a_url_says_host_and_path(void **state)
{
    static const struct {
        const char *url, *host, *port, *request;
    } cases[] = {
        {"http://a", "a", "80", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"http://a/", "a", "80", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"http://a:8080/b/c?d=e&f", "a", "8080", "GET /b/c?d=e&f HTTP/1.1\r\nHost: a:8080\r\n\r\n"},
        {"http://[::1]/x", "::1", "80", "GET /x HTTP/1.1\r\nHost: [::1]\r\n\r\n"},
        {"http://[::1]:65535/", "::1", "65535", "GET / HTTP/1.1\r\nHost: [::1]:65535\r\n\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o = options_of(cases[i].url);
        struct target t;

        assert_int_equal(target_init(&t, &o, error, sizeof error), 0);
        assert_string_equal(t.host, cases[i].host);
        assert_string_equal(t.port, cases[i].port);
        assert_int_equal(t.paths, 1);
        assert_int_equal(t.requests[0].length, strlen(cases[i].request));
        assert_memory_equal(t.requests[0].bytes, cases[i].request, t.requests[0].length);
        target_free(&t);
    }
}

static void what_is_no_url_is_refused(void **state)
{
    static const char *const cases[] = {
        "",          "a",          "https://a/",  "http://",          "http:///x",
        "http://:1", "http://a:/", "http://a:0/", "http://a:65536",   "http://a:1x/",
        "http://[a", "http://[]/", "http://[a]b", "http://a/ b",      "http://a/\n",
        "http://a#", "http://a?b", "http://u@a/", "http://a:123456/",
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o = options_of(cases[i]);
        struct target t;

        assert_int_equal(target_init(&t, &o, error, sizeof error), TARGET_BAD_URL);
        assert_contains(error, ": expected http://HOST[:PORT]/PATH, and the path as it is sent");
        assert_memory_equal(error, cases[i], strlen(cases[i]));
        target_free(&t);
    }
}

static void each_path_has_its_request(void **state)
{
    struct report_path paths[] = {{"/a", 1}, {"/b?c", 2.5}};
    struct options o = options_of("http://h/not-this");
    struct target t;

    (void)state;
    o.paths = paths;
    o.path_count = 2;
    o.close = true;
    assert_int_equal(target_init(&t, &o, error, sizeof error), 0);
    assert_int_equal(t.paths, 2);
    assert_true(t.weights[0] == 1 && t.weights[1] == 2.5);
    assert_string_equal(t.requests[1].bytes,
                        "GET /b?c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    target_free(&t);

    paths[0].path = "/a b";
    assert_int_equal(target_init(&t, &o, error, sizeof error), TARGET_BAD_URL);
    assert_string_equal(error, "--path=/a b: expected a path as it is sent, without spaces");
    target_free(&t);
}

static void a_body_is_posted(void **state)
{
    static char body[] = "a\0b";
    static const char request[] = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na\0b";
    struct options o = options_of("http://h/p");
    struct target t;

    (void)state;
    o.body = body;
    o.body_length = 3;
    assert_int_equal(target_init(&t, &o, error, sizeof error), 0);
    assert_int_equal(t.requests[0].length, sizeof request - 1);
    assert_memory_equal(t.requests[0].bytes, request, sizeof request - 1);
    target_free(&t);
}

/* A socket that is bound, and listens or not; url: of its port. */
static int server(bool listens, char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    if (listens)
        assert_int_equal(listen(fd, 8), 0);
    snprintf(url, size, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return fd;
}

static void whoever_is_there_is_found(void **state)
{
    char url[64];
    struct options o = options_of(url);
    struct target t;
    int fd = server(true, url, sizeof url);

    (void)state;
    assert_int_equal(target_init(&t, &o, error, sizeof error), 0);
    assert_int_equal(target_find(&t, &o, error, sizeof error), 0);
    assert_int_equal(t.address.ss_family, AF_INET);
    target_free(&t);
    close(fd);
}

static void nobody_is_said_in_a_line(void **state)
{
    char url[64], line[128];
    struct options o = options_of(url);
    struct target t;
    int fd = server(false, url, sizeof url);

    (void)state;
    assert_int_equal(target_init(&t, &o, error, sizeof error), 0);
    assert_int_equal(target_find(&t, &o, error, sizeof error), -ECONNREFUSED);
    snprintf(line, sizeof line, "%s: cannot connect: Connection refused", url);
    assert_string_equal(error, line);
    target_free(&t);
    close(fd);

    o = options_of("http://nobody.invalid/");
    assert_int_equal(target_init(&t, &o, error, sizeof error), 0);
    assert_int_equal(target_find(&t, &o, error, sizeof error), -EHOSTUNREACH);
    assert_contains(error, "http://nobody.invalid/: no address of nobody.invalid: ");
    target_free(&t);
}

static void a_unix_socket_is_found(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct options o = options_of("http://name/path");
    struct target t;

    (void)state;
    o.unix_path = "socket";
    assert_int_equal(target_init(&t, &o, error, sizeof error), 0);
    assert_int_equal(target_find(&t, &o, error, sizeof error), -ENOENT);
    assert_string_equal(error, "--unix=socket: cannot connect: No such file or directory");
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(target_find(&t, &o, error, sizeof error), 0);
    assert_string_equal(t.requests[0].bytes, "GET /path HTTP/1.1\r\nHost: name\r\n\r\n");
    target_free(&t);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_says_host_and_path),  cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(each_path_has_its_request), cmocka_unit_test(a_body_is_posted),
        cmocka_unit_test(whoever_is_there_is_found), cmocka_unit_test(nobody_is_said_in_a_line),
        IN_SCRATCH(a_unix_socket_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
