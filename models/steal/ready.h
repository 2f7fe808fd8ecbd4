/* SPDX-License-Identifier: MIT
 *
 * A thread's deque: the connections that it found readable and has not come to yet. Its owner fills
 * it when it is empty; it and who steals take from the front, each entry once. So requests are
 * served in the order they came, whoever serves them. (Owner and thief at opposite ends, as Arora,
 * Blumofe and Plaxton have it, is for tasks that make tasks, where the last is the warmest.)
 *
 * One word says which fill this is, how many entries it has and which is next; taking one is a
 * compare-and-swap of that word. What was read of an entry counts only if that succeeds, and was
 * read before it: who takes releases the word, and its owner acquires it before the next fill.
 */
#ifndef MODELS_STEAL_READY_H
#define MODELS_STEAL_READY_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { READY_MOST = 64, READY_LINE = 64 };

struct ready {
    alignas(READY_LINE) _Atomic uint64_t word; /* fill << 32 | next << 16 | count */
    _Atomic uint32_t entries[READY_MOST];
};

/* Any thread; an old answer may be wrong. */
static inline bool ready_is_empty(const struct ready *ready)
{
    uint64_t word = atomic_load_explicit(&ready->word, memory_order_relaxed);

    return (word >> 16 & 0xffff) == (word & 0xffff);
}

/* By its owner, when it is empty: count entries, at most READY_MOST. */
static inline void ready_fill(struct ready *ready, const uint32_t *entries, unsigned count)
{
    uint64_t fill = atomic_load_explicit(&ready->word, memory_order_acquire) >> 32;

    for (unsigned i = 0; i < count; i++)
        atomic_store_explicit(&ready->entries[i], entries[i], memory_order_relaxed);
    atomic_store_explicit(&ready->word, (fill + 1) << 32 | count, memory_order_release);
}

/* Any thread: takes the first; false when there is none. */
static inline bool ready_take(struct ready *ready, uint32_t *entry)
{
    uint64_t word = atomic_load_explicit(&ready->word, memory_order_acquire);

    do {
        unsigned next = word >> 16 & 0xffff;

        if (next == (word & 0xffff))
            return false;
        *entry = atomic_load_explicit(&ready->entries[next], memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&ready->word, &word, word + (1 << 16),
                                                    memory_order_acq_rel, memory_order_acquire));
    return true;
}

#endif
