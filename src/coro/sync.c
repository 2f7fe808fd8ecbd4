/* SPDX-License-Identifier: MIT
 *
 * Semaphore and bounded queue, on a line of waiters that live in the waiting functions' frames.
 * A waiter is taken off the line by whoever serves it, or by itself when it gives up; `served`
 * tells which of the two it was.
 */
#include "coro/sync.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct waiter {
    struct coro_link link;
    struct coro_task *task;
    void *item; /* a putter's, or where a getter's arrives */
    bool served;
    int error; /* with served: what to return */
};

/* Waits at the end of the line until served. 0 or the waiter's error, -ETIMEDOUT, -ECANCELED. */
static int stand_in_line(struct coro_list *line, struct waiter *w, int64_t deadline_ms)
{
    int rc = 0;

    w->task = coro_thread.task;
    coro_list_append(line, &w->link);
    while (!w->served && rc == 0)
        rc = coro_block(coro_ms_to_ns(deadline_ms));
    if (w->served)
        return w->error;
    coro_list_remove(line, &w->link);
    return rc;
}

/* Serves the first in line; NULL if nobody waits. The caller may still read and set its item. */
static struct waiter *serve(struct coro_list *line, int error)
{
    struct coro_link *link = coro_list_take(line);
    struct waiter *w;

    if (link == NULL)
        return NULL;
    w = CORO_HOLDER(link, struct waiter, link);
    w->served = true;
    w->error = error;
    coro_wake(w->task);
    return w;
}

void coro_sem_init(struct coro_sem *sem, unsigned count)
{
    *sem = (struct coro_sem){.count = count};
}

int coro_sem_acquire(struct coro_sem *sem, int64_t deadline_ms)
{
    struct waiter w = {.error = 0};
    int rc = coro_cancellation_point();

    if (rc != 0)
        return rc;
    if (sem->count > 0) {
        sem->count--;
        return 0;
    }
    return stand_in_line(&sem->line, &w, deadline_ms);
}

void coro_sem_release(struct coro_sem *sem)
{
    if (serve(&sem->line, 0) == NULL)
        sem->count++;
}

int coro_queue_init(struct coro_queue *q, size_t capacity)
{
    assert(capacity > 0);
    *q = (struct coro_queue){.items = calloc(capacity, sizeof *q->items), .capacity = capacity};
    return q->items != NULL ? 0 : -ENOMEM;
}

void coro_queue_term(struct coro_queue *q)
{
    assert(q->getters.first == NULL && q->putters.first == NULL);
    free(q->items);
    q->items = NULL;
}

static void push(struct coro_queue *q, void *item)
{
    q->items[(q->first + q->count++) % q->capacity] = item;
}

int coro_queue_put(struct coro_queue *q, void *item, int64_t deadline_ms)
{
    struct waiter w = {.item = item}, *getter;
    int rc = coro_cancellation_point();

    if (rc != 0)
        return rc;
    if (q->closed)
        return -EPIPE;
    getter = serve(&q->getters, 0);
    if (getter != NULL) {
        getter->item = item;
        return 0;
    }
    if (q->count == q->capacity)
        return stand_in_line(&q->putters, &w, deadline_ms);
    push(q, item);
    return 0;
}

int coro_queue_get(struct coro_queue *q, void **item, int64_t deadline_ms)
{
    struct waiter w = {.error = 0};
    int rc = coro_cancellation_point();

    if (rc != 0)
        return rc;
    if (q->count > 0) {
        const struct waiter *putter;

        *item = q->items[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->count--;
        putter = serve(&q->putters, 0);
        if (putter != NULL)
            push(q, putter->item);
        return 0;
    }
    if (q->closed)
        return -EPIPE;
    rc = stand_in_line(&q->getters, &w, deadline_ms);
    if (rc == 0)
        *item = w.item;
    return rc;
}

void coro_queue_close(struct coro_queue *q)
{
    q->closed = true;
    while (serve(&q->getters, -EPIPE) != NULL)
        continue;
    while (serve(&q->putters, -EPIPE) != NULL)
        continue;
}
