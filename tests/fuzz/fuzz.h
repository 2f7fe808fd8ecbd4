/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets share: checks that hold in every build, and pieces.
 *
 * A target is a file target_NAME.c with one function fuzz_NAME(), which takes any
 * bytes and dies when something does not hold. `make fuzz` links each with libFuzzer
 * (libfuzzer.c); tests/unit/fuzz/test_replay.c calls all of them with the files in
 * corpus/ and regressions/, with any compiler. Targets keep nothing from one call to the next
 * but what they need not make again.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Dies unless holds is true: an assertion that no build leaves out, and that a fuzzer
 * takes for a crash. */
#define FUZZ_CHECK(holds)                                                                          \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds);             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Each takes size bytes and returns 0. */
int fuzz_accept(const uint8_t *data, size_t size);
int fuzz_chunked(const uint8_t *data, size_t size);
int fuzz_client(const uint8_t *data, size_t size);
int fuzz_config(const uint8_t *data, size_t size);
int fuzz_database(const uint8_t *data, size_t size);
int fuzz_files(const uint8_t *data, size_t size);
int fuzz_hdr(const uint8_t *data, size_t size);
int fuzz_head(const uint8_t *data, size_t size);
int fuzz_path(const uint8_t *data, size_t size);
int fuzz_stream(const uint8_t *data, size_t size);
int fuzz_uri(const uint8_t *data, size_t size);

/* How an input is cut up: the same for the same bytes, so that a finding can be repeated. */
struct fuzz_cuts {
    uint64_t state;
    size_t limit; /* of a piece, in bytes; 0: all at once */
};

/* Ways of cutting: in one piece, byte by byte, and by the bytes' hash. */
enum { FUZZ_WHOLE, FUZZ_BYTES, FUZZ_HASHED, FUZZ_WAYS };

static inline struct fuzz_cuts fuzz_cuts_of(int way, const uint8_t *data, size_t size)
{
    struct fuzz_cuts cuts = {.state = UINT64_C(0xcbf29ce484222325), .limit = (size_t)way};

    if (way != FUZZ_HASHED)
        return cuts;
    for (size_t i = 0; i < size; i++)
        cuts.state = (cuts.state ^ data[i]) * UINT64_C(0x100000001b3);
    cuts.state |= 1; /* xorshift goes on from anything but 0 */
    cuts.limit = (size_t[]){2, 5, 16, 100}[cuts.state >> 62] * (size > 1024 ? 40 : 1);
    return cuts;
}

/* The length of the next piece when left bytes are left; 0 only when none is. */
static inline size_t fuzz_cut(struct fuzz_cuts *cuts, size_t left)
{
    size_t piece = 1;

    if (cuts->limit == 0)
        return left;
    if (cuts->limit > 1) {
        cuts->state ^= cuts->state << 13;
        cuts->state ^= cuts->state >> 7;
        cuts->state ^= cuts->state << 17;
        piece = 1 + (size_t)(cuts->state % cuts->limit);
    }
    return piece < left ? piece : left;
}

/* A copy that ends where its memory ends, so that ASan sees a byte read behind it; never NULL. */
static inline char *fuzz_copy(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    FUZZ_CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

#endif
