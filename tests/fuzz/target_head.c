/* SPDX-License-Identifier: MIT
 *
 * The guard and the request parser on one head, or on a trailer section: the guard's verdict does
 * not depend on how the bytes are cut up; what both accept is a head by the reference as
 * well, with the same parts; what the guard refuses can be explained, in printable words.
 */
#include "fuzz.h"
#include "http.h"
#include "http/guard.h"
#include "http/refusal.h"
#include "http/request.h"
#include "reference.h"

enum { MAX_HEADER = 12000 }; /* more than the longest target */

typedef void guard_start(struct guard *guard);

/* Feeds all, cut up in that way; *used is what was consumed when it was done. */
static enum guard_verdict feed(guard_start *start, int way, const uint8_t *data, size_t size,
                               size_t *used)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(way, data, size);
    enum guard_verdict verdict = GUARD_MORE;
    struct guard guard;

    start(&guard);
    for (*used = 0; *used < size && verdict == GUARD_MORE;) {
        size_t piece = fuzz_cut(&cuts, size - *used);
        char *copy = fuzz_copy(data + *used, piece);
        size_t taken = SIZE_MAX;

        verdict = guard_feed(&guard, copy, piece, &taken);
        FUZZ_CHECK(taken <= piece);
        FUZZ_CHECK(verdict != GUARD_MORE || taken == piece);
        *used += taken;
        free(copy);
    }
    return verdict;
}

static enum guard_verdict feed_every_way(guard_start *start, const uint8_t *data, size_t size,
                                         size_t *used)
{
    enum guard_verdict verdict = feed(start, FUZZ_WHOLE, data, size, used);

    for (int way = FUZZ_WHOLE + 1; way < FUZZ_WAYS; way++) {
        size_t again;

        FUZZ_CHECK(feed(start, way, data, size, &again) == verdict);
        FUZZ_CHECK(verdict != GUARD_DONE || again == *used);
    }
    return verdict;
}

static void explain(enum guard_verdict verdict, const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size);
    struct refusal refusal;

    memset(&refusal, 0xff, sizeof refusal);
    refusal_explain(&refusal, copy, size, MAX_HEADER);
    FUZZ_CHECK(memchr(refusal.reason, '\0', sizeof refusal.reason) != NULL);
    FUZZ_CHECK(refusal.reason[0] != '\0');
    for (const char *p = refusal.reason; *p != '\0'; p++)
        FUZZ_CHECK(*p >= ' ' && *p <= '~');
    if (verdict == GUARD_VERSION)
        FUZZ_CHECK(refusal.status == 505 || refusal.status == 431);
    else if (verdict == GUARD_TOO_MANY_FIELDS)
        FUZZ_CHECK(refusal.status == 431);
    else if (verdict == GUARD_TARGET_TOO_LONG)
        FUZZ_CHECK(refusal.status == 414);
    else
        FUZZ_CHECK(refusal.status == 400 || refusal.status == 431 || refusal.status == 501);
    FUZZ_CHECK((strcmp(refusal.reason, "malformed request") == 0) == (verdict <= GUARD_DONE));
    free(copy);
}

static bool same(struct http_slice slice, struct ref_text text)
{
    return slice.length == text.length &&
           (text.length == 0 || memcmp(slice.data, text.data, text.length) == 0);
}

/* A head that is larger than may be, all of it well formed: not implemented where it is a method so
 * far, by the reference's word, else too large. */
static void explain_too_large(const uint8_t *data, size_t size)
{
    char *copy = fuzz_copy(data, size);
    struct refusal refusal;

    for (size_t limit = size / 2; limit < size; limit += 1 + size / 4) {
        bool method = ref_is_method(data, limit);

        refusal_explain(&refusal, copy, size, limit);
        FUZZ_CHECK(refusal.status == (method ? 501 : 431));
    }
    free(copy);
}

/* What the server makes of a head that the guard has passed, beside what the reference does. */
static void compare(const uint8_t *data, size_t length)
{
    char *head = fuzz_copy(data, length);
    struct http_request request;
    struct request_error error = request_parse(&request, head, length);
    struct ref_request reference;

    FUZZ_CHECK(request.field_count <= HTTP_MAX_FIELDS);
    FUZZ_CHECK((error.status == 0) == (error.reason == NULL));
    if (error.status != 0 && error.close) {
        free(head);
        return;
    }
    FUZZ_CHECK(ref_head(&reference, data, length) == REF_WHOLE);
    FUZZ_CHECK(reference.length == length);
    FUZZ_CHECK(same(request.method_name, reference.method));
    FUZZ_CHECK(same(request.target, reference.target));
    FUZZ_CHECK(request.version_minor == (reference.minor > 0));
    FUZZ_CHECK(request.chunked == reference.chunked);
    FUZZ_CHECK(request.content_length == reference.content_length);
    FUZZ_CHECK(request.has_body == (reference.chunked || reference.content_length > 0));
    FUZZ_CHECK(request.keep_alive == reference.persists);
    FUZZ_CHECK(request.field_count == reference.field_count);
    for (unsigned i = 0; i < request.field_count; i++) {
        FUZZ_CHECK(same(request.fields[i].name, reference.fields[i].name));
        FUZZ_CHECK(same(request.fields[i].value, reference.fields[i].value));
    }
    if (error.status == 0) {
        FUZZ_CHECK(request.path.length > 0);
        FUZZ_CHECK(request.path.data[0] == '/' || http_slice_is(request.path, "*"));
        FUZZ_CHECK(memchr(request.path.data, '?', request.path.length) == NULL);
    }
    free(head);
}

int fuzz_head(const uint8_t *data, size_t size)
{
    size_t used, reference_used;
    enum guard_verdict verdict = feed_every_way(guard_init_head, data, size, &used);

    if (verdict == GUARD_DONE)
        compare(data, used);
    if (verdict != GUARD_DONE || used == size) /* the guard reads no further than that */
        explain(verdict, data, size);
    if (verdict == GUARD_MORE && size > 16)
        explain_too_large(data, size);

    verdict = feed_every_way(guard_init_trailers, data, size, &used);
    if (verdict == GUARD_DONE) {
        FUZZ_CHECK(ref_trailers(data, size, &reference_used) == REF_WHOLE);
        FUZZ_CHECK(reference_used == used);
    }
    return 0;
}
