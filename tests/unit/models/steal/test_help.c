/* SPDX-License-Identifier: MIT
 *
 * models/steal/help.c: who takes what from whom, and how much.
 */
#include "rig.h"

#define FIRST  (&rig.thieves[0])
#define SECOND (&rig.thieves[1])

enum { HELP_MOST = 16, MANY = 40 }; /* HELP_MOST as in help.c */

static void set_behind(uint8_t first, uint8_t second)
{
    atomic_store(&FIRST->behind, first);
    atomic_store(&SECOND->behind, second);
    atomic_store(&rig.team.most_behind, (uint8_t)(first > second ? first : second));
}

static void what_is_ready_is_served_in_order(void **state)
{
    struct steal_conn *first = rig_asking(FIRST), *second = rig_asking(FIRST);

    (void)state;
    steal_fetch(FIRST, FIRST, READY_MOST);
    steal_serve_ready(FIRST);
    assert_int_equal(rig_served(FIRST), 2);
    assert_ptr_equal(FIRST->loop.queue, &first->c);
    assert_ptr_equal(first->c.next, &second->c);
    assert_int_equal(atomic_load(&FIRST->moves), 2);
}

static void who_is_not_behind_keeps_his_own(void **state)
{
    (void)state;
    rig_asking(FIRST);
    set_behind(BEHIND_NOT, BEHIND_NOT);
    steal_help(SECOND);
    set_behind(BEHIND_BUSY, BEHIND_BUSY);
    steal_help(SECOND);
    set_behind(BEHIND_STUCK, BEHIND_STUCK);
    steal_help(SECOND);
    assert_int_equal(rig_served(SECOND), 0);
    set_behind(BEHIND_STUCK, BEHIND_BUSY);
    steal_help(SECOND);
    assert_int_equal(rig_served(SECOND), 1);
    assert_int_equal(rig_rung(SECOND), 1); /* it looks once more */
    steal_help(SECOND);
    assert_int_equal(rig_rung(SECOND), 1);
}

static void what_was_fetched_is_taken_first_and_not_all_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        rig_asking(FIRST);
    steal_fetch(FIRST, FIRST, HELP_MOST + 1);
    set_behind(BEHIND_BUSY, BEHIND_NOT);
    steal_help(SECOND);
    assert_int_equal(rig_served(SECOND), HELP_MOST);
    assert_false(ready_is_empty(&FIRST->ready));
    steal_help(SECOND);
    assert_int_equal(rig_served(SECOND), HELP_MOST + 1);
    assert_true(ready_is_empty(&FIRST->ready));
    steal_help(SECOND);
    assert_int_equal(rig_served(SECOND), 2 * HELP_MOST + 1);
    steal_help(SECOND);
    assert_int_equal(rig_served(SECOND), MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_is_ready_is_served_in_order),
        RIG_TEST(who_is_not_behind_keeps_his_own),
        RIG_TEST(what_was_fetched_is_taken_first_and_not_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
