/* SPDX-License-Identifier: MIT
 *
 * Unix sockets for listen.c, and the files that they leave.
 */
#ifndef SYSTEM_LISTEN_UNIX_H
#define SYSTEM_LISTEN_UNIX_H

#include <sys/types.h>

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

/* A Unix socket's file, by its identity; all zero: none. */
struct listen_file {
    dev_t device;
    ino_t inode;
};

/* The file of a bound socket's name, to be removed later; none unless the name is a path. */
struct listen_file listen_file_of(const char *name);

/*
 * Gives that file these permission bits, 0: by the umask, if the path still leads to it. *before:
 * those it had, 0 where nothing changed. Returns 0 or a negative errno: -EPERM to who does not own
 * it, -EACCES to who cannot see it.
 */
int listen_file_set_mode(const char *name, const struct listen_file *file, unsigned mode,
                         unsigned *before) __attribute__((warn_unused_result));

/* Removes that file, if the path still leads to it. Returns 0 or a negative errno. */
int listen_file_remove(const char *name, const struct listen_file *file);

#endif
