/* SPDX-License-Identifier: MIT
 *
 * What must hold where a coroutine's state is about to be changed, checked in every build: better
 * an end that says whose state it was than going on with two coroutines on one stack.
 */
#ifndef CORO_EXPECT_H
#define CORO_EXPECT_H

#include <stdbool.h>

/* Ends the process: "coroutine NAME: WORDS" on standard error, then abort(). name: NULL allowed. */
_Noreturn void coro_expect_failed(const char *name, const char *words) __attribute__((cold));

/* name: the coroutine's; words: what was about to be done to it although it must not be. */
__attribute__((always_inline)) static inline void coro_expect(bool holds, const char *name,
                                                              const char *words)
{
    if (__builtin_expect(!holds, 0))
        coro_expect_failed(name, words);
}

#endif
