/* SPDX-License-Identifier: MIT
 *
 * The framing of a chunked body: the same however it is cut up; a body that is accepted is
 * one by the reference as well, with the same data and the same end; framing stays within
 * its bound.
 */
#include "fuzz.h"
#include "http/chunked.h"
#include "reference.h"

/* What was decoded of one input. */
struct decoded {
    enum chunked_event event;
    char *data;
    size_t length; /* of the data */
    size_t used;   /* of the input */
};

static struct decoded decode(int way, const uint8_t *input, size_t size)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(way, input, size);
    struct decoded d = {.event = CHUNKED_MORE, .data = malloc(size + 1)};
    struct chunked chunked;

    FUZZ_CHECK(d.data != NULL);
    chunked_init(&chunked);
    while (d.used < size && d.event <= CHUNKED_DATA) {
        size_t piece = fuzz_cut(&cuts, size - d.used);
        char *copy = fuzz_copy(input + d.used, piece);
        size_t at = 0;

        while (at < piece) {
            size_t taken = SIZE_MAX;

            d.event = chunked_next(&chunked, copy + at, piece - at, &taken);
            if (d.event == CHUNKED_BAD)
                break;
            FUZZ_CHECK(taken <= piece - at);
            at += taken;
            FUZZ_CHECK(d.event != CHUNKED_MORE || at == piece);
            if (d.event == CHUNKED_END)
                break;
            if (d.event == CHUNKED_DATA) {
                size_t count = piece - at;

                FUZZ_CHECK(chunked.left > 0 && chunked.left <= INT64_MAX);
                if (count > chunked.left)
                    count = (size_t)chunked.left;
                memcpy(d.data + d.length, copy + at, count);
                d.length += count;
                at += count;
                chunked_take(&chunked, count);
            }
        }
        d.used += at;
        free(copy);
    }
    FUZZ_CHECK(chunked.framing <= 16 * 1024 + 8 * chunked.data + 16 * 1024 + 8);
    return d;
}

int fuzz_chunked(const uint8_t *data, size_t size)
{
    struct decoded whole = decode(FUZZ_WHOLE, data, size);

    for (int way = FUZZ_WHOLE + 1; way < FUZZ_WAYS; way++) {
        struct decoded cut = decode(way, data, size);

        /* Whether data is known to follow shows with the byte behind its size only. */
        FUZZ_CHECK(cut.event == whole.event ||
                   (cut.event <= CHUNKED_DATA && whole.event <= CHUNKED_DATA));
        FUZZ_CHECK(cut.length == whole.length && memcmp(cut.data, whole.data, cut.length) == 0);
        FUZZ_CHECK(whole.event != CHUNKED_END || cut.used == whole.used);
        free(cut.data);
    }
    if (whole.event == CHUNKED_END) {
        uint8_t *body = malloc(size + 1);
        size_t length, used;

        FUZZ_CHECK(body != NULL);
        FUZZ_CHECK(ref_chunked(data, size, body, &length, &used) == REF_WHOLE);
        FUZZ_CHECK(used == whole.used);
        FUZZ_CHECK(length == whole.length && memcmp(body, whole.data, length) == 0);
        free(body);
    }
    free(whole.data);
    return 0;
}
