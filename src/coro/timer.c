/* SPDX-License-Identifier: MIT
 *
 * Timers to the nanosecond: a pairing heap of those that are active, ordered by time and threaded
 * through the timers themselves, so that starting one cannot fail.
 *
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan, 1986) is a tree in which each node is no
 * later than its children: `child` is the first of them, `next` the next sibling, and `prev` the
 * sibling before or, for the first child, the parent.
 */
#include "coro/timer.h"

#include <string.h>

/* Joins two heaps, neither NULL and both roots: the later becomes the earlier's first child. */
static struct coro_timer *meld(struct coro_timer *a, struct coro_timer *b)
{
    if (b->at_ns < a->at_ns) {
        struct coro_timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next != NULL)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* Makes one heap of a list of siblings: pairs from the left, then all from the right. */
static struct coro_timer *meld_siblings(struct coro_timer *first)
{
    struct coro_timer *pairs = NULL; /* a stack, linked by next */
    struct coro_timer *root = NULL;

    while (first != NULL) {
        struct coro_timer *a = first;
        struct coro_timer *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b != NULL) {
            b->next = b->prev = NULL;
            a = meld(a, b);
        }
        a->next = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct coro_timer *a = pairs;
        pairs = a->next;
        a->next = NULL;
        root = root != NULL ? meld(root, a) : a;
    }
    return root;
}

static void insert(struct coro_loop *loop, struct coro_timer *t)
{
    t->child = t->next = t->prev = NULL;
    t->active = true;
    loop->timers = loop->timers != NULL ? meld(loop->timers, t) : t;
}

static void take_out(struct coro_loop *loop, struct coro_timer *t)
{
    struct coro_timer *below = meld_siblings(t->child);

    t->active = false;
    if (t == loop->timers) {
        loop->timers = below;
        return;
    }
    if (t->prev->child == t)
        t->prev->child = t->next;
    else
        t->prev->next = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    if (below != NULL)
        loop->timers = meld(loop->timers, below);
}

void coro_timer_init(struct coro_timer *t, coro_timer_fn *fn, void *data)
{
    memset(t, 0, sizeof *t);
    t->fn = fn;
    t->data = data;
}

static void start(struct coro_loop *loop, struct coro_timer *t, int64_t at_ns, int64_t repeat_ns)
{
    coro_timer_stop(loop, t);
    t->at_ns = at_ns;
    t->repeat_ns = repeat_ns;
    insert(loop, t);
    loop->active++;
}

void coro_timer_start(struct coro_loop *loop, struct coro_timer *t, int64_t after_ms,
                      int64_t repeat_ms)
{
    int64_t after_ns = after_ms > 0 ? coro_ms_to_ns(after_ms) : 0;

    start(loop, t, coro_now_ns() + after_ns, repeat_ms > 0 ? coro_ms_to_ns(repeat_ms) : 0);
}

void coro_timer_start_at(struct coro_loop *loop, struct coro_timer *t, int64_t at_ns)
{
    start(loop, t, at_ns, 0);
}

void coro_timer_stop(struct coro_loop *loop, struct coro_timer *t)
{
    if (!t->active)
        return;
    take_out(loop, t);
    loop->active--;
}

bool coro_timer_active(const struct coro_timer *t)
{
    return t->active;
}

int64_t coro_timers_next(const struct coro_loop *loop)
{
    return loop->timers == NULL ? INT64_MAX : loop->timers->at_ns;
}

void coro_timers_run(struct coro_loop *loop)
{
    int64_t now = coro_now_ns();

    /* One started by a callback is later than `now`, so it waits for the next turn. */
    while (loop->timers != NULL && loop->timers->at_ns <= now) {
        struct coro_timer *t = loop->timers;

        take_out(loop, t);
        if (t->repeat_ns > 0) { /* times that were missed are skipped */
            t->at_ns += t->repeat_ns;
            if (t->at_ns <= now)
                t->at_ns = now + t->repeat_ns;
            insert(loop, t);
        } else {
            loop->active--;
        }
        t->fn(loop, t);
    }
}
