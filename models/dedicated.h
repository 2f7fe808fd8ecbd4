/* SPDX-License-Identifier: MIT
 *
 * --dispatch=connection: a worker is taken for a whole connection.
 *
 * The textbook's pool, kept because people know it and because it shows the
 * textbook's problem: a worker is bound to its connection until that closes, also
 * while it is idle, so with more keep-alive connections than workers the rest
 * wait. For anything else use --dispatch=request (pool.h).
 */
#ifndef MODELS_DEDICATED_H
#define MODELS_DEDICATED_H

#include "io.h"

/* One worker, a process or thread: accepts a connection, serves it until it closes, accepts
 * the next, until stop_fd is readable. Returns 0 or a negative errno when it cannot begin. */
int dedicated_work(struct io *io, int stop_fd);

#endif
