/* SPDX-License-Identifier: MIT
 *
 * Coroutines: what they hand each other, and that none returns to who resumed it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/coroutines.h"

static int trips;

/* Adds one to whatever it is handed. */
static void adder(void *arg)
{
    struct coro *self = arg;
    void *value = NULL;

    coro_arrived(self);
    for (;;) {
        value = coro_switch(self, back, (void *)((uintptr_t)value + 1));
        trips++;
    }
}

static void test_values_are_carried(void **state)
{
    struct coro c;

    (void)state;
    make(&c, adder);
    back = coro_running();
    assert_int_equal((uintptr_t)coro_switch(back, &c, (void *)99), 1); /* the first hands nothing */
    for (uintptr_t i = 0; i < 1000; i++)
        assert_int_equal((uintptr_t)coro_switch(back, &c, (void *)i), i + 1);
    assert_int_equal(trips, 1000);
    unmake(&c);
}

/* Each coroutine resumes the next one, a ring of them, none returning to who resumed it. */
enum { RING = 10 };
static struct coro ring[RING];
static int visits[RING];

static void ring_entry(void *arg)
{
    struct coro *self = arg;
    size_t i;

    coro_arrived(self);
    i = (size_t)(self - ring);
    for (;;) {
        visits[i]++;
        (void)coro_switch(self, i + 1 < RING ? &ring[i + 1] : back, NULL);
    }
}

static void test_symmetric_ring(void **state)
{
    (void)state;
    back = coro_running();
    for (int i = 0; i < RING; i++)
        make(&ring[i], ring_entry);
    for (int round = 0; round < 5; round++)
        (void)coro_switch(back, &ring[0], NULL);
    for (int i = 0; i < RING; i++) {
        assert_int_equal(visits[i], 5);
        unmake(&ring[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_carried),
        cmocka_unit_test(test_symmetric_ring),
    };
    int failed;

    pool = coro_stack_pool_new(0, 4);
    failed = pool == NULL || cmocka_run_group_tests(tests, NULL, NULL) != 0;
    coro_stack_pool_free(pool);
    return failed;
}
