/* SPDX-License-Identifier: MIT
 *
 * From the raw bytes of a complete, guarded head to a struct http_request.
 *
 * The only file that knows http-parser. It runs the parser over the head for its
 * meaning, then judges what the grammar alone cannot: Host, the framing fields
 * (Content-Length and Transfer-Encoding), Connection, Expect and the form of the
 * request target.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stddef.h>

#include "http.h"

/* A refusal: the status to answer with, and why in a line for the answer's body. */
struct request_error {
    unsigned status; /* 0: none */
    const char *reason;
    bool close; /* framing is in doubt or the RFC wants it: close after the answer */
};

/*
 * Parses head[0..length), which the guard has passed completely. The slices of
 * *request point into head. Returns no error (status 0), or one; with
 * error.close unset the request's framing is known and *request may be used to
 * skip its body. Pure; any context.
 */
struct request_error request_parse(struct http_request *request, const char *head, size_t length);

/* To be called once at start: lifts the parser's own limit on heads, as who reads them has one. */
void request_init(void);

#endif
