/* SPDX-License-Identifier: MIT
 *
 * --dispatch=connection: a worker is taken for a whole connection.
 *
 * The textbook's pool, kept because people know it and because it shows the
 * textbook's problem: a worker is bound to its connection until that closes, also
 * while it is idle, so with more keep-alive connections than workers the rest
 * wait. For anything else use --dispatch=request (pool.h).
 *
 * --accept says how several of them accept:
 *
 *  - shared: all wait for one socket; for each connection the kernel wakes one of those that do.
 *  - lock: they wait for their turn to wait for it, as Apache's did by its AcceptMutex. The lock is
 *    a robust one: whoever is killed holding it, the next has it.
 *  - reuseport: each has a socket of its own, and the kernel chooses in whose backlog a connection
 *    waits, by a hash. Nobody else can take it from there: who waits behind a busy worker waits for
 *    that one, while others are idle. That is the lesson of it.
 *
 * Of what the kernel has accepted none is lost with any. With reuseport the sockets are the
 * master's too, which opens them once for a --listen. They stay open when workers die, are
 * replaced, reloaded or upgraded, and the successor has its predecessor's; at the end whoever is
 * idle accepts at all of them. What remains: behind a killed worker one waits until its successor
 * has started; behind one whose connection stays open, for as long as that does.
 */
#ifndef MODELS_POOL_DEDICATED_H
#define MODELS_POOL_DEDICATED_H

#include <stdbool.h>

#include "io.h"

struct dedicated;

/* Sets up one worker, a process or thread, so that it can serve; it accepts nothing yet. io, with
 * its server, and stop_fd must outlive it. number: of the worker, or of who had its sockets before,
 * as server_own() has it. NULL with errno: out of memory or descriptors. */
struct dedicated *dedicated_new(struct io *io, int stop_fd, unsigned number);

/* Waits until a connection may wait to be accepted, at most 0.25 s or, if that is more, a
 * millisecond for each worker there is; with --accept=lock so long from its turn on. False: the
 * worker is to finish. */
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
