/* SPDX-License-Identifier: MIT
 *
 * The listening socket: from the text of --listen to a bound descriptor.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include <stddef.h>

/*
 * Binds and listens. text is "ADDR:PORT", "[ADDR]:PORT" or "unix:/path"; ADDR is a
 * numeric address or a host name; port 0 picks a free one. name receives what was bound, in
 * the same spelling. error receives one line without a newline when it fails.
 *
 * Returns a non-blocking, close-on-exec descriptor owned by the caller, -EINVAL when text has no
 * such form, or the negative errno of what failed.
 */
int listen_open(const char *text, char *name, size_t name_size, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Writes what the listening socket fd is bound to into name; text is what --listen was given as. */
void listen_describe(int fd, const char *text, char *name, size_t name_size);

/* Checks the form of text only. Returns 0 or -EINVAL. */
int listen_check(const char *text);

#endif
