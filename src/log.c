/* SPDX-License-Identifier: MIT
 *
 * Log lines on standard error, and writing that never waits.
 *
 * One write() a line, so that lines of several processes and threads never mix:
 * a write of up to PIPE_BUF bytes to a pipe is atomic, and so is one to a file
 * opened for appending. No buffer is kept, nothing is lost when a process dies,
 * and no lock is shared with a forked child.
 *
 * O_NONBLOCK belongs to the open file, which a shell and other programs may have as well: it
 * is never set on one that was inherited. A pipe or terminal is opened a second time instead
 * (log_own()); a socket is told with each message; a regular file has no reader to wait for. What
 * may not be opened again, such as another user's pipe, is asked first whether it has room. Between
 * that answer and the write others may take the last of it: pipes know RWF_NOWAIT for that, from
 * Linux 6.4.
 *
 * Rejected: a thread or process that writes, which is one more to start, watch and drain; and
 * waiting for a short time, which a reader that stands still would make every request pay.
 */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 1000 };

static_assert(LOG_LINE_MAX <= PIPE_BUF, "longer lines could mix in a pipe");

void log_own(int fd)
{
    char path[sizeof "/proc/self/fd/" + 11];
    struct stat st;
    int own;

    if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) ||
        (fcntl(fd, F_GETFL) & O_NONBLOCK))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return;
    dup2(own, fd);
    close(own);
}

/* To a pipe or a device. -1 with EAGAIN when it is full. */
static ssize_t write_if_room(int fd, const struct iovec *parts, int count)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    ssize_t written;

    if (poll(&room, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    written = pwritev2(fd, parts, count, -1, RWF_NOWAIT);
    return written < 0 && errno == EOPNOTSUPP ? writev(fd, parts, count) : written;
}

ssize_t log_append(int fd, const struct iovec *parts, int count)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = (size_t)count};
    struct stat st;
    ssize_t written;

    if (fstat(fd, &st) < 0)
        return -errno;
    do
        if (S_ISSOCK(st.st_mode))
            written = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (S_ISREG(st.st_mode))
            written = writev(fd, parts, count);
        else
            written = write_if_room(fd, parts, count);
    while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : written;
}

/* Puts the line behind what is in it already, and both on standard error. */
static void write_line(char line[LOG_LINE_MAX], size_t length, const char *format,
                       va_list arguments)
{
    int n = vsnprintf(line + length, LOG_LINE_MAX - length, format, arguments);

    /* One byte of the line is the newline's; the NUL of vsnprintf() gives way to it. */
    if (n > 0)
        length += (size_t)n;
    if (length > LOG_LINE_MAX - 1)
        length = LOG_LINE_MAX - 1;
    line[length++] = '\n';
    /* There is nowhere left to report that standard error cannot be written. */
    (void)!log_append(STDERR_FILENO, &(struct iovec){.iov_base = line, .iov_len = length}, 1);
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const levels[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warning", [LOG_INFO] = "info"};
    char line[LOG_LINE_MAX];
    int saved = errno;
    size_t length = (size_t)snprintf(line, sizeof(line), "%s: ", levels[level]);
    va_list arguments;

    errno = saved; /* for %m */
    va_start(arguments, format);
    write_line(line, length, format, arguments);
    va_end(arguments);
    errno = saved;
}

void log_plain(const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    write_line(line, 0, format, arguments);
    va_end(arguments);
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
