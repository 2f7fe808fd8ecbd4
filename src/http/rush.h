/* SPDX-License-Identifier: MIT
 *
 * Whether connections end at a great rate: then it pays to put off what each of them needs.
 *
 * Counted in windows of time. Several processes may note at once; what they take from each other at
 * the edge of a window is no harm.
 */
#ifndef HTTP_RUSH_H
#define HTTP_RUSH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "io.h"

enum { RUSH_WINDOW_MS = 8, RUSH_LEAST = 40 }; /* 5,000 a second */

struct rush {
    unsigned least;          /* in one window; set before the first rush_note() */
    _Atomic int64_t window;  /* its number */
    _Atomic unsigned within; /* noted in it */
    _Atomic unsigned before; /* and in the one before */
};

/* Notes one more; true while there are at least as many in this window or were in the last. */
static inline bool rush_note(struct rush *rush)
{
    int64_t now = io_now_ms() / RUSH_WINDOW_MS;
    int64_t window = atomic_load_explicit(&rush->window, memory_order_relaxed);

    if (now != window && atomic_compare_exchange_strong(&rush->window, &window, now)) {
        unsigned within = atomic_exchange(&rush->within, 0);

        atomic_store(&rush->before, now == window + 1 ? within : 0);
    }
    return atomic_fetch_add_explicit(&rush->within, 1, memory_order_relaxed) + 1 >= rush->least ||
           atomic_load_explicit(&rush->before, memory_order_relaxed) >= rush->least;
}

#endif
