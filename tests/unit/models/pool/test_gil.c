/* SPDX-License-Identifier: MIT
 *
 * gil.h: one holder at a time, and a holder that computes gives others their turn.
 * What is counted here is turns, never time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "models/pool/gil.h"

enum { THREADS = 4, PATIENCE_S = 60 };

/* What the threads of a test share; but for the atomic ones only touched under the lock. */
struct shared {
    struct gil gil;
    unsigned inside; /* threads that hold the lock now */
    bool overlap;
    uint64_t count;
    int turns[1000]; /* who took the lock, in order */
    unsigned turn_count;
    unsigned wanted; /* turns after which to stop */
    _Atomic bool stop;
    _Atomic unsigned ready; /* threads that have come to where they want the lock */
    _Atomic bool holding;
    struct timespec from;
};

struct party {
    struct shared *shared;
    int number;
    pthread_t thread;
};

static int begin(void **state)
{
    struct shared *shared = calloc(1, sizeof *shared);

    if (shared == NULL)
        return -1;
    gil_init(&shared->gil);
    clock_gettime(CLOCK_MONOTONIC, &shared->from);
    *state = shared;
    return 0;
}

static int end(void **state)
{
    struct shared *shared = *state;

    gil_term(&shared->gil);
    free(shared);
    return 0;
}

/* True when what is waited for should have happened long ago. */
static bool too_late(const struct shared *shared)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > shared->from.tv_sec + PATIENCE_S;
}

/* Starts the threads and ends them. None gets the lock before all have come to where they want it,
 * which they say in `ready`. */
static void run_all(struct shared *shared, unsigned threads, void *(*run)(void *arg))
{
    struct party parties[THREADS];

    gil_acquire(&shared->gil);
    for (unsigned i = 0; i < threads; i++) {
        parties[i] = (struct party){.shared = shared, .number = (int)i};
        assert_int_equal(pthread_create(&parties[i].thread, NULL, run, &parties[i]), 0);
    }
    while (atomic_load(&shared->ready) < threads)
        sched_yield();
    gil_release(&shared->gil);
    for (unsigned i = 0; i < threads; i++)
        assert_int_equal(pthread_join(parties[i].thread, NULL), 0);
}

/* --- exclusion ------------------------------------------------------------------ */

enum { ROUNDS = 3000 };

static void *count_up(void *arg)
{
    struct shared *s = ((struct party *)arg)->shared;

    atomic_fetch_add(&s->ready, 1);
    for (int i = 0; i < ROUNDS; i++) {
        gil_acquire(&s->gil);
        s->overlap |= s->inside++ > 0;
        s->count++;
        if (i % 16 == 0) {
            s->inside--;
            gil_checkpoint(&s->gil);
            s->overlap |= s->inside++ > 0;
        }
        s->inside--;
        gil_release(&s->gil);
    }
    return NULL;
}

static void one_at_a_time(void **state)
{
    struct shared *s = *state;

    run_all(s, THREADS, count_up);
    assert_false(s->overlap);
    assert_int_equal(s->count, THREADS * ROUNDS);
    assert_false(s->gil.held);
    assert_true(s->gil.switches >= (uint64_t)THREADS * ROUNDS);
}

/* --- handing over --------------------------------------------------------------- */

/* Computes without ever releasing; only checkpoints let others in. */
static void *compute(void *arg)
{
    struct party *self = arg;
    struct shared *s = self->shared;

    atomic_fetch_add(&s->ready, 1);
    gil_acquire(&s->gil);
    if (s->turn_count < s->wanted)
        s->turns[s->turn_count++] = self->number;
    while (s->turn_count < s->wanted && !atomic_load(&s->stop)) {
        uint64_t before = s->gil.switches;

        gil_checkpoint(&s->gil);
        if (s->gil.switches != before && s->turn_count < s->wanted)
            s->turns[s->turn_count++] = self->number;
        if (too_late(s))
            atomic_store(&s->stop, true);
    }
    gil_release(&s->gil);
    return NULL;
}

/* Two that compute take turns strictly: who gave the lock up does not take it again before the
 * other has had it. */
static void two_that_compute_take_turns(void **state)
{
    struct shared *s = *state;

    s->wanted = 100;
    run_all(s, 2, compute);
    assert_int_equal(s->turn_count, s->wanted);
    for (unsigned i = 1; i < s->turn_count; i++)
        if (s->turns[i] == s->turns[i - 1])
            fail_msg("turns %u and %u both by thread %d", i - 1, i, s->turns[i]);
}

static void several_that_compute_all_have_their_turn(void **state)
{
    struct shared *s = *state;
    unsigned had[THREADS] = {0};

    s->wanted = 200;
    run_all(s, THREADS, compute);
    assert_int_equal(s->turn_count, s->wanted);
    for (unsigned i = 0; i < s->turn_count; i++)
        had[s->turns[i]]++;
    for (int i = 0; i < THREADS; i++)
        assert_true(had[i] > 0);
    for (unsigned i = 1; i < s->turn_count; i++)
        if (s->turns[i] == s->turns[i - 1])
            fail_msg("turns %u and %u both by thread %d", i - 1, i, s->turns[i]);
}

/* A thread that comes, holds the lock once and goes: a computing one must let it in. */
static void *visit(void *arg)
{
    struct party *self = arg;
    struct shared *s = self->shared;

    atomic_fetch_add(&s->ready, 1);
    if (self->number == 0) {
        gil_acquire(&s->gil);
        atomic_store(&s->holding, true);
        while (s->count == 0 && !too_late(s)) /* written by the other, under the lock */
            gil_checkpoint(&s->gil);
        gil_release(&s->gil);
    } else {
        while (!atomic_load(&s->holding))
            sched_yield();
        gil_acquire(&s->gil);
        s->count++;
        gil_release(&s->gil);
    }
    return NULL;
}

static void a_computing_holder_lets_a_visitor_in(void **state)
{
    struct shared *s = *state;

    run_all(s, 2, visit);
    assert_int_equal(s->count, 1);
    assert_false(too_late(s));
    assert_true(s->gil.switches >= 4); /* this thread, the holder, the visitor, the holder again */
    assert_false(s->gil.held);
}

/* --- alone ---------------------------------------------------------------------- */

static void a_checkpoint_that_nobody_waits_for_keeps_the_lock(void **state)
{
    struct shared *s = *state;

    gil_acquire(&s->gil);
    assert_int_equal(s->gil.switches, 1);
    for (int i = 0; i < 100000; i++)
        gil_checkpoint(&s->gil);
    assert_int_equal(s->gil.switches, 1);
    assert_true(s->gil.held);
    gil_release(&s->gil);
    assert_false(s->gil.held);
    gil_acquire(&s->gil);
    assert_int_equal(s->gil.switches, 2);
    gil_release(&s->gil);
}

/* A wish that was granted is forgotten: the next holder is not asked on its account. */
static void taking_the_lock_ends_the_wish_for_it(void **state)
{
    struct shared *s = *state;

    atomic_store(&s->gil.drop_wanted, true);
    gil_acquire(&s->gil);
    assert_false(atomic_load(&s->gil.drop_wanted));
    gil_checkpoint(&s->gil); /* would wait for ever for a thread that is not there */
    gil_release(&s->gil);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_at_a_time),
        TEST(two_that_compute_take_turns),
        TEST(several_that_compute_all_have_their_turn),
        TEST(a_computing_holder_lets_a_visitor_in),
        TEST(a_checkpoint_that_nobody_waits_for_keeps_the_lock),
        TEST(taking_the_lock_ends_the_wish_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
