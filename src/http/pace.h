/* SPDX-License-Identifier: MIT
 *
 * How fast a client is, by what it has moved while the server waited for it: bytes that it sent,
 * and bytes that its TCP has acknowledged. The time that a handler takes counts for nobody.
 *
 * Three rules end a wait. A silence, in which nothing moves, lasts no longer than the time-out for
 * it. A trickle is ended by the minimum rate after a grace period, in which one silence counts for
 * no more than that period: who keeps up otherwise may pause. And in all, no more may be waited
 * beyond what was moved at that rate than the grace period and one such silence, or pauses could
 * follow each other for ever.
 *
 * That is what a client must keep up in any case. How far it is behind a good pace decides who is
 * given up first where contexts are few: a client that keeps just above the minimum, a byte at a
 * time, must not hold one for as long as it likes.
 */
#ifndef HTTP_PACE_H
#define HTTP_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACE_GRACE_MS = 5000,
    PACE_MS_PER_BYTE = 2,  /* the minimum rate: 500 bytes/s */
    PACE_GOOD_PER_MS = 32, /* bytes: a pace at which nothing is held against a client */
};

/* All zero: nothing was waited for. No member is ever below 0. */
struct client_pace {
    int64_t late_ms;      /* waited and not made up for at the minimum rate, pauses cut short */
    int64_t late_all_ms;  /* the same with pauses in full */
    int64_t behind_bytes; /* that a client of good pace would have moved beyond what it has */
};

/* The client was waited for, for ms milliseconds, until it moved or was silent for that long. */
void pace_waited(struct client_pace *pace, int64_t ms);

/* It has moved bytes. */
void pace_make_up(struct client_pace *pace, uint64_t bytes);
static inline void pace_moved(struct client_pace *pace, uint64_t bytes)
{
    if (pace->late_all_ms > 0 || pace->behind_bytes > 0)
        pace_make_up(pace, bytes);
}

/* How long its next silence may last, where one may last timeout_ms; 0: it is too slow. */
int64_t pace_patience_ms(const struct client_pace *pace, int64_t timeout_ms);

/* By how much time it stays behind a good pace. */
static inline int64_t pace_slow_ms(const struct client_pace *pace)
{
    return pace->behind_bytes / PACE_GOOD_PER_MS;
}

#endif
