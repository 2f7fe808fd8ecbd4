/* SPDX-License-Identifier: MIT
 *
 * The pure parts of /files: paths, safe opening in a real directory, media
 * types, entity tags, conditions and ranges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handler/files.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
}

/* --- paths ------------------------------------------------------------------ */

static void test_decode_path(void **state)
{
    static const struct {
        const char *encoded;
        int result;
        const char *path;
    } cases[] = {
        {"", 0, ""},
        {"a", 0, "a"},
        {"a.txt", 0, "a.txt"},
        {"dir/", 0, "dir/"},
        {"dir/a.txt", 0, "dir/a.txt"},
        {"a%20b", 0, "a b"},
        {"%61", 0, "a"},
        {"caf%c3%A9", 0, "caf\xc3\xa9"},
        {"a..b", 0, "a..b"},
        {"a.", 0, "a."},
        {"a../b", 0, "a../b"},
        {"a%0Ab", 0, "a\nb"},
        {"100%25", 0, "100%"},
        {"a%5cb", 0, "a\\b"},
        /* decoded once: what comes out is a name, not to be decoded again */
        {"%252e%252e/x", 0, "%2e%2e/x"},
        {"%252e%252e%252fx", 0, "%2e%2e%2fx"},
        {"a%2500", 0, "a%00"},
        /* malformed */
        {"%", -EINVAL, NULL},
        {"%4", -EINVAL, NULL},
        {"a%", -EINVAL, NULL},
        {"a%2", -EINVAL, NULL},
        {"%zz", -EINVAL, NULL},
        {"%2z", -EINVAL, NULL},
        {"%z2", -EINVAL, NULL},
        {"%+1", -EINVAL, NULL},
        {"%%20", -EINVAL, NULL},
        {"%00", -EINVAL, NULL},
        {"a.txt%00.html", -EINVAL, NULL},
        {"../%zz", -EINVAL, NULL}, /* malformed says more than refused */
        /* refused */
        {".", -ENOENT, NULL},
        {"..", -ENOENT, NULL},
        {"../x", -ENOENT, NULL},
        {"a/../b", -ENOENT, NULL},
        {"a/./b", -ENOENT, NULL},
        {"a/..", -ENOENT, NULL},
        {"a/.", -ENOENT, NULL},
        {".hidden", -ENOENT, NULL},
        {"a/.git/config", -ENOENT, NULL},
        {"...", -ENOENT, NULL},
        {"%2e%2e/x", -ENOENT, NULL},
        {"%2E./x", -ENOENT, NULL},
        {".%2e/x", -ENOENT, NULL},
        {"a/%2e%2e/x", -ENOENT, NULL},
        {"%2e%2e%2fx", -ENOENT, NULL},
        {"%2ehidden", -ENOENT, NULL},
        {"/", -ENOENT, NULL},
        {"/etc/passwd", -ENOENT, NULL},
        {"//", -ENOENT, NULL},
        {"a//b", -ENOENT, NULL},
        {"a//", -ENOENT, NULL},
        {"a%2Fb", -ENOENT, NULL},
        {"a%2fb", -ENOENT, NULL},
        {"%2fetc", -ENOENT, NULL},
    };
    char path[FILES_PATH_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int result = files_decode_path(slice(cases[i].encoded), path);
        if (result != cases[i].result || (result == 0 && strcmp(path, cases[i].path) != 0))
            fail_msg("\"%s\": %d, \"%s\"", cases[i].encoded, result, path);
    }
}

static void test_decode_path_length(void **state)
{
    char encoded[FILES_PATH_SIZE + 8];
    char path[FILES_PATH_SIZE];

    (void)state;
    memset(encoded, 'a', sizeof encoded);
    struct http_slice longest = {encoded, FILES_PATH_SIZE - 1};
    assert_int_equal(files_decode_path(longest, path), 0);
    assert_int_equal(strlen(path), FILES_PATH_SIZE - 1);
    for (size_t length = FILES_PATH_SIZE; length <= sizeof encoded; length++) {
        struct http_slice longer = {encoded, length};
        assert_int_equal(files_decode_path(longer, path), -ENOENT);
    }
}

/* The slice ends where the memory does: nothing beyond it is read. */
static void test_decode_path_bounds(void **state)
{
    static const char *const texts[] = {"%", "%4", "ab%", "ab%2", "a", ".", "a/"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        char path[FILES_PATH_SIZE];
        size_t length = strlen(texts[i]);
        char *exact = malloc(length); /* the sanitizer build sees a byte too far */
        assert_non_null(exact);
        memcpy(exact, texts[i], length);
        int result = files_decode_path((struct http_slice){exact, length}, path);
        assert_true(result == 0 || result == -EINVAL || result == -ENOENT);
        free(exact);
    }
}

/* --- opening ----------------------------------------------------------------- */

struct tree {
    char top[64]; /* holds "outside.txt" and "root/" */
    int top_fd;
    int root_fd;
};

static void make_file(int directory, const char *name)
{
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "text\n", 5), 5);
    close(fd);
}

static int setup_tree(void **state)
{
    struct tree *tree = calloc(1, sizeof *tree);

    assert_non_null(tree);
    strcpy(tree->top, "/tmp/test_files.XXXXXX");
    assert_non_null(mkdtemp(tree->top));
    tree->top_fd = open(tree->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(tree->top_fd >= 0);
    make_file(tree->top_fd, "outside.txt");
    assert_int_equal(mkdirat(tree->top_fd, "root", 0755), 0);
    assert_int_equal(mkdirat(tree->top_fd, "root/dir", 0755), 0);
    assert_int_equal(mkdirat(tree->top_fd, "root/dir/deep", 0755), 0);
    make_file(tree->top_fd, "root/a.txt");
    make_file(tree->top_fd, "root/dir/deep/b.txt");
    assert_int_equal(mkfifoat(tree->top_fd, "root/fifo", 0644), 0);
    assert_int_equal(symlinkat("../outside.txt", tree->top_fd, "root/up"), 0);
    assert_int_equal(symlinkat("/etc/passwd", tree->top_fd, "root/absolute"), 0);
    assert_int_equal(symlinkat("..", tree->top_fd, "root/parent"), 0);
    assert_int_equal(symlinkat("dir/deep/b.txt", tree->top_fd, "root/inside"), 0);
    assert_int_equal(symlinkat("circle", tree->top_fd, "root/circle"), 0);
    tree->root_fd = openat(tree->top_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(tree->root_fd >= 0);
    *state = tree;
    return 0;
}

static int teardown_tree(void **state)
{
    static const char *const files[] = {
        "outside.txt",   "root/a.txt",  "root/dir/deep/b.txt", "root/fifo",   "root/up",
        "root/absolute", "root/parent", "root/inside",         "root/circle",
    };
    static const char *const directories[] = {"root/dir/deep", "root/dir", "root"};
    struct tree *tree = *state;

    for (size_t i = 0; i < COUNT(files); i++)
        unlinkat(tree->top_fd, files[i], 0);
    for (size_t i = 0; i < COUNT(directories); i++)
        unlinkat(tree->top_fd, directories[i], AT_REMOVEDIR);
    close(tree->root_fd);
    close(tree->top_fd);
    rmdir(tree->top);
    free(tree);
    return 0;
}

/* What both ways of opening have in common. */
static void check_open(const struct tree *tree, int (*open_path)(int, const char *))
{
    static const char *const found[] = {"a.txt", "dir", "dir/deep", "dir/deep/b.txt", "fifo"};
    static const struct {
        const char *path;
        int error;
    } refused[] = {
        {"none", -ENOENT},     {"none/a.txt", -ENOENT},
        {"dir/none", -ENOENT}, {"a.txt/b", -ENOTDIR},
        {"circle", -ELOOP},    {"up", 0},
        {"absolute", 0},       {"parent/outside.txt", 0},
        {"parent", 0},         {"parent/root/a.txt", 0},
        {"../outside.txt", 0}, {"dir/../../outside.txt", 0},
        {"/etc/passwd", 0},    {"..", 0},
    };
    char long_name[400];

    for (size_t i = 0; i < COUNT(found); i++) {
        int fd = open_path(tree->root_fd, found[i]);
        if (fd < 0)
            fail_msg("%s: %s", found[i], strerror(-fd));
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        close(fd);
    }
    for (size_t i = 0; i < COUNT(refused); i++) {
        int fd = open_path(tree->root_fd, refused[i].path);
        if (fd >= 0)
            fail_msg("%s was opened", refused[i].path);
        if (refused[i].error != 0 && fd != refused[i].error)
            fail_msg("%s: %s", refused[i].path, strerror(-fd));
    }
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(open_path(tree->root_fd, long_name), -ENAMETOOLONG);
    assert_int_equal(fcntl(tree->root_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC); /* still open */
}

static void test_open(void **state)
{
    const struct tree *tree = *state;
    char text[16];

    check_open(tree, files_open);
    int fd = files_open(tree->root_fd, "dir/deep/b.txt");
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof text), 5);
    close(fd);
}

static void test_open_walk(void **state)
{
    const struct tree *tree = *state;
    char text[16];

    check_open(tree, files_open_walk);
    assert_int_equal(files_open_walk(tree->root_fd, "inside"), -ELOOP);
    assert_int_equal(files_open_walk(tree->root_fd, "dir//deep"), -ENOENT);
    assert_int_equal(files_open_walk(tree->root_fd, "dir/"), -ENOENT);
    assert_int_equal(files_open_walk(tree->root_fd, ""), -ENOENT);
    int fd = files_open_walk(tree->root_fd, "dir/deep/b.txt");
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof text), 5);
    close(fd);
}

/* Neither way of opening leaves a descriptor behind, whatever becomes of it. */
static void test_open_leaks_nothing(void **state)
{
    static const char *const paths[] = {"dir/deep/b.txt", "dir/deep/none", "dir/none/b", "up",
                                        "a.txt/b",        "parent/a",      "circle"};
    const struct tree *tree = *state;
    int before = dup(tree->top_fd);

    assert_true(before >= 0);
    close(before);
    for (size_t i = 0; i < COUNT(paths); i++) {
        int fd = files_open(tree->root_fd, paths[i]);
        if (fd >= 0)
            close(fd);
        fd = files_open_walk(tree->root_fd, paths[i]);
        if (fd >= 0)
            close(fd);
    }
    int after = dup(tree->top_fd);
    assert_int_equal(after, before);
    close(after);
}

/* --- description ------------------------------------------------------------- */

static void test_content_type(void **state)
{
    static const struct {
        const char *path;
        const char *type;
    } cases[] = {
        {"index.html", "text/html; charset=utf-8"},
        {"a/b.CSS", "text/css; charset=utf-8"},
        {"app.min.js", "text/javascript; charset=utf-8"},
        {"data.json", "application/json"},
        {"x.svg", "image/svg+xml"},
        {"x.JPeG", "image/jpeg"},
        {"x.tar.gz", "application/gzip"},
        {"x.woff2", "font/woff2"},
        {"x.wasm", "application/wasm"},
        {"x.mp4", "video/mp4"},
        {"x.txt", "text/plain; charset=utf-8"},
        {"x.otf", "font/otf"},
        {"x.eot", "application/vnd.ms-fontobject"},
        {"app.js.map", "application/json"},
        {"site.webmanifest", "application/manifest+json"},
        {"x.m3u8", "application/vnd.apple.mpegurl"},
        {"x.ts", "video/mp2t"},
        {"x.mov", "video/quicktime"},
        {"x.avif", "image/avif"},
        {"README", "application/octet-stream"},
        {"x.", "application/octet-stream"},
        {"x.unknown", "application/octet-stream"},
        {"x.htmlx", "application/octet-stream"},
        {"html", "application/octet-stream"},
        {"dir.html/file", "application/octet-stream"},
        {"", "application/octet-stream"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(files_content_type(cases[i].path), cases[i].type);
}

static struct stat stat_of(int64_t seconds, long nanoseconds, int64_t size)
{
    struct stat st;

    memset(&st, 0, sizeof st);
    st.st_mtim.tv_sec = seconds;
    st.st_mtim.tv_nsec = nanoseconds;
    st.st_size = size;
    return st;
}

static void test_describe(void **state)
{
    struct files_meta meta, other;
    struct stat st = stat_of(784111777, 5, 1234);

    (void)state;
    files_describe(&meta, &st, 1000000000);
    assert_int_equal(meta.size, 1234);
    assert_int_equal(meta.modified, 784111777);
    assert_true(meta.modified_is_strong);
    size_t length = strlen(meta.etag);
    assert_true(length > 2 && meta.etag[0] == '"' && meta.etag[length - 1] == '"');
    assert_null(memchr(meta.etag + 1, '"', length - 2));

    st = stat_of(784111777, 5, 1234);
    files_describe(&other, &st, 1000000001);
    assert_string_equal(other.etag, meta.etag); /* of the file, not of the moment */
    const struct stat changed[] = {stat_of(784111778, 5, 1234), stat_of(784111777, 6, 1234),
                                   stat_of(784111777, 5, 1235)};
    for (size_t i = 0; i < COUNT(changed); i++) {
        files_describe(&other, &changed[i], 1000000000);
        assert_string_not_equal(other.etag, meta.etag);
    }

    st = stat_of(2000000000, 0, 0); /* from the future: says now */
    files_describe(&meta, &st, 1000000000);
    assert_int_equal(meta.modified, 1000000000);
    assert_false(meta.modified_is_strong); /* it equals Date, and may yet be that of another */
    st = stat_of(-5, 999999999, INT64_MAX);
    files_describe(&meta, &st, 1000000000);
    assert_int_equal(meta.modified, 0);
    assert_true(strlen(meta.etag) < FILES_ETAG_SIZE - 1); /* not cut */
}

static void test_etag_matches(void **state)
{
    static const struct {
        const char *list;
        bool strong, weak;
    } cases[] = {
        {"\"a\"", true, true},
        {"*", true, true},
        {"W/\"a\"", false, true},
        {"\"b\"", false, false},
        {"\"b\", \"a\"", true, true},
        {"\"b\",\"a\"", true, true},
        {"\"b\"\t,\t\"a\" ", true, true},
        {", ,\"a\"", true, true},
        {"\"b\", W/\"a\"", false, true},
        {"W/\"b\", W/\"c\", \"d\"", false, false},
        {"\"x,y\", \"a\"", true, true}, /* a comma within a tag does not separate */
        {"\"x, \"a\"", false, false},
        {"a", false, false},
        {"\"A\"", false, false},
        {"\"a", false, false},
        {"\"a\" \"a\"", true, true},
        {"\"b\" \"a\"", false, false}, /* malformed from there on */
        {"w/\"a\"", false, false},
        {"W/", false, false},
        {"W", false, false},
        {"\"", false, false},
        {"\"\"", false, false},
        {",", false, false},
        {"", false, false},
        {"* ,", false, false},
        {"\"aa\"", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool strong = files_etag_matches(slice(cases[i].list), "\"a\"", false);
        bool weak = files_etag_matches(slice(cases[i].list), "\"a\"", true);
        if (strong != cases[i].strong || weak != cases[i].weak)
            fail_msg("%s: strong %d, weak %d", cases[i].list, strong, weak);
    }
}

/* --- conditions -------------------------------------------------------------- */

#define MODIFIED  "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER   "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER     "Sun, 06 Nov 1994 08:49:38 GMT"
#define NOT_A_DAY "Sun, 06 Nox 1994 08:49:37 GMT"

static const struct files_meta example = {
    .size = 1000, .modified = 784111777, .modified_is_strong = true, .etag = "\"tag\""};

/* A request with up to three fields, given as name, value, name, value, ..., NULL. */
static void make_request(struct http_request *request, enum request_method method,
                         const char *const fields[])
{
    memset(request, 0, sizeof *request);
    request->method = method;
    for (size_t i = 0; i < 6 && fields[i] != NULL; i += 2) {
        request->fields[request->field_count].name = slice(fields[i]);
        request->fields[request->field_count].value = slice(fields[i + 1]);
        request->field_count++;
    }
}

static void test_judge(void **state)
{
    static const struct {
        enum files_verdict verdict;
        const char *fields[7];
    } cases[] = {
        {FILES_SEND, {NULL}},
        {FILES_NOT_MODIFIED, {"If-None-Match", "\"tag\""}},
        {FILES_NOT_MODIFIED, {"if-none-match", "W/\"tag\""}},
        {FILES_NOT_MODIFIED, {"If-None-Match", "*"}},
        {FILES_NOT_MODIFIED, {"If-None-Match", "\"x\", \"tag\""}},
        {FILES_NOT_MODIFIED, {"If-None-Match", "\"x\"", "If-None-Match", "\"tag\""}},
        {FILES_SEND, {"If-None-Match", "\"x\""}},
        {FILES_SEND, {"If-None-Match", "tag"}},
        {FILES_NOT_MODIFIED, {"If-Modified-Since", MODIFIED}},
        {FILES_NOT_MODIFIED, {"If-Modified-Since", LATER}},
        {FILES_SEND, {"If-Modified-Since", EARLIER}},
        {FILES_SEND, {"If-Modified-Since", NOT_A_DAY}},
        {FILES_SEND, {"If-Modified-Since", ""}},
        {FILES_NOT_MODIFIED, {"If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT"}},
        {FILES_NOT_MODIFIED, {"If-Modified-Since", "Sun Nov  6 08:49:37 1994"}},
        /* If-None-Match beats If-Modified-Since, either way and even when malformed */
        {FILES_SEND, {"If-None-Match", "\"x\"", "If-Modified-Since", MODIFIED}},
        {FILES_SEND, {"If-Modified-Since", MODIFIED, "If-None-Match", "x"}},
        {FILES_NOT_MODIFIED, {"If-None-Match", "\"tag\"", "If-Modified-Since", EARLIER}},
        {FILES_SEND, {"If-Match", "\"tag\""}},
        {FILES_SEND, {"If-Match", "*"}},
        {FILES_PRECONDITION_FAILED, {"If-Match", "\"x\""}},
        {FILES_PRECONDITION_FAILED, {"If-Match", "W/\"tag\""}},
        {FILES_SEND, {"If-Match", "\"x\"", "If-Match", "\"tag\""}},
        {FILES_SEND, {"If-Unmodified-Since", MODIFIED}},
        {FILES_SEND, {"If-Unmodified-Since", LATER}},
        {FILES_PRECONDITION_FAILED, {"If-Unmodified-Since", EARLIER}},
        {FILES_SEND, {"If-Unmodified-Since", NOT_A_DAY}},
        {FILES_SEND, {"If-Match", "\"tag\"", "If-Unmodified-Since", EARLIER}},
        {FILES_PRECONDITION_FAILED, {"If-Match", "\"x\"", "If-None-Match", "\"tag\""}},
        {FILES_NOT_MODIFIED, {"If-Match", "\"tag\"", "If-None-Match", "\"tag\""}},
    };
    struct http_request request;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        make_request(&request, HTTP_METHOD_GET, cases[i].fields);
        enum files_verdict verdict = files_judge(&request, &example);
        make_request(&request, HTTP_METHOD_HEAD, cases[i].fields);
        if (verdict != cases[i].verdict || files_judge(&request, &example) != verdict)
            fail_msg("case %zu, %s: %d", i, cases[i].fields[0], (int)verdict);
    }
}

/* --- ranges ------------------------------------------------------------------ */

static void test_range(void **state)
{
    static const struct {
        const char *value;
        uint64_t size;
        enum files_extent extent;
        uint64_t offset, length;
    } cases[] = {
        {"bytes=0-0", 1000, FILES_PART, 0, 1},
        {"bytes=0-499", 1000, FILES_PART, 0, 500},
        {"bytes=500-999", 1000, FILES_PART, 500, 500},
        {"bytes=500-", 1000, FILES_PART, 500, 500},
        {"bytes=999-", 1000, FILES_PART, 999, 1},
        {"bytes=500-5000", 1000, FILES_PART, 500, 500},
        {"bytes=500-1000", 1000, FILES_PART, 500, 500},
        {"bytes=0-999", 1000, FILES_PART, 0, 1000},
        {"bytes=0-", 1000, FILES_PART, 0, 1000},
        {"bytes=-1", 1000, FILES_PART, 999, 1},
        {"bytes=-500", 1000, FILES_PART, 500, 500},
        {"bytes=-1000", 1000, FILES_PART, 0, 1000},
        {"bytes=-5000", 1000, FILES_PART, 0, 1000},
        {"bytes=-99999999999999999999999", 1000, FILES_PART, 0, 1000},
        {"bytes=0-99999999999999999999999", 1000, FILES_PART, 0, 1000},
        {"bytes=1-18446744073709551615", 1000, FILES_PART, 1, 999},
        {"bytes=0-18446744073709551616", 1000, FILES_PART, 0, 1000},
        {"Bytes=1-2", 1000, FILES_PART, 1, 2},
        {"bytes=007-008", 1000, FILES_PART, 7, 2},
        {"bytes=1000-", 1000, FILES_UNSATISFIABLE, 0, 0},
        {"bytes=1000-1001", 1000, FILES_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 1000, FILES_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999-", 1000, FILES_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, FILES_UNSATISFIABLE, 0, 0},
        {"bytes=0-0", 0, FILES_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 0, FILES_UNSATISFIABLE, 0, 0},
        {"bytes=-5", 0, FILES_WHOLE, 0, 0},
        {"bytes=5-4", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=0-1,3-4", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=0-1,", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=-", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=", 1000, FILES_WHOLE, 0, 1000},
        {"bytes", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=1", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=a-b", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=1-2x", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=+1-2", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=--2", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=1--2", 1000, FILES_WHOLE, 0, 1000},
        {"bytes= 1-2", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=1 -2", 1000, FILES_WHOLE, 0, 1000},
        {"bytes =1-2", 1000, FILES_WHOLE, 0, 1000},
        {"bytes=0x1-2", 1000, FILES_WHOLE, 0, 1000},
        {"lines=1-2", 1000, FILES_WHOLE, 0, 1000},
        {"", 1000, FILES_WHOLE, 0, 1000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t offset = 77, length = 77;
        enum files_extent extent =
            files_range(slice(cases[i].value), cases[i].size, &offset, &length);
        if (extent != cases[i].extent || offset != cases[i].offset || length != cases[i].length)
            fail_msg("\"%s\" of %llu: %d, %llu + %llu", cases[i].value,
                     (unsigned long long)cases[i].size, (int)extent, (unsigned long long)offset,
                     (unsigned long long)length);
    }
}

static void test_select(void **state)
{
    static const struct {
        enum request_method method;
        enum files_extent extent;
        const char *fields[7];
    } cases[] = {
        {HTTP_METHOD_GET, FILES_WHOLE, {NULL}},
        {HTTP_METHOD_GET, FILES_PART, {"Range", "bytes=1-2"}},
        {HTTP_METHOD_GET, FILES_PART, {"range", "bytes=1-2"}},
        {HTTP_METHOD_GET, FILES_UNSATISFIABLE, {"Range", "bytes=1000-"}},
        {HTTP_METHOD_HEAD, FILES_WHOLE, {"Range", "bytes=1-2"}},
        {HTTP_METHOD_HEAD, FILES_WHOLE, {"Range", "bytes=1000-"}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1-2", "Range", "bytes=4-5"}},
        {HTTP_METHOD_GET, FILES_PART, {"Range", "bytes=1-2", "If-Range", "\"tag\""}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1-2", "If-Range", "\"x\""}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1-2", "If-Range", "W/\"tag\""}},
        {HTTP_METHOD_GET, FILES_PART, {"Range", "bytes=1-2", "If-Range", MODIFIED}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1-2", "If-Range", LATER}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1-2", "If-Range", EARLIER}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1-2", "If-Range", NOT_A_DAY}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1000-", "If-Range", "\"x\""}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"If-Range", "\"tag\""}},
    };
    struct http_request request;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t offset, length;
        make_request(&request, cases[i].method, cases[i].fields);
        enum files_extent extent = files_select(&request, &example, &offset, &length);
        if (extent != cases[i].extent)
            fail_msg("case %zu: %d", i, (int)extent);
        assert_int_equal(offset, extent == FILES_PART ? 1 : 0);
        assert_int_equal(length, extent == FILES_PART ? 2 : extent == FILES_WHOLE ? 1000 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_path),
        cmocka_unit_test(test_decode_path_length),
        cmocka_unit_test(test_decode_path_bounds),
        cmocka_unit_test_setup_teardown(test_open, setup_tree, teardown_tree),
        cmocka_unit_test_setup_teardown(test_open_walk, setup_tree, teardown_tree),
        cmocka_unit_test_setup_teardown(test_open_leaks_nothing, setup_tree, teardown_tree),
        cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_etag_matches),
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_select),
    };
    return cmocka_run_group_tests_name("handler/files", tests, NULL, NULL);
}
