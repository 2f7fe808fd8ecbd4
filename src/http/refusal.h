/* SPDX-License-Identifier: MIT
 *
 * Why the guard refused a head, in words for whoever sent it.
 *
 * The guard only says that a byte may not stand where it does: anything more would cost
 * every good request. So a refused head is read a second time, here, to find that
 * byte and its place in the grammar.
 */
#ifndef HTTP_REFUSAL_H
#define HTTP_REFUSAL_H

#include <stddef.h>

/* The answer to a refused head. */
struct refusal {
    unsigned status;
    char reason[96]; /* one line of printable ASCII; holds no byte of the head itself */
};

/*
 * Explains the refusal of head, length bytes of which the guard has refused one or that are more
 * than max_header, the first byte being the connection's or the one behind the previous request.
 * A head in which no byte is refused before max_header bytes is too large (431), or, if it is
 * a method up to there, not implemented (501): the answer does not depend on how much of the head
 * came in one piece. A head that is neither is "malformed". Pure; any context.
 */
void refusal_explain(struct refusal *refusal, const char *head, size_t length, size_t max_header);

#endif
