/* SPDX-License-Identifier: MIT
 *
 * A histogram from any text, any compressed bytes, and any counts (with their header and zlib's
 * around them put right): what is refused leaves the histogram as it was, what is taken is written
 * and read again as the same.
 */
#include <zlib.h>

#include "fuzz.h"
#include "load/base64.h"
#include "load/hdr.h"

enum { COOKIE_COMPRESSED = 0x1c849314, COOKIE_COUNTS = 0x1c849313, HEADER = 40 };

static void put(unsigned char *at, uint64_t number, size_t bytes)
{
    while (bytes-- > 0) {
        at[bytes] = (unsigned char)number;
        number >>= 8;
    }
}

static void check_text(const char *text, size_t length)
{
    static struct histogram read, again, empty;
    char *written;

    read = empty;
    if (hdr_decode(text, length, &read) != 0) {
        FUZZ_CHECK(memcmp(&read, &empty, sizeof read) == 0);
        return;
    }
    FUZZ_CHECK(histogram_total(&read) <= INT64_MAX);
    FUZZ_CHECK(histogram_percentile_ns(&read, 10000) == histogram_max_ns(&read));
    written = hdr_encode(&read);
    FUZZ_CHECK(written != NULL);
    FUZZ_CHECK(hdr_decode(written, strlen(written), &again) == 0);
    FUZZ_CHECK(memcmp(&read, &again, sizeof read) == 0);
    free(written);
}

/* Bytes in zlib's format, with what comes before them. */
static void check_compressed(const void *data, size_t size)
{
    unsigned char *bytes = malloc(8 + size);
    char *text;

    FUZZ_CHECK(bytes != NULL);
    put(bytes, COOKIE_COMPRESSED, 4);
    put(bytes + 4, size, 4);
    if (size > 0)
        memcpy(bytes + 8, data, size);
    text = base64_encode(bytes, 8 + size);
    FUZZ_CHECK(text != NULL);
    check_text(text, strlen(text));
    free(text);
    free(bytes);
}

/* Counts, with what comes before them, compressed. */
static void check_counts(const uint8_t *data, size_t size)
{
    uLongf length = compressBound(HEADER + size);
    unsigned char *counts = calloc(1, HEADER + size), *compressed = malloc(length);

    FUZZ_CHECK(counts != NULL && compressed != NULL);
    put(counts, COOKIE_COUNTS, 4);
    put(counts + 4, size, 4);
    put(counts + 12, 3, 4);
    put(counts + 16, 1, 8);
    put(counts + 24, (uint64_t)HISTOGRAM_HIGHEST_NS, 8);
    put(counts + 32, UINT64_C(0x3ff0000000000000), 8); /* 1.0 */
    if (size > 0)
        memcpy(counts + HEADER, data, size);
    FUZZ_CHECK(compress(compressed, &length, counts, HEADER + size) == Z_OK);
    check_compressed(compressed, length);
    free(compressed);
    free(counts);
}

int fuzz_hdr(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);

    check_text(text, size);
    free(text);
    check_compressed(data, size);
    check_counts(data, size);
    return 0;
}
