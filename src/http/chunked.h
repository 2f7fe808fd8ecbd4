/* SPDX-License-Identifier: MIT
 *
 * The framing of a chunked request body (RFC 9112, 7.1), read strictly.
 *
 * Like the guard it holds no pointer into the input. The data of a chunk never
 * passes through here: the decoder says how much of it follows, and the caller
 * takes it from wherever it is (the buffer, or straight from the socket).
 * Chunk extensions and trailers are checked and dropped.
 */
#ifndef HTTP_CHUNKED_H
#define HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

#include "http/guard.h"

enum chunked_event {
    CHUNKED_MORE, /* all input consumed, framing incomplete */
    CHUNKED_DATA, /* data follows: chunked->left bytes of it, more than 0 */
    CHUNKED_END,  /* the body has ended; what follows is the next request */
    CHUNKED_BAD,  /* against the grammar, or too much framing for the data: 400 */
};

struct chunked {
    uint64_t left;       /* data bytes of the current chunk not yet taken */
    uint64_t data;       /* data bytes announced so far */
    uint64_t framing;    /* bytes that were not data so far */
    uint32_t extensions; /* of these, in chunk extensions */
    uint8_t state;       /* enum chunked_state of chunked.c */
    struct guard trailers;
};

void chunked_init(struct chunked *chunked);

/*
 * Reads framing from the next length bytes; sets *consumed to how many were
 * framing. After CHUNKED_DATA the caller takes data with chunked_take() until
 * chunked->left is 0, then calls this again. Pure; any context.
 */
enum chunked_event chunked_next(struct chunked *chunked, const char *input, size_t length,
                                size_t *consumed);

/* Notes that count (at most chunked->left) bytes of data have been taken. */
static inline void chunked_take(struct chunked *chunked, uint64_t count)
{
    chunked->left -= count;
}

#endif
