/* SPDX-License-Identifier: MIT
 *
 * The two ends of an answer, for connection.c; what lies between is http.h.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http.h"
#include "http/stream.h"

/* Makes an exchange for a request read from s; nothing is answered yet. */
static inline void exchange_init(struct http_exchange *x, struct connection_stream *s,
                                 const struct http_request *request)
{
    x->io = s->io;
    x->request = request;
    x->stream = s;
    x->extra_length = 0;
    x->status = 0;
    x->body_forbidden = request->method == HTTP_METHOD_HEAD;
    x->chunked = false;
    x->close = !request->keep_alive;
    x->failed = false;
    x->broken = false;
    x->body_remaining = 0;
    x->body_sent = x->body_at = x->framing = 0;
}

/* Completes the answer's framing. Returns 0, or a negative errno when the connection must close
 * because the answer is broken off or cannot be sent. */
int exchange_end(struct http_exchange *x);

/* How many bytes of the answer's body the kernel has taken, without framing, once all of the output
 * was sent or failed; of a chunked answer that was broken off, perhaps a few less. */
uint64_t exchange_body_sent(const struct http_exchange *x);

#endif
