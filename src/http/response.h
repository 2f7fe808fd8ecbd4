/* SPDX-License-Identifier: MIT
 *
 * The two ends of an answer, for connection.c; what lies between is http.h.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "http.h"
#include "http/stream.h"

/* Makes an exchange for a request read from s; nothing is answered yet. */
void exchange_init(struct http_exchange *x, struct connection_stream *s,
                   const struct http_request *request);

/* Completes the answer's framing. Returns 0, or a negative errno when the connection must close
 * because the answer is broken off or cannot be sent. */
int exchange_end(struct http_exchange *x);

#endif
