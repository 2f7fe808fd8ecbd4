/* SPDX-License-Identifier: MIT
 *
 * models/loop/accept.c: how many connections a loop accepts in one turn, when it stops for want of
 * room, and to whom it leaves them.
 */
#include "rig.h"

enum { BATCH = 16, HEAD_START_MS = 20 }; /* as in accept.c */

static void start(struct rig *rig)
{
    assert_int_equal(loop_accept_start(&rig->process, rig_admit), 0);
    rig_turn(rig); /* nobody is there: from now on it is not late */
}

static void a_batch_is_served_in_one_turn(void **state)
{
    struct rig *rig = *state;

    start(rig);
    rig->process.looked_ms = io_now_ms();
    rig_connect(rig, BATCH + 3);
    rig_turn(rig);
    assert_int_equal(rig->count, BATCH);
    assert_int_equal(rig->at_once, BATCH);
    assert_int_equal(stats_get(&rig->process.stats->accepted), BATCH);
    assert_int_equal(atomic_load(&rig->server.shared->open_connections), BATCH);
    rig_turn(rig);
    assert_int_equal(rig->count, BATCH + 3);
    assert_int_equal(atomic_load(&rig->server.shared->open_connections), BATCH + 3);
}

/* It takes all that wait, and leaves all but a batch to its next turn. */
static void a_late_loop_lets_all_in(void **state)
{
    struct rig *rig = *state;

    start(rig);
    rig->process.looked_ms = io_now_ms() - 4;
    rig_connect(rig, BATCH + 3);
    rig_turn(rig);
    assert_int_equal(rig->count, BATCH + 3);
    assert_int_equal(rig->at_once, BATCH);
}

static void where_there_is_no_room_it_looks_away(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;

    start(rig);
    rig->server.max_connections = 2;
    rig_connect(rig, 3);
    rig_turn(rig);
    assert_int_equal(rig->count, 2);
    assert_true(p->blocked && !coro_watch_active(&p->listener));
    rig_turn(rig);
    assert_int_equal(rig->count, 2);
    shared_connection_closed(rig->server.shared, p->stats);
    loop_accept_resume(p);
    assert_true(!p->blocked && coro_watch_active(&p->listener));
    rig_turn(rig);
    assert_int_equal(rig->count, 3);
}

static void so_it_does_while_connections_wait_for_a_coroutine(void **state)
{
    struct rig *rig = *state;
    struct loop_conn waiting = {.queued = true};

    start(rig);
    rig->process.queue = &waiting;
    rig_connect(rig, 1);
    rig_turn(rig);
    assert_int_equal(rig->count, 0);
    rig->process.queue = NULL;
    loop_accept_resume(&rig->process);
    rig_turn(rig);
    assert_int_equal(rig->count, 1);
}

/* ---- two loops ------------------------------------------------------------------------------- */

/* Another loop serves, with that many connections less than this one. */
static struct worker_stats *have_rival(struct rig *rig, unsigned fewer)
{
    struct worker_stats *other = &rig->server.shared->workers[1];

    rig->server.workers = 2;
    rig->process.fair = true;
    atomic_store(&rig->server.shared->slots_used, 2);
    shared_worker_begins(rig->server.shared, 1, getpid(), gettid());
    other->looks = 1;
    other->accepted = 100;
    rig->process.open = 100 + fewer;
    return other;
}

static void who_has_hardly_more_accepts(void **state)
{
    struct rig *rig = *state;

    start(rig);
    have_rival(rig, 2 + 100 / 16 - 1);
    rig_connect(rig, 2);
    rig_turn(rig);
    assert_int_equal(rig->count, 1); /* and leaves the other, as it has enough by now */
}

static void who_has_more_leaves_it_to_the_other(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;

    start(rig);
    have_rival(rig, 50);
    rig_connect(rig, 1);
    rig_turn(rig);
    assert_int_equal(rig->count, 0);
    assert_false(coro_watch_active(&p->listener));
    assert_int_equal(p->left_since_ms, io_now_ms());

    clocks_advance(HEAD_START_MS - 1);
    loop_accept_resume(p); /* as when a connection closes: it judges again */
    assert_false(coro_watch_active(&p->listener));
    p->open = 0;
    loop_accept_resume(p);
    rig_turn(rig);
    assert_int_equal(rig->count, 1);
}

/* For one that accepts, or does not come at all; the test goes on while the loop runs. */
struct wait {
    struct rig *rig;
    bool (*over)(const struct rig *rig);
};

static void *wait_until(void *arg)
{
    struct wait *wait = arg;

    while (!wait->over(wait->rig))
        assert_int_equal(coro_sleep(1), 0);
    coro_loop_stop(wait->rig->process.loop, 1000);
    return NULL;
}

static void run_until(struct rig *rig, bool (*over)(const struct rig *rig))
{
    struct wait wait = {rig, over};

    assert_non_null(coro_spawn(rig->process.loop, wait_until, &wait, "wait"));
    assert_int_equal(coro_loop_run(rig->process.loop), 0);
}

static bool is_admitted(const struct rig *rig)
{
    return rig->count == 1;
}

static void one_that_does_not_come_is_left_out(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;

    start(rig);
    have_rival(rig, 50);
    rig_connect(rig, 1);
    rig_turn(rig);
    assert_int_equal(rig->count, 0);
    clocks_advance(HEAD_START_MS);
    run_until(rig, is_admitted); /* by its timer */
    assert_true(p->rivals[1].absent);
    assert_int_equal(p->left_since_ms, 0);
}

static void one_that_is_draining_or_dead_is_left_out(void **state)
{
    struct rig *rig = *state;
    struct worker_stats *other;

    start(rig);
    other = have_rival(rig, 50);
    atomic_store(&other->control.draining, true);
    rig_connect(rig, 1);
    rig_turn(rig);
    assert_int_equal(rig->count, 1);
    atomic_store(&other->control.draining, false);
    atomic_store(&other->pid, 0);
    rig_connect(rig, 1);
    rig_turn(rig);
    assert_int_equal(rig->count, 2);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void what_waited_is_accepted_even_without_room(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;

    start(rig);
    rig->server.max_connections = 1;
    rig_connect(rig, 3);
    loop_accept_end(p);
    p->draining = true;
    rig_turn(rig);
    loop_accept_resume(p);
    rig_turn(rig);
    assert_int_equal(rig->count, 0);
    assert_true(loop_accept_rest(p));
    assert_int_equal(rig->count, 3);
    assert_int_equal(rig->at_once, 3);
    assert_int_equal(atomic_load(&rig->server.shared->open_connections), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_batch_is_served_in_one_turn),
        RIG_TEST(a_late_loop_lets_all_in),
        RIG_TEST(where_there_is_no_room_it_looks_away),
        RIG_TEST(so_it_does_while_connections_wait_for_a_coroutine),
        RIG_TEST(who_has_hardly_more_accepts),
        RIG_TEST(who_has_more_leaves_it_to_the_other),
        RIG_TEST(one_that_does_not_come_is_left_out),
        RIG_TEST(one_that_is_draining_or_dead_is_left_out),
        RIG_TEST(what_waited_is_accepted_even_without_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
