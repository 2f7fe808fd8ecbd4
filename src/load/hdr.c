/* SPDX-License-Identifier: MIT
 *
 * From counts to bytes, to zlib's, to base64, and the same way back. What comes back is not
 * trusted: each length and number is held against what there is before it is used.
 */
#include "load/hdr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "load/base64.h"

enum {
    COOKIE_COMPRESSED = 0x1c849304,
    COOKIE_COUNTS = 0x1c849303,
    COOKIE_WORD = 0x10,    /* what its writers put into the cookie's second last digit */
    COOKIE_IGNORED = 0xf0, /* and its readers leave out of account */
    COMPRESSED_HEADER = 8, /* cookie, length */
    COUNTS_HEADER = 40,    /* cookie, length, offset, digits, lowest, highest, ratio */
    COUNT_BYTES = 9,       /* the longest */
    COUNTS_LONGEST = COUNTS_HEADER + HISTOGRAM_STEPS * COUNT_BYTES,
};

static void put_number(unsigned char *at, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(number >> (8 * (bytes - 1 - i)));
}

static uint64_t number_at(const unsigned char *at, size_t bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

/* As a double is sent: its bits. */
static uint64_t bits_of(double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* A count, or less than 0 so many steps without one. Returns where the next one goes. */
static unsigned char *put_count(unsigned char *at, int64_t count)
{
    uint64_t rest = (uint64_t)count << 1 ^ (count < 0 ? UINT64_MAX : 0);

    for (size_t i = 1; i < COUNT_BYTES && rest > 0x7f; i++) {
        *at++ = (unsigned char)(rest | 0x80);
        rest >>= 7;
    }
    *at++ = (unsigned char)rest;
    return at;
}

/* Reads what put_count() wrote. Returns where the next one is; NULL: it goes on beyond the end. */
static const unsigned char *count_at(const unsigned char *at, const unsigned char *end,
                                     int64_t *count)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < COUNT_BYTES; i++) {
        bool last = i == COUNT_BYTES - 1; /* that one has eight bits of the number */
        unsigned char byte;

        if (at == end)
            return NULL;
        byte = *at++;
        number |= (uint64_t)(last ? byte : byte & 0x7f) << (7 * i);
        if (last || byte < 0x80)
            break;
    }
    *count = (int64_t)(number >> 1 ^ (number & 1 ? UINT64_MAX : 0));
    return at;
}

/* Writes header and counts to bytes, of which there are COUNTS_LONGEST. Returns how many it were.
 */
static size_t put_counts(const struct histogram *histogram, unsigned char *bytes)
{
    unsigned char *at = bytes + COUNTS_HEADER;
    size_t end = HISTOGRAM_STEPS;

    while (end > 0 && histogram->counts[end - 1] == 0)
        end--;
    for (size_t step = 0; step < end;) {
        size_t first = step;

        while (histogram->counts[step] == 0)
            step++;
        if (step == first)
            at = put_count(at, (int64_t)histogram->counts[step++]);
        else
            at = put_count(at, step - first == 1 ? 0 : -(int64_t)(step - first));
    }
    put_number(bytes, COOKIE_COUNTS | COOKIE_WORD, 4);
    put_number(bytes + 4, (size_t)(at - bytes) - COUNTS_HEADER, 4);
    put_number(bytes + 8, 0, 4); /* no offset of the first count */
    put_number(bytes + 12, HISTOGRAM_DIGITS, 4);
    put_number(bytes + 16, 1, 8);
    put_number(bytes + 24, (uint64_t)HISTOGRAM_HIGHEST_NS, 8);
    put_number(bytes + 32, bits_of(1.0), 8); /* values are what was recorded */
    return (size_t)(at - bytes);
}

char *hdr_encode(const struct histogram *histogram)
{
    unsigned char *counts = malloc(COUNTS_LONGEST);
    uLongf length = compressBound(COUNTS_LONGEST);
    unsigned char *compressed = malloc(COMPRESSED_HEADER + length);
    char *text = NULL;

    if (counts == NULL || compressed == NULL ||
        compress(compressed + COMPRESSED_HEADER, &length, counts, put_counts(histogram, counts)) !=
            Z_OK)
        goto done;
    put_number(compressed, COOKIE_COMPRESSED | COOKIE_WORD, 4);
    put_number(compressed + 4, length, 4);
    text = base64_encode(compressed, COMPRESSED_HEADER + length);
done:
    free(compressed);
    free(counts);
    return text;
}

/* Are length bytes a header, and as many counts as it says, of values in the steps that we have? */
static bool header_is_ours(const unsigned char *bytes, size_t length)
{
    uint64_t offset, ratio;

    if (length < COUNTS_HEADER)
        return false;
    offset = number_at(bytes + 8, 4);
    ratio = number_at(bytes + 32, 8);
    /* hdr-histogram-js writes a one for the offset that it does not have, and the ratio as a whole
     * number. */
    if (!(offset == 0 && ratio == bits_of(1.0)) && !(offset == 1 && ratio == 1))
        return false;
    return (number_at(bytes, 4) & ~(uint64_t)COOKIE_IGNORED) == COOKIE_COUNTS &&
           number_at(bytes + 4, 4) == length - COUNTS_HEADER &&
           number_at(bytes + 12, 4) == HISTOGRAM_DIGITS && number_at(bytes + 16, 8) == 1;
}

/* Reads length bytes of header and counts into an empty histogram. */
static int read_counts(const unsigned char *bytes, size_t length, struct histogram *histogram)
{
    const unsigned char *at = bytes + COUNTS_HEADER, *end = bytes + length;
    uint64_t total = 0;
    size_t step = 0;

    if (!header_is_ours(bytes, length))
        return -EINVAL;
    while (at < end) {
        uint64_t steps = 1;
        int64_t count;

        at = count_at(at, end, &count);
        if (at == NULL)
            return -EINVAL;
        if (count < 0)
            steps = -(uint64_t)count;
        if (steps > HISTOGRAM_STEPS - step)
            return -EINVAL;
        if (count > 0) {
            if (histogram_lowest_ns(step) > HISTOGRAM_HIGHEST_NS ||
                (uint64_t)count > (uint64_t)INT64_MAX - total)
                return -EINVAL;
            total += (uint64_t)count;
            histogram->counts[step] = (uint64_t)count;
        }
        step += steps;
    }
    return 0;
}

/* Reads length bytes of the compressed form into an empty histogram. */
static int read_compressed(const unsigned char *bytes, size_t length, struct histogram *histogram)
{
    unsigned char *counts;
    uLongf counts_length = COUNTS_LONGEST;
    uLong taken = length - COMPRESSED_HEADER;
    int status;

    if (length < COMPRESSED_HEADER ||
        (number_at(bytes, 4) & ~(uint64_t)COOKIE_IGNORED) != COOKIE_COMPRESSED ||
        number_at(bytes + 4, 4) != length - COMPRESSED_HEADER)
        return -EINVAL;
    counts = malloc(COUNTS_LONGEST);
    if (counts == NULL)
        return -ENOMEM;
    status = uncompress2(counts, &counts_length, bytes + COMPRESSED_HEADER, &taken);
    if (status == Z_OK && taken == length - COMPRESSED_HEADER)
        status = read_counts(counts, counts_length, histogram);
    else
        status = status == Z_MEM_ERROR ? -ENOMEM : -EINVAL;
    free(counts);
    return status;
}

int hdr_decode(const char *text, size_t length, struct histogram *histogram)
{
    struct histogram *read = calloc(1, sizeof *read);
    unsigned char *bytes = NULL;
    size_t bytes_length;
    int error = -ENOMEM;

    if (read == NULL)
        return -ENOMEM;
    error = base64_decode(text, length, &bytes, &bytes_length);
    if (error == 0)
        error = read_compressed(bytes, bytes_length, read);
    if (error == 0)
        *histogram = *read;
    free(bytes);
    free(read);
    return error;
}
