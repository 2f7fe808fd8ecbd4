/* SPDX-License-Identifier: MIT
 *
 * What a process or thread needs to serve connections, whatever the model.
 */
#ifndef HTTP_CONTEXT_H
#define HTTP_CONTEXT_H

#include "io.h"

struct server;

/*
 * Makes io a context of that worker: its buffers (allocated), clock and counters. Returns 0, or
 * -ENOMEM with nothing left to free. context_term() frees the buffers; again it does nothing.
 */
int context_init(struct io *io, const struct io_ops *ops, struct server *server, unsigned worker)
    __attribute__((warn_unused_result));
void context_term(struct io *io);

/* For a context that must not wait at all, such as a master expiring connections: every wait has
 * timed out. */
extern const struct io_ops context_never_waits;

#endif
