/* SPDX-License-Identifier: MIT
 *
 * Bells: a few latches by which one of many that wait is called.
 *
 * Thousands of workers may have to wait, and a descriptor for each would leave too few for clients.
 * So a worker borrows a bell for as long as it waits, and one that finds none left looks for
 * itself now and then whether its wait is over.
 *
 * They lie in memory that all workers share. Their descriptors are made before there are workers
 * and stay open until the end: who rings a bell by a number read a moment ago may call whoever has
 * it by now, who finds that it was for nothing, but never writes into somebody's connection. Each
 * bell names its holder, so that one who was killed takes none along.
 */
#ifndef SYSTEM_BELLS_H
#define SYSTEM_BELLS_H

#include <stdatomic.h>
#include <stdint.h>

struct kept;

enum { BELLS_COUNT = 16 };

struct bells {
    struct bell {
        _Atomic uint32_t holder; /* who + 1; 0: nobody */
        int fd;
    } each[BELLS_COUNT];
};

/* Opens them, in zeroed memory. Returns 0 or a negative errno; bells_term() in either case. */
int bells_init(struct bells *bells) __attribute__((warn_unused_result));
void bells_term(struct bells *bells);

/* Adds their descriptors. */
void bells_keep(const struct bells *bells, struct kept *kept);

/* Borrows a bell for number `who`: its descriptor, which may be readable for an old ring; 0: all
 * are taken. Any process or thread; never waits, as all below. */
int bells_take(struct bells *bells, uint32_t who);

/* Gives back the bell that `who` has, if it has one. Also in place of one who has died. */
void bells_give(struct bells *bells, uint32_t who);

/* Makes the bell readable (fd 0: does nothing), and unreadable again. */
void bell_ring(int fd);
void bell_heard(int fd);

#endif
