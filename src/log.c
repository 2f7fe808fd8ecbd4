/* SPDX-License-Identifier: MIT
 *
 * Log lines on standard error.
 *
 * One write() a line, so that lines of several processes and threads never mix:
 * a write of up to PIPE_BUF bytes to a pipe is atomic, and so is one to a file
 * opened for appending. No buffer is kept, nothing is lost when a process dies,
 * and no lock is shared with a forked child.
 */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 1000 };

static_assert(LOG_LINE_MAX <= PIPE_BUF, "longer lines could mix in a pipe");

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const levels[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warning", [LOG_INFO] = "info"};
    char line[LOG_LINE_MAX];
    int saved = errno;
    va_list arguments;

    /* One byte of the line is the newline's; the NUL of vsnprintf() gives way to it. */
    size_t length = (size_t)snprintf(line, sizeof(line), "%s: ", levels[level]);
    errno = saved; /* for %m */
    va_start(arguments, format);
    int n = vsnprintf(line + length, sizeof(line) - length, format, arguments);
    va_end(arguments);
    if (n > 0)
        length += (size_t)n;
    if (length > sizeof(line) - 1)
        length = sizeof(line) - 1;
    line[length++] = '\n';

    ssize_t written;
    do {
        written = write(STDERR_FILENO, line, length);
    } while (written < 0 && errno == EINTR);
    /* There is nowhere left to report that standard error cannot be written. */
    errno = saved;
}

size_t log_escape(char *out, size_t out_size, const char *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    size_t used = 0;

    if (out_size == 0)
        return 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\') {
            if (used + 1 >= out_size)
                break;
            out[used++] = (char)byte;
            continue;
        }
        if (used + 4 >= out_size)
            break;
        out[used++] = '\\';
        out[used++] = 'x';
        out[used++] = digits[byte >> 4];
        out[used++] = digits[byte & 15];
    }
    out[used] = '\0';
    return used;
}
