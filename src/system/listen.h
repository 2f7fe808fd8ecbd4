/* SPDX-License-Identifier: MIT
 *
 * The listening socket: made from the text of --listen, or taken over from who
 * started this process (a service manager, or the server that this one is to replace).
 *
 * [::]:PORT takes IPv6 only, whatever net.ipv6.bindv6only says, so that an address
 * means the same on every machine; a socket that is inherited stays as it is.
 */
#ifndef SYSTEM_LISTEN_H
#define SYSTEM_LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    LISTEN_NAME_SIZE = 128,
    LISTEN_BACKLOG = 4096, /* asked for; the kernel lowers it to net.core.somaxconn */
    LISTEN_MOST_WAIT = LISTEN_BACKLOG + 1, /* connections that can wait to be accepted at a time */
};

struct listen_options {
    unsigned mode;   /* permission bits of a Unix socket's file; 0: as the umask leaves them */
    bool local_only; /* refuse, with -EACCES, what other machines can reach */
};

/*
 * Binds and listens. text is "ADDR:PORT", "[ADDR]:PORT" or "unix:/path"; ADDR is a
 * numeric address, with "%ZONE" behind one that is link-local, or a host name; port 0 picks a free
 * one. options may be NULL: all zero. name
 * receives what was bound, in the same spelling. error receives one line without a newline when it
 * fails.
 *
 * A Unix socket's file that is there already is replaced if it is a socket on which nobody
 * listens. Two servers that do so at once do not disturb each other.
 *
 * Returns a non-blocking, close-on-exec descriptor owned by the caller, -EINVAL when text has no
 * such form, or the negative errno of what failed. Before there are threads: it may set the umask
 * for a moment.
 */
int listen_open(const char *text, const struct listen_options *options, char *name,
                size_t name_size, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/*
 * Whether listen_open() could bind text, whose form is right, as things are: its address is this
 * machine's, its port one that this user may bind, the file of a Unix socket can be made. Whether
 * somebody has it already is not asked: it may be this very server. Returns 0, or as listen_open().
 */
int listen_probe(const char *text, bool local_only, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/*
 * Takes over an open descriptor, which must be a stream socket (IPv4, IPv6 or Unix) that
 * listens: makes it non-blocking and close-on-exec and names what it is bound to, as
 * listen_open() does ("unix:@name" for an abstract socket). options->local_only is obeyed.
 * The descriptor keeps its number and stays the caller's, also in failure; error is as above.
 *
 * Returns 0; -ENOTSOCK, -EINVAL (a socket, but not one that listens for streams), -EAFNOSUPPORT,
 * -EACCES, -EBADF or what else failed.
 */
int listen_inherit(int fd, const struct listen_options *options, char *name, size_t name_size,
                   char *error, size_t error_size) __attribute__((warn_unused_result));

/*
 * Accepts a connection: a non-blocking, close-on-exec descriptor owned by the caller, or the
 * negative errno of accept(2). *client: the address it comes from, an IPv4 one mapped (RFC
 * 4291, 2.5.5.2), all zero from a Unix socket. Any context; does not wait.
 */
int listen_accept(int fd, struct in6_addr *client) __attribute__((warn_unused_result));

/*
 * Makes `count` sockets of a TCP one that listens, which fd becomes the first of: all bound to the
 * same address (SO_REUSEPORT), where the kernel chooses by a hash of a connection's addresses in
 * whose backlog it waits. They get consecutive descriptors and keep them for their life.
 * SO_REUSEPORT is set when the first is bound already, so that whoever has the port is found.
 *
 * Returns the first descriptor, in place of fd, which is closed in either case; or a negative
 * errno: -EMFILE, or what bind(2) and others say.
 */
int listen_multiply(int fd, unsigned count) __attribute__((warn_unused_result));

/* How many connections wait to be accepted; of a Unix socket, which does not tell, a few if any. */
unsigned listen_backlog(int fd);

/* Checks the form of text only. Returns 0 or -EINVAL. */
int listen_check(const char *text);

/*
 * Who connects to a TCP socket from now on is refused, in whatever process it is open; what waits
 * to be accepted still can be. Cannot be undone. Returns 0; -EOPNOTSUPP for a Unix socket, which
 * needs no such thing: shutdown() leaves what waits there to be accepted; -EPERM where the socket
 * had been bound to an interface (socket(7): SO_BINDTODEVICE), or what else failed.
 */
int listen_turn_away(int fd);

#endif
