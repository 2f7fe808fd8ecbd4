/* SPDX-License-Identifier: MIT
 *
 * The HTTP code's own view of a request body; handlers use http_read_body().
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stdbool.h>

#include "http.h"
#include "http/stream.h"

/* The most bytes of an unread body that are read and dropped to keep a connection. */
enum { BODY_DISCARD_LIMIT = 64 * 1024 };

/* Makes ready to read a chunked body; see body_init(). */
int body_init_chunked(struct connection_stream *s);

/* Makes ready to read the body of a request whose head ends at s->start. Returns 0, or -EBADMSG or
 * -EMSGSIZE, as http_read_body() would in time: what has come of it is judged, so that a request
 * seen to be wrong gets no other answer, and reaches no handler. Does not wait. */
static inline int body_init(struct connection_stream *s, const struct http_request *request)
{
    s->body_chunked = request->chunked;
    s->body_left = request->content_length;
    s->body_done = !request->has_body;
    s->body_read = 0;
    s->body_error = 0;
    s->continue_due = request->expects_continue && request->has_body;
    return request->chunked ? body_init_chunked(s) : 0;
}

/* Reads and drops what the handler left unread. True when the body's end was reached: the
 * connection can serve another request. May wait for the client. */
bool body_discard(struct http_exchange *x);

/* False when body_discard() is bound to fail, or the client still waits for 100 Continue: the
 * answer should then say Connection: close. */
static inline bool body_worth_discarding(const struct connection_stream *s)
{
    return s->body_done || (!s->continue_due && s->body_error == 0 &&
                            (s->body_chunked || s->body_left <= BODY_DISCARD_LIMIT));
}

#endif
