/* SPDX-License-Identifier: MIT
 *
 * Log lines on standard error, one write() each, and how lines are written without waiting.
 *
 * Whoever reads a log may stand still: no line ever waits for him. One that finds no room is
 * lost. Standard output is for data only. A line may hold bytes from a client: every
 * control byte, quote, backslash and byte over 0x7e of a %-argument is not
 * escaped by log_line(); callers pass client bytes through log_escape() first.
 */
#ifndef LOG_H
#define LOG_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO };

/* Writes "level: message\n" to standard error with one write(). Lines are cut at
 * 1,000 bytes. Safe in any thread, process or coroutine; does not suspend. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same without a level in front: the ready line. */
void log_plain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Appends the parts, a line of at most PIPE_BUF bytes, to whatever fd is: a file, pipe, terminal or
 * socket. Never waits for its reader. Returns the bytes written, all of them but where a disk or a
 * terminal had room for some only, or a negative errno: -EAGAIN when there was none. Any context; a
 * signal handler too.
 */
ssize_t log_append(int fd, const struct iovec *parts, int count)
    __attribute__((warn_unused_result));

/*
 * Makes fd, standard output or error, an open file of this process's own whose writes do not wait,
 * where it is a pipe or a terminal that may be opened again; leaves it alone otherwise. Those who
 * have the same pipe or terminal notice nothing. At the start, before there are workers.
 */
void log_own(int fd);

/*
 * Copies bytes[0..length) to out as printable ASCII: a control byte, a quote, a
 * backslash or a byte above 0x7e becomes \xHH. Stops when out_size - 1 is
 * reached (never in the middle of an escape); always terminates. Returns the length written.
 */
size_t log_escape(char *out, size_t out_size, const char *bytes, size_t length);

#endif
