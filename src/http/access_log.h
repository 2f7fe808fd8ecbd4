/* SPDX-License-Identifier: MIT
 *
 * The access log: one line a request, one append a line.
 */
#ifndef HTTP_ACCESS_LOG_H
#define HTTP_ACCESS_LOG_H

#include <stdint.h>

#include "http.h"

/*
 * Writes the line of an exchange that has been answered, if --access-log is on:
 * client, time, request line, status, bytes of body, seconds, worker and model. duration_ns is
 * the time from head to answer. Bytes from the client are escaped. A line that cannot be written
 * is dropped and counted (shortage.h): the log never holds up an answer. Any context.
 */
void access_log_write(const struct http_exchange *x, int64_t duration_ns);

#endif
