/* SPDX-License-Identifier: MIT
 *
 * shared.h: what is counted, also where a worker is killed between any two of its steps. Workers as
 * those that keep their connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared.h"

enum { WORKERS = 2, LIVING = 0, DEAD = 1, MOST = 100, PID = 1000, TID = 1001 };

static int begin(void **state)
{
    struct server_shared *shared = shared_new();

    if (shared == NULL)
        return -1;
    shared->slots_used = WORKERS;
    for (unsigned i = 0; i < WORKERS; i++)
        shared_worker_begins(shared, i, PID, TID);
    *state = shared;
    return 0;
}

static int end(void **state)
{
    shared_free(*state);
    return 0;
}

/* What the workers have, by their own counts. */
static int32_t connections(const void *arg)
{
    const struct server_shared *shared = arg;
    uint64_t count = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        count += stats_get(&shared->workers[i].accepted) - stats_get(&shared->workers[i].closed);
    return (int32_t)count;
}

static void die(struct server_shared *shared)
{
    shared_worker_lost_connections(shared, DEAD);
    shared_worker_died(shared, DEAD);
}

static void it_is_one_memory_for_all_processes(void **state)
{
    struct server_shared *shared = *state;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        stats_add(&shared_stats(shared, SHARED_SLOTS - 1)->requests, 7);
        stats_add(&shared_stats(shared, SHARED_MASTER)->requests, 8);
        _exit(EXIT_SUCCESS);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(stats_get(&shared->workers[SHARED_SLOTS - 1].requests), 7);
    assert_int_equal(stats_get(&shared->master.requests), 8);
    assert_int_equal(shared_slots(shared), WORKERS);
}

static void what_the_living_have_is_counted(void **state)
{
    struct server_shared *shared = *state;
    struct worker_stats *living = shared_stats(shared, LIVING);

    assert_true(shared_connection_reserve(shared, living, MOST));
    assert_true(shared_connection_reserve(shared, living, MOST));
    shared_connection_unreserve(shared, living);
    shared_connection_opened(shared, living);
    shared_connection_opened(shared, shared_stats(shared, DEAD));
    assert_int_equal(connections(shared), 3);
    assert_int_equal(shared->open_connections, 3);
    shared_connection_closed(shared, living);
    die(shared); /* between changes: nothing is wrong */
    assert_int_equal(connections(shared), 1);
    assert_int_equal(shared->open_connections, 1);
    assert_false(shared->recount || shared->strays);
}

/* At the limit nothing is counted. */
static void a_place_that_is_not_there_is_not_counted(void **state)
{
    struct server_shared *shared = *state;

    assert_true(shared_connection_reserve(shared, shared_stats(shared, LIVING), 1));
    assert_false(shared_connection_reserve(shared, shared_stats(shared, DEAD), 1));
    assert_int_equal(shared->open_connections, 1);
    assert_int_equal(connections(shared), 1);
}

/* In opening, reserving, giving a place back and closing: one of two counts is changed, the other
 * not. */
static void one_that_died_between_two_counts_is_put_right(void **state)
{
    struct server_shared *shared = *state;
    struct worker_stats *living = shared_stats(shared, LIVING), *dead = shared_stats(shared, DEAD);

    for (int step = 0; step < 4; step++) {
        shared_connection_opened(shared, living);
        shared_connection_opened(shared, dead);
        shared_begin_change(dead);
        switch (step) {
        case 0:
            stats_add(&dead->accepted, 1);
            break;
        case 1:
            atomic_fetch_add(&shared->open_connections, 1);
            break;
        case 2:
            atomic_fetch_sub(&shared->open_connections, 1);
            break;
        default:
            stats_add(&dead->closed, 1);
            break;
        }
        die(shared);
        assert_int_not_equal(shared->open_connections, step + 1);
        shared_begin_change(living); /* who lives is about to change it */
        shared_recount(shared, connections, shared);
        assert_int_not_equal(shared->open_connections, step + 1);
        shared_end_change(living);
        shared_recount(shared, connections, shared);
        assert_int_equal(shared->open_connections, step + 1);
        assert_false(shared->recount);
        shared_worker_begins(shared, DEAD, PID, TID);
    }
}

/* One connection comes and another goes: there are as many as before, but others were counted. */
static int32_t while_others_change(const void *arg)
{
    struct server_shared *shared = (struct server_shared *)(uintptr_t)arg;

    shared_connection_opened(shared, shared_stats(shared, LIVING));
    shared_connection_closed(shared, shared_stats(shared, LIVING));
    return connections(shared) + 1;
}

static void what_moved_while_it_was_counted_is_counted_again(void **state)
{
    struct server_shared *shared = *state;

    shared->recount = true;
    shared_recount(shared, while_others_change, shared);
    assert_true(shared->recount);
    assert_int_equal(shared->open_connections, 0);
    shared_recount(shared, connections, shared);
    assert_false(shared->recount);
    assert_int_equal(shared->open_connections, 0);
    atomic_store(&shared->open_connections, 50); /* without reason nobody counts */
    shared_recount(shared, connections, shared);
    assert_int_equal(shared->open_connections, 50);
}

static void times_of_change_are_seen(void **state)
{
    struct server_shared *shared = *state;
    struct worker_stats *living = shared_stats(shared, LIVING), *dead = shared_stats(shared, DEAD);
    uint64_t first, last;

    assert_int_equal(shared_unsettled(shared, &first), 0);
    shared_begin_change(living);
    assert_int_equal(shared_unsettled(shared, &last), SHARED_CHANGING);
    shared_toggle_passing(dead);
    assert_int_equal(shared_unsettled(shared, &last), SHARED_CHANGING | SHARED_PASSING);
    shared_end_change(living);
    assert_int_equal(shared_unsettled(shared, &last), SHARED_PASSING);
    shared_toggle_passing(dead);
    assert_int_equal(shared_unsettled(shared, &last), 0);
    assert_true(last > first);
}

/* Both kinds, and none: what is left in its slot is not taken for the next one's. */
static void one_that_died_leaves_nothing_unsettled(void **state)
{
    struct server_shared *shared = *state;
    struct worker_stats *dead = shared_stats(shared, DEAD);
    uint64_t before, after;

    for (unsigned left = 0; left < SHARED_CHANGE; left++) {
        shared->strays = shared->recount = false;
        shared_worker_begins(shared, DEAD, PID, TID);
        atomic_fetch_add(&dead->changing, left);
        shared_unsettled(shared, &before);
        shared_worker_died(shared, DEAD);
        assert_int_equal(shared_unsettled(shared, &after), 0);
        assert_int_equal(after > before, left != 0); /* whoever looks meanwhile looks again */
        assert_int_equal(shared->strays, left != 0);
        assert_int_equal(shared->recount, left != 0);
    }
}

static void the_next_in_a_slot_goes_on_with_its_counters(void **state)
{
    struct server_shared *shared = *state;
    struct worker_stats *dead = shared_stats(shared, DEAD);

    assert_int_equal(dead->pid, PID);
    assert_int_equal(dead->tid, TID);
    stats_add(&dead->requests, 5);
    shared_worker_died(shared, DEAD);
    assert_int_equal(dead->pid, 0);
    assert_int_equal(dead->tid, 0);
    assert_int_equal(stats_get(&dead->requests), 5);
    shared_worker_begins(shared, DEAD, PID + 1, TID + 1);
    assert_int_equal(dead->pid, PID + 1);
    assert_int_equal(stats_get(&dead->requests_before), 5);
}

static void what_it_served_and_held_died_with_it(void **state)
{
    struct server_shared *shared = *state;
    struct worker_stats *living = shared_stats(shared, LIVING), *dead = shared_stats(shared, DEAD);

    shared_context_enter(shared, living);
    shared_context_enter(shared, dead);
    shared_context_enter(shared, dead);
    shared_context_leave(shared, dead);
    shared_context_enter(shared, dead);
    assert_int_equal(shared->contexts, 3);
    assert_int_equal(shared->contexts_peak, 3);
    assert_int_equal(stats_get(&dead->contexts), 2);
    stats_add(&dead->read_ahead, 70);
    atomic_store(&shared->read_ahead, 100);
    shared_worker_died(shared, DEAD);
    assert_int_equal(shared->contexts, 1);
    assert_int_equal(shared->contexts_peak, 3);
    assert_int_equal(shared->read_ahead, 30);
    shared_worker_died(shared, DEAD); /* only once */
    assert_int_equal(shared->contexts, 1);
    assert_int_equal(shared->read_ahead, 30);
}

static void as_many_give_their_place_as_are_wanted(void **state)
{
    struct server_shared *shared = *state;

    assert_false(shared_give_place(&shared->places_of_idle));
    atomic_store(&shared->places_of_idle, 2);
    assert_true(shared_give_place(&shared->places_of_idle));
    assert_true(shared_give_place(&shared->places_of_idle));
    assert_false(shared_give_place(&shared->places_of_idle));
    assert_int_equal(shared->places_of_idle, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_one_memory_for_all_processes),
        TEST(what_the_living_have_is_counted),
        TEST(a_place_that_is_not_there_is_not_counted),
        TEST(one_that_died_between_two_counts_is_put_right),
        TEST(what_moved_while_it_was_counted_is_counted_again),
        TEST(times_of_change_are_seen),
        TEST(one_that_died_leaves_nothing_unsettled),
        TEST(the_next_in_a_slot_goes_on_with_its_counters),
        TEST(what_it_served_and_held_died_with_it),
        TEST(as_many_give_their_place_as_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
