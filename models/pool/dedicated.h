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

#include "io.h"

struct dedicated;

/* Sets up one worker, a process or thread, so that it can serve; it accepts nothing yet. io, with
 * its server, and stop_fd must outlive it. NULL with errno: out of memory or descriptors. */
struct dedicated *dedicated_new(struct io *io, int stop_fd);

/* Accepts a connection, serves it until it closes, accepts the next, until stop_fd is readable. */
void dedicated_work(struct dedicated *d);

/* Frees what dedicated_new() made; d may be NULL. */
void dedicated_free(struct dedicated *d);

#endif
