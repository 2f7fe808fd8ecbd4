/* SPDX-License-Identifier: MIT
 *
 * The strict guard: decides byte by byte whether a request head, or the trailer
 * section of a chunked body, is well formed.
 *
 * http-parser as commonly packaged is lenient: it takes bare line feeds, folded
 * lines and control bytes that let two servers disagree about where a request
 * ends. The guard reads the same raw bytes first and passes only what RFC 9112's
 * grammar allows; the parser then says what it means (request.h). The guard
 * keeps no pointer into the input, only the few bytes of struct guard, so a
 * connection whose head is incomplete can be parked at any byte.
 */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include <stddef.h>
#include <stdint.h>

enum guard_verdict {
    GUARD_MORE,            /* well formed so far, not complete */
    GUARD_DONE,            /* complete: the empty line has been read */
    GUARD_BAD,             /* against the grammar: 400 */
    GUARD_TARGET_TOO_LONG, /* request target over HTTP_MAX_TARGET bytes: 414 */
    GUARD_TOO_MANY_FIELDS, /* over HTTP_MAX_FIELDS field lines: 431 */
    GUARD_VERSION,         /* a major version above 1: 505 */
};

struct guard {
    uint8_t state;   /* enum guard_state of guard.c */
    uint8_t matched; /* bytes of "HTTP/" seen */
    uint8_t fields;  /* field lines begun */
    uint16_t target; /* bytes of the request target seen */
};

/* Makes ready for the first byte of a request head. One empty line before the
 * request line is passed over (RFC 9112, 2.2). */
static inline void guard_init_head(struct guard *guard)
{
    *guard = (struct guard){0};
}

/* Makes ready for the first byte after the last chunk's line (RFC 9112, 7.1.2). */
void guard_init_trailers(struct guard *guard);

/*
 * Reads on with the next length bytes of input. Sets *consumed to how many belong
 * to the head (trailer section): all of them with GUARD_MORE, up to and including
 * the final line feed with GUARD_DONE. After any other verdict the connection
 * cannot be read further. Pure; any context.
 */
enum guard_verdict guard_feed(struct guard *guard, const char *data, size_t length,
                              size_t *consumed);

#endif
