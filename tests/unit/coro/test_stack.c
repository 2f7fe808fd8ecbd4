/* SPDX-License-Identifier: MIT
 *
 * Stacks: guards, pooling, giving memory back, the high-water mark.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/sanitize.h"
#include "coro/stack.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum { KIB = 1024 };

/* As a C library that does this in user space: it writes where the kernel would have looked. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
    (void)flags;
    memset(buffer, 4, length);
    return (ssize_t)length;
}

static size_t resident_pages(const struct coro_stack *s, size_t bytes)
{
    unsigned char map[64] = {0};
    size_t n = 0;

    assert_true(bytes / 4096 <= sizeof map);
    assert_int_equal(mincore(s->low, bytes, map), 0);
    for (size_t i = 0; i < bytes / 4096; i++)
        n += map[i] & 1;
    return n;
}

static void test_sizes(void **state)
{
    struct coro_stack_pool *pool = coro_stack_pool_new(0, 0);
    struct coro_stack *s;

    (void)state;
    assert_int_equal(coro_stack_pool_bytes(pool), CORO_STACK_DEFAULT);
    coro_stack_pool_free(pool);
    pool = coro_stack_pool_new(1, 0);
    assert_int_equal(coro_stack_pool_bytes(pool), CORO_STACK_MIN);
    coro_stack_pool_free(pool);
    pool = coro_stack_pool_new(8 * KIB * KIB, 0); /* larger than an arena */
    s = coro_stack_get(pool, "large");
    s->low[0] = s->low[8 * KIB * KIB - 1] = 1;
    coro_stack_put(pool, s);
    coro_stack_pool_free(pool);
    assert_null(coro_stack_pool_new((size_t)2 << 30, 0));
    assert_int_equal(errno, EINVAL);
}

static void test_last_in_first_out(void **state)
{
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, 4);
    struct coro_stack *a = coro_stack_get(pool, "a"), *b = coro_stack_get(pool, "b");

    (void)state;
    assert_ptr_not_equal(a, b);
    assert_int_equal(coro_stack_pool_live(pool), 2);
    coro_stack_put(pool, a);
    coro_stack_put(pool, b);
    assert_int_equal(coro_stack_pool_warm(pool), 2);
    assert_ptr_equal(coro_stack_get(pool, "c"), b);
    assert_ptr_equal(coro_stack_get(pool, "d"), a);
    coro_stack_pool_free(pool);
}

static void test_burst_is_given_back(void **state)
{
    enum { N = 500, KEEP = 8 };
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, KEEP);
    struct coro_stack *s[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        s[i] = coro_stack_get(pool, "burst");
        assert_non_null(s[i]);
        memset(s[i]->low + 60 * KIB, 1, 4 * KIB);
    }
    for (int i = 0; i < N / 2; i++)
        coro_stack_put(pool, s[i]);
    assert_int_equal(coro_stack_pool_warm(pool), N / 2); /* as many as are in use stay warm */
    for (int i = N / 2; i < N; i++)
        coro_stack_put(pool, s[i]);
    assert_int_equal(coro_stack_pool_warm(pool), KEEP);
    assert_int_equal(coro_stack_pool_live(pool), 0);
    for (int i = 0; i < N; i++) { /* those that had been given back are clean again */
        s[i] = coro_stack_get(pool, "again");
        assert_int_equal(s[i]->low[60 * KIB], i < KEEP);
        assert_true(resident_pages(s[i], 64 * KIB) <= 1);
    }
    coro_stack_pool_free(pool);
}

/* A mapping each, of which nothing is left: neither page nor header. */
static void test_anew_keeps_none(void **state)
{
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, CORO_STACK_ANEW);
    struct coro_stack *s[3];
    unsigned char resident;

    (void)state;
    for (int i = 0; i < 3; i++) {
        s[i] = coro_stack_get(pool, "anew");
        assert_non_null(s[i]);
        memset(s[i]->low, 1, 64 * KIB);
    }
    for (int i = 0; i < 3; i++) {
        char *low = s[i]->low;

        coro_stack_put(pool, s[i]);
        assert_int_equal(mincore(low, 1, &resident), -1);
        assert_int_equal(errno, ENOMEM); /* not mapped */
    }
    assert_int_equal(coro_stack_pool_warm(pool), 0);
    assert_int_equal(coro_stack_pool_live(pool), 0);
    s[0] = coro_stack_get(pool, "again");
    assert_int_equal(s[0]->low[60 * KIB], 0);
    coro_stack_put(pool, s[0]);
    coro_stack_pool_free(pool);
}

static void test_peak(void **state)
{
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, 4);
    struct coro_stack *s = coro_stack_get(pool, "peak");

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    assert_int_equal(coro_stack_pool_peak(pool), 0);
    memset(s->low + 64 * KIB - 5000, 1, 5000);
    assert_int_equal(coro_stack_pool_peak(pool), 5000); /* while in use */
    memset(s->low + 64 * KIB - 9000, 1, 8);
    coro_stack_put(pool, s);
    assert_int_equal(coro_stack_pool_peak(pool), 9000); /* seen when it was returned */
    coro_stack_pool_free(pool);
}

static void test_guard_is_found(void **state)
{
    size_t bytes = 0;
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, 4);
    struct coro_stack *a = coro_stack_get(pool, "a"), *b = coro_stack_get(pool, "b");

    (void)state;
    assert_ptr_equal(coro_stack_of_guard((uintptr_t)a->low - 1, &bytes), a);
    assert_ptr_equal(coro_stack_of_guard((uintptr_t)b->low - 4096, &bytes), b);
    assert_int_equal(bytes, 64 * KIB);
    assert_null(coro_stack_of_guard((uintptr_t)a->low, &bytes));
    assert_null(coro_stack_of_guard((uintptr_t)&bytes, &bytes));
    coro_stack_put(pool, b);
    assert_null(coro_stack_of_guard((uintptr_t)b->low - 1, &bytes)); /* nobody's */
    coro_stack_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_last_in_first_out),
        cmocka_unit_test(test_burst_is_given_back),
        cmocka_unit_test(test_anew_keeps_none),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_guard_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
