/* SPDX-License-Identifier: MIT
 *
 * Who leads and who stands by.
 */
#include "tests/unit/models/pool/crew.h"

#include "tests/unit/aborts.h"

static void as_many_lead_as_there_are_cores(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    assert_int_equal(count_leaders(crew), CORES);
    assert_int_not_equal(atomic_load(&crew->leaders->keeper), 0);
}

static void one_that_waits_lets_another_lead(void **state)
{
    struct crew *crew = *state;
    unsigned waits, other;

    settle(crew);
    waits = find_leader(crew, NOBODY);
    other = find_leader(crew, waits);
    atomic_store(&crew->workers[waits].order, WAIT);
    await(count_leaders(crew) == CORES && !leads(crew, waits));
    assert_true(leads(crew, other));
    atomic_store(&crew->workers[waits].order, IDLE); /* it finds no place when it is back */
    await(state_of(crew, waits) == LEADERS_STANDBY);
    assert_int_equal(count_leaders(crew), CORES);
}

static void who_is_back_first_leads(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    order_all(crew, WAIT);
    await(count_leaders(crew) == 0); /* all wait in their handlers */
    atomic_store(&crew->workers[WORKERS - 1].order, IDLE);
    await(leads(crew, WORKERS - 1));
}

static void the_lowest_number_is_woken_first(void **state)
{
    struct crew *crew = *state;
    unsigned lowest, leader, keeper;

    settle(crew);
    leader = find_leader(crew, NOBODY);
    keeper = atomic_load(&crew->leaders->keeper) - 1;
    lowest = find_standby(crew);
    atomic_store(&crew->workers[leader].order, WAIT);
    /* The keeper, whose rest is over, may come before it, or have handed its part to it. */
    await(leads(crew, lowest) || leads(crew, keeper) ||
          atomic_load(&crew->leaders->keeper) == lowest + 1);
}

static void who_is_dismissed_while_standing_by_leaves(void **state)
{
    struct crew *crew = *state;
    unsigned standby, keeper;

    settle(crew);
    standby = find_standby(crew);
    assert_false(leaders_dismiss(control_of(crew, standby))); /* needs no signal */
    await(atomic_load(&crew->workers[standby].left));
    keeper = atomic_load(&crew->leaders->keeper) - 1;
    assert_false(leaders_dismiss(control_of(crew, keeper)));
    await(atomic_load(&crew->workers[keeper].left));
    await(atomic_load(&crew->leaders->keeper) != keeper + 1 &&
          atomic_load(&crew->leaders->keeper) != 0);
}

static void a_leader_is_dismissed_and_replaced(void **state)
{
    struct crew *crew = *state;
    unsigned leader;

    settle(crew);
    leader = find_leader(crew, NOBODY);
    assert_true(leaders_dismiss(control_of(crew, leader)));
    await(atomic_load(&crew->workers[leader].left));
    await(count_leaders(crew) == CORES && !leads(crew, leader));
}

static void what_cannot_be_is_noticed_before_more_is_changed(void **state)
{
    struct crew *crew = *state;
    struct leaders *l = crew->leaders;

    atomic_store(&control_of(crew, 1)->state, LEADERS_STANDBY);
    assert_aborts("worker 1 begins in state 3", leaders_enter(l, 1));
    atomic_store(&control_of(crew, 1)->state, LEADERS_BUSY);
    leaders_enter(l, 1);
    control_of(crew, 1)->place = WORKERS + 1;
    assert_aborts("worker 1 gives up place 7 of 6", leaders_quit(l, 1));
    control_of(crew, 1)->place = 0;
    for (unsigned i = 0; i < CORES; i++)
        atomic_store(&l->place[i].holder, SHARED_SLOTS + 1);
    assert_aborts("place 1 is held by worker 131072",
                  (void)leaders_join(l, 1)); /* keeps the time */
    atomic_store(&l->limit, CORES - 1);
    assert_aborts("1 places are to become fewer, on 2 cores", leaders_watch(l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_lead_as_there_are_cores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_waits_lets_another_lead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_back_first_leads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lowest_number_is_woken_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_dismissed_while_standing_by_leaves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_leader_is_dismissed_and_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_noticed_before_more_is_changed, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
