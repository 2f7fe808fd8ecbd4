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

/* Waits until a connection may wait to be accepted, at most a fraction of a second, longer among
 * many workers. False: the worker is to finish. */
bool dedicated_wait(struct dedicated *d);

/* Accepts one, if one waits and there is a place, and serves it until it is closed. Where it could
 * not for want of something, returns a moment later. */
void dedicated_accept(struct dedicated *d);

/* Once it is to finish: accepts and serves what waited then, if nobody else will. */
void dedicated_accept_last(struct dedicated *d);

/* Frees what dedicated_new() made; d may be NULL. */
void dedicated_free(struct dedicated *d);

#endif
