/* SPDX-License-Identifier: MIT
 *
 * What the fields of a request for a file mean: dates, entity tags, conditions and ranges. The
 * input is a list of field lines ("Range: bytes=0-1\n"); each value is also read by itself.
 */
#include <strings.h>
#include <time.h>

#include "fuzz.h"
#include "handler/files.h"
#include "http.h"

static const struct files_meta METAS[] = {
    {.size = 0, .modified = 0, .etag = "\"0.0-0\""},
    {.size = 36, .modified = 784111777, .etag = "\"2ebca1a1.0-24\""},
    {.size = INT64_MAX, .modified = 253402300799, .etag = "\"a\""},
};

/* A date that was read, given its time: one of the three forms of it by the C library. The day of
 * the week is not compared, for the server does not judge it. */
static bool is_form_of(struct http_slice value, const struct tm *tm)
{
    static const struct {
        const char *format;
        char before; /* what ends the day of the week */
    } forms[] = {
        {", %d %b %Y %H:%M:%S GMT", ','},
        {", %d-%b-%y %H:%M:%S GMT", ','},
        {" %b %e %H:%M:%S %Y", ' '},
        {" %b %d %H:%M:%S %Y", ' '}, /* a day of two digits below 10, let pass */
    };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const char *rest = memchr(value.data, forms[i].before, value.length);
        char text[64];
        size_t length = strftime(text, sizeof text, forms[i].format, tm);

        if (rest != NULL && length == (size_t)(value.data + value.length - rest) &&
            memcmp(rest, text, length) == 0)
            return true;
    }
    return false;
}

static void check_date(struct http_slice value)
{
    char canonical[HTTP_DATE_SIZE];
    int64_t seconds, again;
    struct tm tm;

    if (!http_date_parse(value, &seconds))
        return;
    FUZZ_CHECK(gmtime_r(&(time_t){(time_t)seconds}, &tm) != NULL);
    http_date_format(canonical, seconds);
    FUZZ_CHECK(canonical[HTTP_DATE_SIZE - 1] == '\0');
    FUZZ_CHECK(http_date_parse((struct http_slice){canonical, HTTP_DATE_SIZE - 1}, &again));
    FUZZ_CHECK(again == seconds || seconds > 253402300799); /* a leap second that ends year 9999 */
    if (tm.tm_sec > 0 &&
        tm.tm_year >= -900) /* not "60", which is the next minute; %Y pads no year */
        FUZZ_CHECK(is_form_of(value, &tm));
}

/* A second reading of "bytes=FIRST-LAST", by the words of RFC 9110, 14.1.2. */
static enum files_extent range(const char *text, uint64_t size, uint64_t *first, uint64_t *last)
{
    char *end;
    bool suffix;

    *first = 0;
    *last = size - 1;
    if (strncasecmp(text, "bytes=", 6) != 0)
        return FILES_WHOLE;
    text += 6;
    suffix = *text == '-';
    if (strspn(text, "0123456789-") != strlen(text) || strchr(text, '-') == NULL ||
        strchr(text, '-') != strrchr(text, '-') || strlen(text) < 2)
        return FILES_WHOLE;
    if (suffix) {
        uint64_t count = strtoull(text + 1, NULL, 10);

        if (size == 0 && count > 0)
            return FILES_WHOLE;
        *first = count > size ? 0 : size - count;
        return count == 0 ? FILES_UNSATISFIABLE : FILES_PART;
    }
    *first = strtoull(text, &end, 10);
    if (end[1] != '\0') {
        uint64_t given = strtoull(end + 1, NULL, 10);

        if (given < *first)
            return FILES_WHOLE;
        if (given < *last)
            *last = given;
    }
    return *first >= size ? FILES_UNSATISFIABLE : FILES_PART;
}

static void check_range(struct http_slice value)
{
    char *text = strndup(value.data, value.length);

    FUZZ_CHECK(text != NULL);
    for (size_t i = 0; i < sizeof METAS / sizeof METAS[0]; i++) {
        uint64_t offset, length, first, last, size = METAS[i].size;
        enum files_extent extent = files_range(value, size, &offset, &length);
        enum files_extent expected = range(text, size, &first, &last);

        if (strlen(text) != value.length) /* a NUL: no range */
            expected = FILES_WHOLE;
        FUZZ_CHECK(extent == expected);
        FUZZ_CHECK(offset <= size && length <= size - offset);
        if (extent == FILES_PART)
            FUZZ_CHECK(length > 0 && offset == first && offset + length - 1 == last);
        else
            FUZZ_CHECK(offset == 0 && length == (extent == FILES_WHOLE ? size : 0));
    }
    free(text);
}

/* A tag can only match where it stands in the list. */
static void check_tags(struct http_slice value)
{
    for (size_t i = 0; i < sizeof METAS / sizeof METAS[0]; i++) {
        const char *etag = METAS[i].etag;
        bool weak = files_etag_matches(value, etag, true);
        bool strong = files_etag_matches(value, etag, false);

        FUZZ_CHECK(weak || !strong);
        FUZZ_CHECK(!weak || http_slice_is(value, "*") ||
                   memmem(value.data, value.length, etag, strlen(etag)) != NULL);
        if (http_slice_is(value, etag))
            FUZZ_CHECK(strong);
    }
}

/* The order of RFC 9110, 13.2.2, as far as it can be told without reading values again. */
static void check_fields(struct http_request *request)
{
    for (size_t i = 0; i < sizeof METAS / sizeof METAS[0]; i++) {
        uint64_t offset, length;
        enum files_verdict verdict = files_judge(request, &METAS[i]);
        enum files_extent extent = files_select(request, &METAS[i], &offset, &length);

        FUZZ_CHECK(offset <= METAS[i].size && length <= METAS[i].size - offset);
        if (verdict == FILES_NOT_MODIFIED)
            FUZZ_CHECK(http_field(request, "If-None-Match").data != NULL ||
                       http_field(request, "If-Modified-Since").data != NULL);
        if (verdict == FILES_PRECONDITION_FAILED)
            FUZZ_CHECK(http_field(request, "If-Match").data != NULL ||
                       http_field(request, "If-Unmodified-Since").data != NULL);
        if (extent != FILES_WHOLE)
            FUZZ_CHECK(request->method == HTTP_METHOD_GET &&
                       http_field(request, "Range").data != NULL);
    }
}

static struct http_slice trim(const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (from < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct http_slice){from, (size_t)(end - from)};
}

int fuzz_files(const uint8_t *data, size_t size)
{
    static struct http_request request;
    char *copies[HTTP_MAX_FIELDS];
    const char *at = (const char *)data, *end = at + size;

    request.field_count = 0;
    request.method = HTTP_METHOD_GET;
    while (at < end && request.field_count < HTTP_MAX_FIELDS) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *colon;
        struct http_field *field = &request.fields[request.field_count];

        if (stop == NULL)
            stop = end;
        colon = memchr(at, ':', (size_t)(stop - at));
        if (colon == NULL) { /* no field: a value alone */
            colon = at - 1;
            field->name = (struct http_slice){"Range", 5};
        } else {
            field->name = (struct http_slice){at, (size_t)(colon - at)};
        }
        field->value = trim(colon + 1, stop);
        copies[request.field_count] = fuzz_copy(field->value.data, field->value.length);
        field->value.data = copies[request.field_count];
        check_date(field->value);
        check_range(field->value);
        check_tags(field->value);
        request.field_count++;
        at = stop < end ? stop + 1 : end;
    }
    check_fields(&request);
    request.method = HTTP_METHOD_HEAD;
    check_fields(&request);
    for (unsigned i = 0; i < request.field_count; i++)
        free(copies[i]);
    return 0;
}
