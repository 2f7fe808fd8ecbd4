/* SPDX-License-Identifier: MIT
 *
 * A semaphore and a bounded queue for the tasks of one loop. Both serve those who wait in the
 * order they came, and hand over directly: what was released or put goes to the first in line at
 * that moment, so nobody overtakes, and a task that was handed something is never told of a
 * timeout or a cancellation in its stead (see task.h, "Waiting").
 *
 * Both live in the caller's memory. Deadlines are as in task.h. No locks: one thread.
 */
#ifndef CORO_SYNC_H
#define CORO_SYNC_H

#include "coro/task.h"

struct coro_sem {
    unsigned count; /* > 0 only while nobody waits */
    struct coro_list line;
};

/* count: how many may hold it at a time. Nothing to be terminated. */
void coro_sem_init(struct coro_sem *sem, unsigned count);

/* Takes one, waiting for it if need be. 0, -ETIMEDOUT, -ECANCELED. In a task. */
int coro_sem_acquire(struct coro_sem *sem, int64_t deadline_ms) __attribute__((warn_unused_result));

/* Gives one back, or adds one. From a task or a callback. */
void coro_sem_release(struct coro_sem *sem);

/* A queue of pointers. */
struct coro_queue {
    void **items; /* a ring */
    size_t capacity, count, first;
    bool closed;
    struct coro_list getters, putters; /* at most one of them is not empty */
};

/* capacity: at least 1. 0 or -ENOMEM. */
int coro_queue_init(struct coro_queue *queue, size_t capacity) __attribute__((warn_unused_result));

/* Frees the ring; the items in it are the caller's affair. Nobody may be waiting (assert). */
void coro_queue_term(struct coro_queue *queue);

/* Puts an item at the end, waiting for room if need be. 0, -ETIMEDOUT, -ECANCELED (the item was
 * then not put), -EPIPE: closed. In a task. */
int coro_queue_put(struct coro_queue *queue, void *item, int64_t deadline_ms)
    __attribute__((warn_unused_result));

/* Takes the first item, waiting for one if need be. 0, -ETIMEDOUT, -ECANCELED, -EPIPE: closed and
 * empty. In a task. */
int coro_queue_get(struct coro_queue *queue, void **item, int64_t deadline_ms)
    __attribute__((warn_unused_result));

/* No more items: puts fail, those waiting too; gets take what is there, then fail. */
void coro_queue_close(struct coro_queue *queue);

#endif
