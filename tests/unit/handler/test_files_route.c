/* SPDX-License-Identifier: MIT
 *
 * GET /files/, served out of a real directory: which answer a path, a condition or a range gets.
 * The pure parts are for test_files.c.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "serving.h"

static char site[] = "/tmp/test_files_route.XXXXXX";
static int site_fd;

static void put_file(const char *name, const char *text)
{
    int fd = openat(site_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    static const struct timespec times[2] = {{784111777, 0}, {784111777, 0}};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static int setup_site(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(site));
    site_fd = open(site, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(site_fd >= 0);
    assert_int_equal(mkdirat(site_fd, "dir", 0755), 0);
    assert_int_equal(mkdirat(site_fd, "bare", 0755), 0);
    assert_int_equal(mkdirat(site_fd, "trap", 0755), 0);
    assert_int_equal(mkdirat(site_fd, "trap/index.html", 0755), 0);
    put_file("a.txt", "0123456789");
    put_file("empty.bin", "");
    put_file("index.html", "top");
    put_file("dir/index.html", "<p>dir");
    put_file(".secret", "secret");
    assert_int_equal(mkfifoat(site_fd, "fifo", 0644), 0);
    return 0;
}

static int teardown_site(void **state)
{
    static const char *const files[] = {"a.txt",          "empty.bin", "index.html",
                                        "dir/index.html", ".secret",   "fifo"};
    static const char *const directories[] = {"dir", "bare", "trap/index.html", "trap"};

    (void)state;
    for (size_t i = 0; i < COUNT(files); i++)
        unlinkat(site_fd, files[i], 0);
    for (size_t i = 0; i < COUNT(directories); i++)
        unlinkat(site_fd, directories[i], AT_REMOVEDIR);
    close(site_fd);
    return rmdir(site);
}

#define SITE_DATE "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n"

static void test_files(void **state)
{
    static const struct {
        const char *target;
        unsigned status;
        const char *body; /* NULL: not looked at */
        const char *type;
        const char *header; /* contained */
    } cases[] = {
        {"/files/a.txt", 200, "0123456789", "text/plain; charset=utf-8", SITE_DATE},
        {"/files/a.txt", 200, "0123456789", "text/plain; charset=utf-8", "Accept-Ranges: bytes\n"},
        {"/files/%61.txt", 200, "0123456789", "text/plain; charset=utf-8", "ETag: \""},
        {"/files/empty.bin", 200, NULL, "application/octet-stream", ""},
        {"/files/", 200, "top", "text/html; charset=utf-8", ""},
        {"/files/dir/", 200, "<p>dir", "text/html; charset=utf-8", ""},
        {"/files/dir", 301, NULL, "text/plain", "Location: /files/dir/\n"},
        {"/files/d%69r", 301, NULL, "text/plain", "Location: /files/d%69r/\n"},
        {"/files/bare/", 404, NULL, "text/plain", ""},
        {"/files/trap/", 404, NULL, "text/plain", ""},
        {"/files/none", 404, NULL, "text/plain", ""},
        {"/files/a.txt/", 404, NULL, "text/plain", ""},
        {"/files/a.txt/b", 404, NULL, "text/plain", ""},
        {"/files/.secret", 404, NULL, "text/plain", ""},
        {"/files/%2esecret", 404, NULL, "text/plain", ""},
        {"/files/fifo", 404, NULL, "text/plain", ""},
        {"/files/../a.txt", 404, NULL, "text/plain", ""},
        {"/files//a.txt", 404, NULL, "text/plain", ""},
        {"/files/dir%2findex.html", 404, NULL, "text/plain", ""},
        {"/files/a.txt%00", 400, NULL, "text/plain", ""},
        {"/files/%zz", 400, NULL, "text/plain", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake fake;
        fake_init(&fake, HTTP_METHOD_GET, "GET", cases[i].target, 1);
        fake.server.root_fd = site_fd;
        assert_int_equal(serve(&fake), 0);
        if (fake.status != cases[i].status)
            fail_msg("%s: %u", cases[i].target, fake.status);
        assert_string_equal(fake.type, cases[i].type);
        assert_contains(fake.headers, cases[i].header);
        if (cases[i].body != NULL)
            assert_text(&fake, cases[i].status, cases[i].body);
        fake_term(&fake);
    }
}

static void test_files_headers(void **state)
{
    static const struct {
        const char *name, *value;
        unsigned status;
        const char *body;
        const char *header;
    } cases[] = {
        {"Range", "bytes=2-4", 206, "234", "Content-Range: bytes 2-4/10\n"},
        {"Range", "bytes=-3", 206, "789", "Content-Range: bytes 7-9/10\n"},
        {"Range", "bytes=10-", 416, NULL, "Content-Range: bytes */10\n"},
        {"Range", "bytes=0-1,3-4", 200, "0123456789", SITE_DATE},
        {"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 304, "", SITE_DATE},
        {"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 304, "", "ETag: \""},
        {"If-None-Match", "*", 304, "", "ETag: \""},
        {"If-Match", "\"other\"", 412, NULL, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake fake;
        fake_init(&fake, HTTP_METHOD_GET, "GET", "/files/a.txt", 1);
        fake.server.root_fd = site_fd;
        fake_field(&fake, cases[i].name, cases[i].value);
        assert_int_equal(serve(&fake), 0);
        if (fake.status != cases[i].status)
            fail_msg("%s: %s: %u", cases[i].name, cases[i].value, fake.status);
        assert_contains(fake.headers, cases[i].header);
        if (cases[i].body != NULL)
            assert_text(&fake, cases[i].status, cases[i].body);
        fake_term(&fake);
    }
}

/* A long path cannot make a Location that does not fit. */
static void test_files_redirect_bound(void **state)
{
    char target[1200] = "/files/";
    struct fake fake;

    (void)state;
    for (size_t used = strlen(target); used + 3 < 1000; used += 3)
        memcpy(target + used, "%64", 4); /* "d" */
    fake_init(&fake, HTTP_METHOD_GET, "GET", target, 1);
    fake.server.root_fd = site_fd;
    assert_int_equal(serve(&fake), 0);
    assert_int_equal(fake.status, 404);
    fake_term(&fake);
}

static void test_files_without_root(void **state)
{
    struct fake fake;

    (void)state;
    get(&fake, "/files/a.txt");
    assert_int_equal(fake.status, 404);
    fake_term(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_files_headers),
        cmocka_unit_test(test_files_redirect_bound),
        cmocka_unit_test(test_files_without_root),
    };
    return cmocka_run_group_tests_name("handler/files_route", tests, setup_site, teardown_site);
}
