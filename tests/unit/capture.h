/* SPDX-License-Identifier: MIT
 *
 * Standard error replaced by a SOCK_SEQPACKET socket, which keeps writes apart: what one recv()
 * returns is what one write() sent. Included by test programs.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Standard error as it was, and the end of the socket to read from. */
struct capture {
    int saved;
    int reader;
};

static inline int capture_start(void **state)
{
    static struct capture capture;
    int ends[2];

    fflush(stderr);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    capture.saved = dup(STDERR_FILENO);
    capture.reader = ends[0];
    if (capture.saved < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    close(ends[1]);
    *state = &capture;
    return 0;
}

static inline int capture_stop(void **state)
{
    struct capture *capture = *state;

    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    close(capture->reader);
    return 0;
}

/* The next write to standard error, as a string; 0: there was none. */
static inline size_t captured(struct capture *capture, char *line, size_t size)
{
    ssize_t n = recv(capture->reader, line, size - 1, MSG_DONTWAIT);

    line[n < 0 ? 0 : n] = '\0';
    return n < 0 ? 0 : (size_t)n;
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture_start, capture_stop)

#endif
