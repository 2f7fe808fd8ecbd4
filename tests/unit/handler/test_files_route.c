/* SPDX-License-Identifier: MIT
 *
 * files.c: GET /files/, served out of a real directory: which answer a path, a condition or a range
 * gets. The rest of files.h is in test_files_open.c and test_files_meta.c.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "serving.h"

/* What openat2() fails with; 0: it is let do its work. */
static int open_error;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long given[6];
    va_list arguments;

    if (number == SYS_openat2 && open_error != 0) {
        errno = open_error;
        return -1;
    }
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    va_start(arguments, number);
    for (size_t i = 0; i < COUNT(given); i++)
        given[i] = va_arg(arguments, long);
    va_end(arguments);
    return real(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

static char site[] = "/tmp/test_files_route.XXXXXX";
static int site_fd;

static void put_file(const char *name, const char *text)
{
    int fd = openat(site_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    static const struct timespec times[2] = {{784111777, 0}, {784111777, 0}};

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
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
    assert_int_equal(mknodat(site_fd, "socket", S_IFSOCK | 0644, 0), 0);
    return 0;
}

static int teardown_site(void **state)
{
    static const char *const files[] = {"a.txt",   "empty.bin", "index.html", "dir/index.html",
                                        ".secret", "fifo",      "socket"};
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
        {"/files/dir?v=3", 301, NULL, "text/plain", "Location: /files/dir/?v=3\n"},
        {"/files/dir/?v=3", 200, "<p>dir", "text/html; charset=utf-8", ""},
        {"/files/a.txt?v=3", 200, "0123456789", "text/plain; charset=utf-8", SITE_DATE},
        {"/files/a.txt?", 200, "0123456789", "text/plain; charset=utf-8", SITE_DATE},
        {"/files/a.txt?/../&&=%00%zz", 200, "0123456789", "text/plain; charset=utf-8", SITE_DATE},
        {"/%66iles/a.txt", 200, "0123456789", "text/plain; charset=utf-8", SITE_DATE},
        {"/f%69le%73/%61.txt", 200, "0123456789", "text/plain; charset=utf-8", SITE_DATE},
        {"/files%2fa.txt", 404, NULL, "text/plain", ""},
        {"/files/socket", 404, NULL, "text/plain", ""},
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

/* What is there but cannot be opened is not "not found", which caches keep. */
static void test_files_that_cannot_be_opened(void **state)
{
    static const struct {
        int error;
        unsigned status;
    } cases[] = {
        {ENOENT, 404},       {ENOTDIR, 404},   {ELOOP, 404},     {ENAMETOOLONG, 404},
        {EXDEV, 404},        {ENXIO, 404},     {EACCES, 403},    {EMFILE, 503},
        {ENFILE, 503},       {ENOMEM, 503},    {EAGAIN, 503},    {EIO, 500},
        {ESTALE, 500},       {ETIMEDOUT, 500}, {EUCLEAN, 500},   {EBADMSG, 500},
        {ENOTCONN, 500},     {EREMOTEIO, 500}, {EHOSTDOWN, 500}, {EHOSTUNREACH, 500},
        {ENODEV, 500},       {ENOMEDIUM, 500}, {ENOKEY, 500},    {EKEYEXPIRED, 500},
        {ESHUTDOWN, 500},    {ENODATA, 500},   {EOVERFLOW, 500}, {EINVAL, 500},
        {ECONNABORTED, 500}, {EPROTO, 500},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake fake;
        fake_init(&fake, HTTP_METHOD_GET, "GET", "/files/a.txt", 1);
        fake.server.root_fd = site_fd;
        open_error = cases[i].error;
        assert_int_equal(serve(&fake), 0);
        open_error = 0;
        if (fake.status != cases[i].status)
            fail_msg("%s: %u", strerror(cases[i].error), fake.status);
        fake_term(&fake);
    }
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
        cmocka_unit_test(test_files_that_cannot_be_opened),
        cmocka_unit_test(test_files_without_root),
    };
    return cmocka_run_group_tests_name("handler/files_route", tests, setup_site, teardown_site);
}
