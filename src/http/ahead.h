/* SPDX-License-Identifier: MIT
 *
 * Reading ahead of the handler, for clients that send all of a body before they read
 * any of the answer.
 *
 * A handler that answers while it reads, as /echo does, would otherwise end in a
 * standstill with such a client once the socket buffers are full both ways. While an answer
 * cannot be sent, what the client sends is taken into memory; the
 * server as a whole holds no more than AHEAD_TOTAL bytes so, beyond which clients
 * are left to back-pressure.
 */
#ifndef HTTP_AHEAD_H
#define HTTP_AHEAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io.h"

enum { AHEAD_STEP = 64 * 1024, AHEAD_TOTAL = 64 * 1024 * 1024 };

/* Bytes read and not yet asked for. All zero: none. */
struct ahead {
    char *data;
    size_t start, end, size;
};

/* Reads once, without waiting, up to limit bytes from fd. Returns the count; 0 at end of input,
 * -EAGAIN, -ENOBUFS when no more memory is to be had for this (the client is to wait), or the
 * socket's negative errno. */
ssize_t ahead_fill(struct ahead *ahead, struct io *io, int fd, uint64_t limit);

/* Takes up to capacity bytes out. Returns the count. */
size_t ahead_take(struct ahead *ahead, struct io *io, void *buffer, size_t capacity);

/* Frees the memory. */
void ahead_term(struct ahead *ahead, struct io *io);

#endif
