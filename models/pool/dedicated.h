/* SPDX-License-Identifier: MIT
 *
 * --dispatch=connection: a worker is taken for a whole connection.
 *
 * The textbook's pool, kept because people know it and because it shows the
 * textbook's problem: a worker is bound to its connection until that closes, also
 * while it is idle, so with more keep-alive connections than workers the rest
 * wait. For anything else use --dispatch=request (pool.h).
 */
#ifndef MODELS_POOL_DEDICATED_H
#define MODELS_POOL_DEDICATED_H

#include <stdbool.h>

#include "io.h"

struct dedicated;

/* Sets up one worker, a process or thread, so that it can serve; it accepts nothing yet. io, with
 * its server, and stop_fd must outlive it. NULL with errno: out of memory or descriptors. */
struct dedicated *dedicated_new(struct io *io, int stop_fd);

/* Waits until a connection may wait to be accepted, at most 0.25 s or, if that is more, a
 * millisecond for each worker there is. False: the worker is to finish. */
bool dedicated_wait(struct dedicated *d);

/* Accepts one, if one waits, and serves it until it is closed. With --max-connections open, or
 * short of descriptors or memory, accepts none and returns after at most half a second. */
void dedicated_accept(struct dedicated *d);

/* Once the worker is to finish: accepts and serves what waited then, if nobody else will, and says
 * that the backlog was taken (worker.h). dedicated_free() is all that may follow. */
void dedicated_accept_last(struct dedicated *d);

/* Frees what dedicated_new() made; d may be NULL. */
void dedicated_free(struct dedicated *d);

#endif
