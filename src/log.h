/* SPDX-License-Identifier: MIT
 *
 * Log lines on standard error, one write() each, and the access log.
 *
 * Standard output is for data only. A line may hold bytes from a client: every
 * control byte, quote, backslash and byte over 0x7e of a %-argument is not
 * escaped by log_line(); callers pass client bytes through log_escape() first.
 */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO };

/* Writes "level: message\n" to standard error with one write(). Lines are cut at
 * 1,000 bytes. Safe in any thread, process or coroutine; does not suspend. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Copies bytes[0..length) to out as printable ASCII: a control byte, a quote, a
 * backslash or a byte above 0x7e becomes \xHH. Stops when out_size - 1 is
 * reached (never in the middle of an escape); always terminates. Returns the length written.
 */
size_t log_escape(char *out, size_t out_size, const char *bytes, size_t length);

#endif
