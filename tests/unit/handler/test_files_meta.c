/* SPDX-License-Identifier: MIT
 *
 * files.h: media types, entity tags, conditions and ranges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "handler/files.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct http_slice slice(const char *text)
{
    return (struct http_slice){text, strlen(text)};
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
    const struct stat changed[] = {stat_of(784111778, 5, 1234), stat_of(784111777, 6, 1234),
                                   stat_of(784111777, 5, 1235)};
    struct stat st = stat_of(784111777, 5, 1234);
    size_t length;

    (void)state;
    files_describe(&meta, &st, 1000000000);
    assert_int_equal(meta.size, 1234);
    assert_int_equal(meta.modified, 784111777);
    assert_true(meta.modified_is_strong);
    length = strlen(meta.etag);
    assert_true(length > 2 && meta.etag[0] == '"' && meta.etag[length - 1] == '"');
    assert_null(memchr(meta.etag + 1, '"', length - 2));

    st = stat_of(784111777, 5, 1234);
    files_describe(&other, &st, 1000000001);
    assert_string_equal(other.etag, meta.etag); /* of the file, not of the moment */
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
        {FILES_SEND, {"If-Modified-Since", MODIFIED, "If-Modified-Since", LATER}},
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
        {FILES_SEND, {"If-Unmodified-Since", EARLIER, "If-Unmodified-Since", LATER}},
        {FILES_SEND, {"If-Match", "\"tag\"", "If-Unmodified-Since", EARLIER}},
        {FILES_PRECONDITION_FAILED, {"If-Match", "\"x\"", "If-None-Match", "\"tag\""}},
        {FILES_NOT_MODIFIED, {"If-Match", "\"tag\"", "If-None-Match", "\"tag\""}},
    };
    struct http_request request;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum files_verdict verdict;

        make_request(&request, HTTP_METHOD_GET, cases[i].fields);
        verdict = files_judge(&request, &example);
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
        {HTTP_METHOD_GET,
         FILES_WHOLE,
         {"Range", "bytes=1-2", "If-Range", "\"tag\"", "If-Range", "\"x\""}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"Range", "bytes=1000-", "If-Range", "\"x\""}},
        {HTTP_METHOD_GET, FILES_WHOLE, {"If-Range", "\"tag\""}},
    };
    struct http_request request;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t offset, length;
        enum files_extent extent;

        make_request(&request, cases[i].method, cases[i].fields);
        extent = files_select(&request, &example, &offset, &length);
        if (extent != cases[i].extent)
            fail_msg("case %zu: %d", i, (int)extent);
        assert_int_equal(offset, extent == FILES_PART ? 1 : 0);
        assert_int_equal(length, extent == FILES_PART ? 2 : extent == FILES_WHOLE ? 1000 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_type), cmocka_unit_test(test_describe),
        cmocka_unit_test(test_etag_matches), cmocka_unit_test(test_judge),
        cmocka_unit_test(test_range),        cmocka_unit_test(test_select),
    };
    return cmocka_run_group_tests_name("handler/files", tests, NULL, NULL);
}
