/* SPDX-License-Identifier: MIT
 *
 * A pool whose workers are processes that share a descriptor table, as their master sees it.
 *
 * Generations of workers may follow one another in it: the connections that are parked when one
 * leaves are the next one's, so a reload closes none of them.
 */
#ifndef MODELS_POOL_SHARED_POOL_H
#define MODELS_POOL_SHARED_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "models/pool/pool.h"

struct shared_pool;

/* The pool of a new generation: that of the one before (NULL: there is none), if its memory fits,
 * or a new one. server->descriptors may be fewer afterwards. NULL with errno. */
struct shared_pool *shared_pool_new(struct server *server, struct shared_pool *before);

/* One generation has no more processes; the pool goes with the last. */
void shared_pool_free(struct shared_pool *shared);

struct pool *shared_pool_of(struct shared_pool *shared);

/* The members of struct shared_pool_ops, see models/model.h; arg: the struct shared_pool. */
void shared_pool_died(unsigned first, bool killed, void *arg);
void shared_pool_release(struct server *server, void *arg);
bool shared_pool_dismiss(struct server *server, unsigned first, void *arg);
void shared_pool_tick(struct server *server, void *arg);
bool shared_pool_owns(const void *arg, int fd);
int32_t shared_pool_connections(const void *arg);
void shared_pool_take_backlog(struct server *server, void *arg);
void shared_pool_retire(struct server *server, void *arg);
bool shared_pool_drained(struct server *server, void *arg);
void shared_pool_finish(void *arg);

#endif
