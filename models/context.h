/* SPDX-License-Identifier: MIT
 *
 * What a process or thread needs to serve requests, whatever the model.
 */
#ifndef MODELS_CONTEXT_H
#define MODELS_CONTEXT_H

#include "io.h"

struct server;

/*
 * Makes io a context of that worker: its buffers (allocated), clock and counters. Returns 0, or
 * -ENOMEM with nothing left to free. context_term() frees the buffers; again it does nothing.
 */
int context_init(struct io *io, const struct io_ops *ops, struct server *server, unsigned worker)
    __attribute__((warn_unused_result));
void context_term(struct io *io);

/* The calling process or thread begins as the worker of io: it is known by its number from now on,
 * and a stack overflow of it, or of a generator it runs, is reported as such before it ends the
 * process, under that name: kind ("process", "thread", "loop") and number. */
void context_begin(const struct io *io, const char *kind);

/* For a context that must not wait at all, such as a master expiring connections: every wait has
 * timed out. */
extern const struct io_ops context_never_waits;

#endif
