/* SPDX-License-Identifier: MIT
 *
 * models/steal/watch.c: who is taken for behind, who is called, and when nobody watches.
 */
#include "rig.h"

#include <poll.h>

#define FIRST  (&rig.thieves[0])
#define SECOND (&rig.thieves[1])

enum { BUSY_LOOKS = 8, QUIET_LOOKS = 4 }; /* as in watch.c */

/* So many looks; the clock stands still for the watch but for what is said here. */
static void look(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_false(steal_watch(&rig.team, -1, 0));
}

static void begin(void)
{
    steal_note_wait(SECOND, false);
    steal_note_wait(SECOND, true);
    steal_note_wait(FIRST, false);
    assert_true(atomic_load(&rig.team.watching));
}

static void who_is_at_one_thing_is_stuck(void **state)
{
    (void)state;
    begin();
    look(1);
    assert_int_equal(FIRST->behind, BEHIND_NOT);
    look(1);
    assert_int_equal(FIRST->behind, BEHIND_STUCK);
    assert_int_equal(SECOND->behind, BEHIND_NOT);
    assert_int_equal(rig.team.most_behind, BEHIND_STUCK);
    assert_false(rig.team.still);
    steal_note_wait(SECOND, false);
    look(2);
    assert_false(rig.team.still); /* they were not, since the last tick */
    rig.team.still = true;
    look(1);
    assert_true(rig.team.still);
    steal_moves(FIRST);
    look(1);
    assert_int_equal(FIRST->behind, BEHIND_NOT);
    assert_false(rig.team.still);
    steal_moves(SECOND);
    look(1);
    assert_int_equal(rig.team.most_behind, BEHIND_STUCK); /* it is FIRST, again */
}

static void who_never_waits_is_busy(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 1; i < BUSY_LOOKS; i++) {
        steal_moves(FIRST);
        look(1);
        assert_int_equal(FIRST->behind, BEHIND_NOT);
    }
    steal_moves(FIRST);
    look(1);
    assert_int_equal(FIRST->behind, BEHIND_BUSY);
    steal_note_wait(FIRST, true);
    look(1);
    assert_int_equal(FIRST->behind, BEHIND_NOT);
}

static void help_is_called_where_there_is_something_to_do(void **state)
{
    (void)state;
    begin();
    look(3);
    assert_int_equal(rig_rung(SECOND), 0);
    rig_asking(FIRST);
    look(1);
    assert_int_equal(rig_rung(SECOND), 1);
    steal_fetch(FIRST, FIRST, READY_MOST); /* in its hands it is ready, too */
    look(1);
    assert_int_equal(rig_rung(SECOND), 2);
    steal_note_wait(SECOND, false); /* who is awake sees for himself */
    look(1);
    assert_int_equal(rig_rung(SECOND), 2);
    assert_int_equal(rig_rung(FIRST), 0);
}

static bool is_called(void)
{
    struct pollfd fd = {.fd = rig.team.awake_fd, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}

static void when_all_sleep_nobody_watches(void **state)
{
    (void)state;
    begin();
    assert_true(is_called());
    steal_note_wait(FIRST, true);
    look(QUIET_LOOKS - 1);
    assert_true(atomic_load(&rig.team.watching));
    assert_false(is_called());
    look(1);
    assert_false(atomic_load(&rig.team.watching));
    steal_note_wait(SECOND, false);
    assert_true(is_called());
    assert_true(atomic_load(&rig.team.watching));
}

static void it_returns_for_its_descriptor(void **state)
{
    (void)state;
    latch_set(rig.team.awake_fd);
    assert_true(steal_watch(&rig.team, rig.team.awake_fd, 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(who_is_at_one_thing_is_stuck),
        RIG_TEST(who_never_waits_is_busy),
        RIG_TEST(help_is_called_where_there_is_something_to_do),
        RIG_TEST(when_all_sleep_nobody_watches),
        RIG_TEST(it_returns_for_its_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
