/* SPDX-License-Identifier: MIT
 *
 * Blocks that grow where they are, also when no more address space is to be had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "coro/growable.h"

enum { SMALL = 100, LARGE = 60000 };

static bool holds(const char *block, char byte, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (block[i] != byte)
            return false;
    return true;
}

static void test_grows_in_place(void **state)
{
    char *block = coro_growable_realloc(NULL, SMALL);

    (void)state;
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 16, 0);
    memset(block, 'a', SMALL);
    assert_ptr_equal(coro_growable_realloc(block, LARGE), block);
    assert_true(holds(block, 'a', SMALL));
    memset(block, 'b', LARGE);
    assert_ptr_equal(coro_growable_realloc(block, SMALL), block);
    assert_true(holds(block, 'b', SMALL));
    assert_null(coro_growable_realloc(block, 0));
    assert_null(coro_growable_realloc(NULL, 0));
}

static void test_moves_beyond_what_was_foreseen(void **state)
{
    struct rlimit limit;
    char *block = coro_growable_realloc(NULL, SMALL);
    long beyond;

    (void)state;
    assert_non_null(block);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    beyond = 64 * (limit.rlim_cur < 1 << 20 ? (long)limit.rlim_cur : 1 << 20) + (1 << 20);
    memset(block, 'a', SMALL);
    block = coro_growable_realloc(block, beyond);
    assert_non_null(block);
    assert_true(holds(block, 'a', SMALL));
    block[beyond - 1] = 'z';
    coro_growable_realloc(block, 0);
}

/* A sanitizer's own memory is within the limit too. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void test_grows_without_memory(void **state)
{
    struct rlimit before, none;
    char *block = coro_growable_realloc(NULL, SMALL);
    char *grown, *another;

    (void)state;
    assert_non_null(block);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    grown = coro_growable_realloc(block, LARGE);
    another = coro_growable_realloc(NULL, SMALL);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_ptr_equal(grown, block);
    assert_null(another);
    memset(grown, 'c', LARGE);
    coro_growable_realloc(grown, 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_in_place),
        cmocka_unit_test(test_moves_beyond_what_was_foreseen),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test(test_grows_without_memory),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
