/* SPDX-License-Identifier: MIT
 *
 * The access log: one line a request, one append a line.
 */
#ifndef HTTP_ACCESS_LOG_H
#define HTTP_ACCESS_LOG_H

#include <stdint.h>

#include "http.h"

/*
 * Writes the line of an exchange that is over, if --access-log is on: client, time, first line of
 * the head as it came, status, bytes of body that the kernel has taken, seconds, worker and model.
 * head: what came of the request's head, perhaps no more than its first bytes. duration_ns is
 * the time from head to the answer's end. Bytes from the client are escaped. A line that cannot be
 * written is dropped and counted (shortage.h): the log never holds up an answer. Any context.
 */
void access_log_write(const struct http_exchange *x, struct http_slice head, int64_t duration_ns);

#endif
