/* SPDX-License-Identifier: MIT
 *
 * One answer of a server, as it comes in pieces: whether it is whole, and what it says of itself.
 * Nothing of it is kept. The rest of the generator knows no HTTP but this and the requests' bytes.
 */
#ifndef LOAD_ANSWER_H
#define LOAD_ANSWER_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>

enum answer_state { ANSWER_PARTIAL, ANSWER_WHOLE, ANSWER_MALFORMED };

struct answer {
    http_parser parser;
    bool whole, keeps_open;
};

/* Expects the first byte of an answer to a GET or POST. */
void answer_begin(struct answer *answer);

/* Reads what came next. What follows a whole answer makes it malformed: nothing was asked that
 * could be answered by it. Answers of status 1xx are passed over (RFC 9110, 15.2). */
enum answer_state answer_feed(struct answer *answer, const char *bytes, size_t length);

/* The server has closed. WHOLE only if the answer's length was told by that. */
enum answer_state answer_end(struct answer *answer);

/* Of a whole one: its status, 0 to 999, and whether the connection can be used again. */
static inline unsigned answer_status(const struct answer *answer)
{
    return answer->parser.status_code;
}
static inline bool answer_keeps_open(const struct answer *answer)
{
    return answer->keeps_open;
}

#endif
