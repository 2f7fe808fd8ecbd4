/* SPDX-License-Identifier: MIT
 *
 * As much of cmocka as the tests use that tests/aarch64 builds, by a cross-compiler that has no
 * cmocka. A failure ends the program.
 */
#ifndef CORO_SHIM_CMOCKA_H
#define CORO_SHIM_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*fn)(void **state);
};

static int shim_skipped;

static inline void shim_assert(int ok, const char *what, const char *file, int line)
{
    if (!ok) {
        printf("%s:%d: failed: %s\n", file, line, what);
        exit(1);
    }
}

static inline int shim_run(const struct CMUnitTest *tests, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        void *state = NULL;
        shim_skipped = 0;
        tests[i].fn(&state);
        printf("%s %s\n", shim_skipped ? "skipped" : "ok", tests[i].name);
    }
    return 0;
}

#define cmocka_unit_test(f) ((struct CMUnitTest){#f, f})
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    shim_run(tests, sizeof(tests) / sizeof((tests)[0]))
#define shim_that(ok)              shim_assert(!!(ok), #ok, __FILE__, __LINE__)
#define assert_true(a)             shim_that(a)
#define assert_null(a)             shim_that((a) == NULL)
#define assert_non_null(a)         shim_that((a) != NULL)
#define assert_int_equal(a, b)     shim_that((long long)(a) == (long long)(b))
#define assert_ptr_equal(a, b)     shim_that((const void *)(a) == (const void *)(b))
#define assert_ptr_not_equal(a, b) shim_that((const void *)(a) != (const void *)(b))
#define assert_string_equal(a, b)  shim_that(strcmp((a), (b)) == 0)
#define skip()                                                                                     \
    do {                                                                                           \
        shim_skipped = 1;                                                                          \
        return;                                                                                    \
    } while (0)

#endif
