/* SPDX-License-Identifier: MIT
 *
 * models/steal/ready.h: entries are taken in order, and each once, however many take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "models/steal/ready.h"

enum { TAKERS = 3, FILLS = 2000 };

static struct ready ready;
static _Atomic unsigned taken[FILLS * READY_MOST]; /* how often each was */
static _Atomic bool over;

static void they_are_taken_in_order(void **state)
{
    const uint32_t entries[] = {7, 1u << 31, 9};
    uint32_t entry;

    (void)state;
    memset(&ready, 0, sizeof ready);
    assert_true(ready_is_empty(&ready));
    assert_false(ready_take(&ready, &entry));
    for (unsigned fill = 0; fill < 3; fill++) {
        ready_fill(&ready, entries, 3);
        for (unsigned i = 0; i < 3; i++) {
            assert_false(ready_is_empty(&ready));
            assert_true(ready_take(&ready, &entry));
            assert_int_equal(entry, entries[i]);
        }
        assert_false(ready_take(&ready, &entry));
    }
}

static bool take(void)
{
    uint32_t entry;
    bool found = ready_take(&ready, &entry);

    if (found)
        atomic_fetch_add(&taken[entry], 1);
    return found;
}

static void *take_all(void *arg)
{
    while (!atomic_load(&over))
        (void)take();
    return arg;
}

static void each_is_taken_once(void **state)
{
    pthread_t takers[TAKERS];
    uint32_t entries[READY_MOST];

    (void)state;
    memset(&ready, 0, sizeof ready);
    for (unsigned i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_create(&takers[i], NULL, take_all, NULL), 0);
    for (uint32_t fill = 0; fill < FILLS; fill++) {
        for (uint32_t i = 0; i < READY_MOST; i++)
            entries[i] = fill * READY_MOST + i;
        ready_fill(&ready, entries, READY_MOST);
        while (take())
            continue;
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < TAKERS; i++)
        assert_int_equal(pthread_join(takers[i], NULL), 0);
    for (unsigned i = 0; i < FILLS * READY_MOST; i++)
        assert_int_equal(atomic_load(&taken[i]), 1);
}

static unsigned noted; /* by who takes, before */

static void *note_and_take(void *arg)
{
    uint32_t entry;

    noted = 1;
    (void)ready_take(&ready, &entry);
    return arg;
}

/* Else what is read for one entry might be of the next fill. On x86 it never is: it is
 * ThreadSanitizer that tells. */
static void a_fill_comes_after_all_that_was_taken(void **state)
{
    const uint32_t entries[] = {1};
    pthread_t taker;

    (void)state;
    memset(&ready, 0, sizeof ready);
    ready_fill(&ready, entries, 1);
    assert_int_equal(pthread_create(&taker, NULL, note_and_take, NULL), 0);
    while (!ready_is_empty(&ready))
        sched_yield();
    ready_fill(&ready, entries, 1);
    assert_int_equal(noted, 1);
    assert_int_equal(pthread_join(taker, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_taken_in_order),
        cmocka_unit_test(each_is_taken_once),
        cmocka_unit_test(a_fill_comes_after_all_that_was_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
