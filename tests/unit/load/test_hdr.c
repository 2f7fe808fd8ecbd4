/* SPDX-License-Identifier: MIT
 *
 * HDR's encoding there and back, and everything that is nearly one. That other programs read it is
 * for tests/load/test_hdr_js.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "load/base64.h"
#include "load/hdr.h"
#include "tests/unit/load/sample.h"

enum { HEADER = 40, ROOM = 4096 };

/* Header and counts, to be made wrong and packed. */
struct counts {
    unsigned char bytes[ROOM];
    size_t length;
};

static void put(unsigned char *at, uint64_t number, size_t bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (unsigned char)number;
        number >>= 8;
    }
}

/* A right one, of these bytes of counts. */
static struct counts counts_of(const char *bytes, size_t length)
{
    struct counts counts = {.length = HEADER + length};

    put(counts.bytes, 0x1c849313, 4);
    put(counts.bytes + 4, length, 4);
    put(counts.bytes + 12, 3, 4);
    put(counts.bytes + 16, 1, 8);
    put(counts.bytes + 24, UINT64_C(3600000000000), 8);
    put(counts.bytes + 32, UINT64_C(0x3ff0000000000000), 8);
    memcpy(counts.bytes + HEADER, bytes, length);
    return counts;
}

/* Decodes them, with so many more bytes between zlib's and the end. The histogram, or NULL. */
static struct histogram *decode(const struct counts *counts, size_t behind)
{
    unsigned char packed[ROOM + 100] = {0};
    uLongf length = ROOM;
    struct histogram *histogram = sample_histogram(0);
    char *text;
    int result;

    assert_non_null(histogram);
    assert_int_equal(compress(packed + 8, &length, counts->bytes, counts->length), Z_OK);
    put(packed, 0x1c849314, 4);
    put(packed + 4, length + behind, 4);
    text = base64_encode(packed, 8 + length + behind);
    assert_non_null(text);
    histogram->counts[7] = 7;
    result = hdr_decode(text, strlen(text), histogram);
    free(text);
    if (result == 0)
        return histogram;
    assert_int_equal(result, -EINVAL);
    assert_int_equal(histogram_total(histogram), 7); /* as it was */
    free(histogram);
    return NULL;
}

static void test_there_and_back(void **state)
{
    static const uint64_t counts[] = {0, 1, 2, 1000, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct histogram *histogram = sample_histogram(counts[i]), *read = sample_histogram(3);
        char *text;

        assert_non_null(histogram);
        assert_non_null(read);
        histogram->counts[HISTOGRAM_STEPS / 2] = (uint64_t)(i == 4) << 62; /* all nine bytes */
        text = hdr_encode(histogram);
        assert_non_null(text);
        assert_memory_equal(text, "HISTF", 5);
        assert_int_equal(hdr_decode(text, strlen(text), read), 0);
        assert_memory_equal(histogram, read, sizeof *read);
        for (size_t length = 0; length < strlen(text); length += 1 + length / 50)
            assert_int_equal(hdr_decode(text, length, read), -EINVAL);
        free(text);
        free(read);
        free(histogram);
    }
}

/* Counts 3 at step 0, none at 1, 64 at 2, none at 3 to 5, 1 at 6: 6, 0, 128, -3 and 2 as ZigZag. */
static void test_counts_are_read_as_written_down(void **state)
{
    struct counts counts = counts_of("\x06\x00\x80\x01\x05\x02", 6);
    struct histogram *histogram = decode(&counts, 0);

    (void)state;
    assert_non_null(histogram);
    assert_int_equal(histogram->counts[0], 3);
    assert_int_equal(histogram->counts[2], 64);
    assert_int_equal(histogram->counts[6], 1);
    assert_int_equal(histogram_total(histogram), 68);
    free(histogram);
}

static void test_what_writers_differ_in_is_read(void **state)
{
    struct counts counts = counts_of("\x06", 1);
    struct histogram *histogram;

    (void)state;
    put(counts.bytes + 24, 10000, 8);
    put(counts.bytes, 0x1c849383, 4);
    histogram = decode(&counts, 0);
    assert_non_null(histogram);
    assert_int_equal(histogram->counts[0], 3);
    free(histogram);
    put(counts.bytes + 8, 1, 4); /* as hdr-histogram-js writes offset and ratio */
    put(counts.bytes + 32, 1, 8);
    histogram = decode(&counts, 0);
    assert_non_null(histogram);
    assert_int_equal(histogram->counts[0], 3);
    free(histogram);
}

static void test_another_header_is_refused(void **state)
{
    static const struct {
        size_t at, bytes;
        uint64_t number;
    } cases[] = {
        {0, 4, 0x1c849301},           /* V1 */
        {0, 4, 0x1c849314},           /* the compressed one's cookie */
        {4, 4, 0},                    /* shorter than it is */
        {4, 4, 2},                    /* longer */
        {4, 4, UINT32_MAX},           /* far longer */
        {8, 4, 1},                    /* counts that begin elsewhere */
        {12, 4, 2},                   /* other digits: other steps */
        {16, 8, 1000},                /* another lowest value: the same */
        {32, 8, 0x4000000000000000U}, /* values that are half */
        {32, 8, 1},                   /* a ratio as hdr-histogram-js has it, without its offset */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct counts counts = counts_of("\x06", 1);

        put(counts.bytes + cases[i].at, cases[i].number, cases[i].bytes);
        if (decode(&counts, 0) != NULL)
            fail_msg("case %zu was read", i);
    }
}

static void test_other_counts_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {"\x80", 1},                                 /* goes on beyond the end */
        {"\x06\xff\xff", 3},                         /* the same, later */
        {"\xff\xff\xff\xff\xff\xff\xff\xff", 8},     /* and nearly whole */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9}, /* no count in 2^63 steps */
        {"\x81\x90\x04", 3},                         /* none in one more than there are */
        {"\xff\x8f\x04\x01", 4},                     /* the same in two parts */
        {"\xff\x8f\x04\x02", 4},                     /* one behind the last */
        {"\xfd\x8f\x04\x02", 4},                     /* one at the last, which is over an hour */
        {"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10} /* 2^63 of them in all */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct counts counts = counts_of(cases[i].bytes, cases[i].length);

        if (decode(&counts, 0) != NULL)
            fail_msg("case %zu was read", i);
    }
}

static void test_what_surrounds_the_counts_is_checked(void **state)
{
    static const char *const texts[] = {
        "", "HIST", "HISTFAAAAAA=", "HISTFAAAAAAA", "HISTEwAAAAF4", "no base64 at all"};
    struct counts counts = counts_of("\x06", 1);
    struct histogram *histogram = sample_histogram(0);

    (void)state;
    assert_non_null(histogram);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(hdr_decode(texts[i], strlen(texts[i]), histogram), -EINVAL);
    assert_null(decode(&counts, 3)); /* bytes behind zlib's */
    counts.length = HEADER - 1;
    assert_null(decode(&counts, 0));
    free(histogram);
}

/* A few bytes that zlib makes more of than any histogram has. */
static void test_more_than_a_histogram_has_is_refused(void **state)
{
    enum { LARGE = 10000000 };
    unsigned char *zeros = calloc(1, LARGE), *packed = malloc(LARGE);
    struct histogram *histogram = sample_histogram(0);
    uLongf length = LARGE - 8;
    char *text;

    (void)state;
    assert_non_null(zeros);
    assert_non_null(packed);
    assert_non_null(histogram);
    assert_int_equal(compress(packed + 8, &length, zeros, LARGE), Z_OK);
    put(packed, 0x1c849314, 4);
    put(packed + 4, length, 4);
    text = base64_encode(packed, 8 + length);
    assert_non_null(text);
    assert_int_equal(hdr_decode(text, strlen(text), histogram), -EINVAL);
    free(text);
    free(histogram);
    free(packed);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_counts_are_read_as_written_down),
        cmocka_unit_test(test_what_writers_differ_in_is_read),
        cmocka_unit_test(test_another_header_is_refused),
        cmocka_unit_test(test_other_counts_are_refused),
        cmocka_unit_test(test_what_surrounds_the_counts_is_checked),
        cmocka_unit_test(test_more_than_a_histogram_has_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
