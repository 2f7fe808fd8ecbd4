/* SPDX-License-Identifier: MIT
 *
 * Unix sockets for listen.c.
 */
#ifndef SYSTEM_LISTEN_UNIX_H
#define SYSTEM_LISTEN_UNIX_H

#include <stddef.h>

/*
 * Binds a Unix socket to path, which must fit a struct sockaddr_un, and listens; see
 * listen_open() for what happens to a file that is there. mode: permission bits of the file, 0: by
 * the umask. Returns the descriptor, or a negative errno: -EADDRINUSE when somebody
 * listens there, -ENOTSOCK when what is there is no socket.
 */
int listen_unix_open(const char *path, unsigned mode, int backlog)
    __attribute__((warn_unused_result));

/* Whether the file could be made: 0, or a negative errno; -ENOTSOCK when what is there is none.
 * One that somebody listens on is none of this function's business. Makes nothing. */
int listen_unix_probe(const char *path) __attribute__((warn_unused_result));

#endif
