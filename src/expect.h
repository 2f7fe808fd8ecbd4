/* SPDX-License-Identifier: MIT
 *
 * What must hold where shared state is about to be changed, checked in every build.
 *
 * A state that cannot be is better met by a process that ends than by one that goes on with it: a
 * worker is replaced, and what it held is released. The master ends with all its workers: it works
 * on what they share, which none may trust any more once a stray write has been there. The words
 * say what the condition cannot: which record, process or generation, its owner or state, and what
 * was about to be done to it.
 */
#ifndef EXPECT_H
#define EXPECT_H

/* expect(condition, "words with %d", ...): unless it holds, one line on standard error says where,
 * what and the words, and the process aborts. The words are evaluated only then. Any context. */
#define expect(condition, ...)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            expect_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                            \
    } while (0)

_Noreturn void expect_failed(const char *file, int line, const char *condition, const char *format,
                             ...) __attribute__((cold, format(printf, 4, 5)));

#endif
