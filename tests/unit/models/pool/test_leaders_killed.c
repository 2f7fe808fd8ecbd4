/* SPDX-License-Identifier: MIT
 *
 * Workers that are killed. What one leaves is made by hand, as the words that it had and had not
 * changed yet.
 */
#include "tests/unit/models/pool/crew.h"

/* A leader is no more; its place is as it was. The keeper rests, and does not see that. */
static unsigned kill_leader(struct crew *crew)
{
    unsigned leader = find_leader(crew, NOBODY);
    struct worker *worker = &crew->workers[leader];

    atomic_store(&worker->order, VANISH);
    assert_int_equal(pthread_join(worker->thread, NULL), 0);
    worker->gone = true;
    assert_true(leads(crew, leader));
    return leader;
}

/* Its death is seen, and by that put right what it left. */
static void bury(struct crew *crew, unsigned dead)
{
    leaders_died(crew->leaders, dead, true);
    leaders_release(crew->leaders);
    await(count_leaders(crew) == CORES && !leads(crew, dead));
}

static void a_place_of_a_killed_one_is_free_again(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    bury(crew, kill_leader(crew));
}

static void killed_between_giving_up_a_place_and_waking(void **state)
{
    struct crew *crew = *state;
    unsigned dead;

    settle(crew);
    dead = kill_leader(crew);
    atomic_store(&crew->leaders->place[control_of(crew, dead)->place - 1].holder, 0);
    bury(crew, dead);
}

static void killed_between_summoning_and_telling_to_work(void **state)
{
    struct crew *crew = *state;
    unsigned dead;

    settle(crew);
    dead = kill_leader(crew);
    atomic_store(&crew->leaders->summoned, find_standby(crew) + 1);
    bury(crew, dead);
}

static void a_summoned_one_is_killed(void **state)
{
    struct crew *crew = *state;
    unsigned dead;

    settle(crew);
    dead = kill_leader(crew);
    atomic_store(&crew->leaders->place[control_of(crew, dead)->place - 1].holder, 0);
    atomic_store(&crew->leaders->summoned, dead + 1);
    bury(crew, dead);
}

static void killed_between_telling_to_work_and_waking(void **state)
{
    struct crew *crew = *state;
    unsigned dead, told;

    settle(crew);
    dead = kill_leader(crew);
    told = find_standby(crew);
    await(is_asleep(crew, told));
    atomic_store(&crew->leaders->summoned, told + 1);
    atomic_store(&control_of(crew, told)->state, LEADERS_BUSY);
    leaders_died(crew->leaders, dead, true);
    leaders_release(crew->leaders);
    await(state_of(crew, told) != LEADERS_BUSY);
    await(count_leaders(crew) == CORES);
}

static void killed_while_keeping_the_time(void **state)
{
    struct crew *crew = *state;
    const unsigned dead = WORKERS - 1;

    atomic_store(&crew->leaders->keeper, dead + 1);
    start(crew, WORKERS - 1);
    await(count_in(crew, LEADERS_STANDBY) == WORKERS - 1 - CORES);
    leaders_died(crew->leaders, dead, true);
    leaders_release(crew->leaders);
    await(atomic_load(&crew->leaders->keeper) != 0 &&
          atomic_load(&crew->leaders->keeper) != dead + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_place_of_a_killed_one_is_free_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_between_giving_up_a_place_and_waking, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(killed_between_summoning_and_telling_to_work, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_summoned_one_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_between_telling_to_work_and_waking, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(killed_while_keeping_the_time, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
