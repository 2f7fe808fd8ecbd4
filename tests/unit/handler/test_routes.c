/* SPDX-License-Identifier: MIT
 *
 * Every route and the judging of methods, without a server: what a handler is
 * given, what it answers, how it waits. What only a connection can show (framing,
 * HEAD, keep-alive) is for tests/http.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/handler/fake_db.h"
#include "fake_exchange.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "handler/handler.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Serves a request as a connection would. */
static int serve(struct fake *fake)
{
    return handler_serve(handler_find(&fake->request), &fake->x);
}

/* A GET with nothing special, answered; fake_term() is the caller's. */
static void get(struct fake *fake, const char *target)
{
    fake_init(fake, HTTP_METHOD_GET, "GET", target, 1);
    assert_int_equal(serve(fake), 0);
}

static void assert_text(const struct fake *fake, unsigned status, const char *body)
{
    assert_int_equal(fake->status, status);
    assert_string_equal(fake->sent, body);
    assert_int_equal(fake->announced, strlen(body));
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* --- the table ------------------------------------------------------------------ */

static const char *found(const char *path)
{
    struct http_request request = {.path = {path, strlen(path)}};
    const struct route *route = handler_find(&request);
    return route != NULL ? route->path : "none";
}

static void test_find(void **state)
{
    (void)state;
    for (const struct route *route = handler_routes; route->path != NULL; route++)
        assert_string_equal(found(route->path), route->path);
    assert_string_equal(found("/files/a"), "/files/");
    assert_string_equal(found("/files/a/b.txt"), "/files/");
    static const char *const none[] = {"*",      "/hell",   "/hello/",  "/helloo",
                                       "/Hello", "/files",  "/filesx",  "/x",
                                       "//",     "//hello", "/status/", "/%68ello"};
    for (size_t i = 0; i < COUNT(none); i++)
        assert_string_equal(found(none[i]), "none");
}

/* An example must be a request that its own route accepts. */
static void test_examples(void **state)
{
    (void)state;
    for (const struct route *route = handler_routes; route->path != NULL; route++) {
        assert_true(route->summary != NULL && route->summary[0] != '\0');
        if (route->example == NULL)
            continue;
        struct fake fake;
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
        {HTTP_METHOD_CONNECT, 405, "CONNECT", "example.org:443",
         "Allow: GET, HEAD, POST, OPTIONS\n"},
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
        {"/files/x?v=1", "v"},
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

/* --- fixed and computed answers -------------------------------------------------- */

static void test_fixed(void **state)
{
    struct fake fake;

    (void)state;
    get(&fake, "/hello");
    assert_text(&fake, 200, "Hello, World!");
    assert_string_equal(fake.type, "text/plain");
    fake_term(&fake);

    get(&fake, "/json");
    assert_text(&fake, 200, "{\"message\":\"Hello, World!\"}");
    assert_string_equal(fake.type, "application/json");
    fake_term(&fake);
}

/* The definition of a round, spelt out once more. */
static uint64_t reference_rounds(uint64_t state, unsigned rounds)
{
    for (unsigned i = 0; i < rounds * 720; i++) {
        state ^= state >> 29;
        state *= UINT64_C(0x9e3779b97f4a7c15);
    }
    return state;
}

static void test_cpu(void **state)
{
    struct fake fake;
    char expected[32];

    (void)state;
    get(&fake, "/cpu?n=250");
    snprintf(expected, sizeof expected, "%016llx\n",
             (unsigned long long)reference_rounds(CPU_SEED, 250));
    assert_text(&fake, 200, expected);
    assert_int_equal(fake.checkpoints, 2);
    assert_int_equal(cpu_burn(&fake.io, CPU_SEED, 0), CPU_SEED);
    assert_int_equal(cpu_burn(&fake.io, cpu_burn(&fake.io, CPU_SEED, 3), 4),
                     cpu_burn(&fake.io, CPU_SEED, 7));
    fake_term(&fake);

    get(&fake, "/cpu"); /* n=1000 */
    assert_int_equal(fake.checkpoints, 10);
    fake_term(&fake);
}

static void test_waits(void **state)
{
    struct fake fake;
    char expected[64];

    (void)state;
    get(&fake, "/sleep?ms=1234");
    assert_text(&fake, 200, "slept 1234\n");
    assert_int_equal(fake.slept_ms, 1234);
    fake_term(&fake);

    get(&fake, "/sleep");
    assert_text(&fake, 200, "slept 20\n");
    fake_term(&fake);

    get(&fake, "/block?ms=0");
    assert_text(&fake, 200, "blocked 0\n");
    assert_int_equal(fake.sleeps + fake.offloads, 0);
    fake_term(&fake);

    get(&fake, "/block?ms=0&offload=1");
    assert_text(&fake, 200, "blocked 0\n");
    assert_int_equal(fake.offloads, 1);
    fake_term(&fake);

    get(&fake, "/mix?rounds=4&wait=7&cpu=2");
    snprintf(expected, sizeof expected, "mixed 4 rounds of 2 + 7 ms: %016llx\n",
             (unsigned long long)reference_rounds(CPU_SEED, 8));
    assert_text(&fake, 200, expected);
    assert_int_equal(fake.sleeps, 4);
    assert_int_equal(fake.slept_ms, 28);
    fake_term(&fake);

    get(&fake, "/fanout?n=1000&ms=3");
    assert_text(&fake, 200, "1000 waits of 3 ms: in no time\n");
    assert_int_equal(fake.gathered, 1000);
    assert_int_equal(fake.slept_ms, 3000);
    fake_term(&fake);
}

/* The one wait that is real: never shorter than asked for. */
static void test_block_blocks(void **state)
{
    struct fake fake;

    (void)state;
    int64_t before_ns = io_now_ns();
    get(&fake, "/block?ms=30");
    assert_true(io_now_ns() - before_ns >= INT64_C(30000000));
    fake_term(&fake);
}

/* A wait that is cancelled ends the request with that error and without an answer. */
static void test_cancelled(void **state)
{
    static const char *const targets[] = {"/sleep?ms=5", "/mix?rounds=3", "/fanout?n=3"};

    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct fake fake;
        fake_init(&fake, HTTP_METHOD_GET, "GET", targets[i], 1);
        fake.fail_sleep = i == 0 ? 1 : 2;
        assert_int_equal(serve(&fake), -ECANCELED);
        assert_int_equal(fake.status, 0);
        fake_term(&fake);
    }
}

/* --- /stream and /echo ----------------------------------------------------------- */

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

    static char body[50001];
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

/* --- /files/ ------------------------------------------------------------------------ */

static char site[] = "/tmp/test_routes.XXXXXX";
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

/* --- the database ----------------------------------------------------------------------- */

static void test_rows(void **state)
{
    static const size_t counts[] = {1, 2, 20, 500};
    struct fake fake;
    char target[32];

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        snprintf(target, sizeof target, "/updates?n=%zu", counts[i]);
        get(&fake, target);
        assert_int_equal(fake.status, 200);
        assert_string_equal(fake.type, "application/json");
        assert_int_equal(fake_db_count, counts[i]);
        for (size_t row = 0; row < fake_db_count; row++) {
            assert_in_range(fake_db_asked[row].id, 1, DB_ROWS);
            assert_in_range(fake_db_asked[row].number, 1, DB_ROWS);
            if (row > 0) /* sorted, none twice */
                assert_true(fake_db_asked[row].id > fake_db_asked[row - 1].id);
        }
        fake_term(&fake);
        snprintf(target, sizeof target, "/queries?n=%zu", counts[i]);
        get(&fake, target);
        assert_int_equal(fake.status, 200);
        assert_int_equal(fake_db_count, counts[i]);
        snprintf(target, sizeof target, "[{\"id\":%d,\"randomNumber\":%d}", fake_db_asked[0].id,
                 fake_db_asked[0].id);
        assert_memory_equal(fake.sent, target, strlen(target));
        fake_term(&fake);
    }
}

static void test_fortunes(void **state)
{
    struct fake fake;

    (void)state;
    get(&fake, "/fortunes");
    assert_int_equal(fake.status, 200);
    assert_string_equal(fake.type, "text/html; charset=utf-8");
    assert_string_equal(
        fake.sent, "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
                   "<tr><th>id</th><th>message</th></tr>"
                   "<tr><td>0</td><td>Additional fortune added at request time.</td></tr>"
                   "<tr><td>2</td><td>Z</td></tr><tr><td>4</td><td>a</td></tr>"
                   "<tr><td>1</td><td>b&lt;i&gt;</td></tr><tr><td>3</td><td>\xe3\x83\x95</td></tr>"
                   "</table></body></html>");
    fake_term(&fake);
}

static void test_no_database(void **state)
{
    static const char *const targets[] = {"/db", "/queries?n=2", "/updates?n=2", "/fortunes",
                                          "/cache?n=2"};
    static const struct {
        int error;
        unsigned status;
        const char *headers;
    } cases[] = {
        {-ECONNREFUSED, 503, "Retry-After: 1\n"},
        {-ETIMEDOUT, 503, "Retry-After: 1\n"},
        {-EAGAIN, 503, "Retry-After: 1\n"},
        {-ENOENT, 503, "Retry-After: 1\n"},
        {-ENODATA, 500, ""},
        {-EPROTO, 500, ""},
        {-EOPNOTSUPP, 404, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t j = 0; j < COUNT(targets); j++) {
            struct fake fake;

            fake_db_error = cases[i].error;
            get(&fake, targets[j]);
            assert_int_equal(fake.status, cases[i].status);
            assert_string_equal(fake.headers, cases[i].headers);
            fake_term(&fake);
        }
    }
    for (size_t j = 0; j < COUNT(targets); j++) { /* given up: nothing is answered */
        struct fake fake;

        fake_db_error = -ECANCELED;
        fake_init(&fake, HTTP_METHOD_GET, "GET", targets[j], 1);
        assert_int_equal(serve(&fake), -ECANCELED);
        assert_int_equal(fake.status, 0);
        fake_term(&fake);
    }
    fake_db_error = 0;
}

/* A password in --db is not shown to whoever asks. */
static void test_password_is_not_shown(void **state)
{
    static const char *const targets[] = {"/", "/status"};

    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct fake fake;

        fake_init(&fake, HTTP_METHOD_GET, "GET", targets[i], 1);
        fake.config.db = "postgresql://me:secret@host/world?password=secret";
        assert_int_equal(serve(&fake), 0);
        assert_contains(fake.sent, "postgresql://host/world");
        assert_null(strstr(fake.sent, "secret"));
        fake_term(&fake);
    }
}

/* --- /whoami, /status, / ---------------------------------------------------------------- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_fortunes),
        cmocka_unit_test(test_no_database),
        cmocka_unit_test(test_password_is_not_shown),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_bad_queries),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_block_blocks),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_cancelled),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_broken),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_files_headers),
        cmocka_unit_test(test_files_redirect_bound),
        cmocka_unit_test(test_files_without_root),
        cmocka_unit_test(test_whoami),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_unsettled),
        cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests_name("handler/routes", tests, setup_site, teardown_site);
}
