/* SPDX-License-Identifier: MIT
 *
 * state.h: each cell of the table, what it leads to, and that no state is a dead end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "master/state.h"

struct cell {
    enum state state;
    enum event event;
    enum action action;
    enum state next;
};

/* What can happen; all else cannot. */
static const struct cell cells[] = {
    /* The first generation has its time, and nobody is served: what is wanted waits, one failure
     * is the end. */
    {STATE_STARTING, EVENT_STOP, ABANDON, STATE_ENDED},
    {STATE_STARTING, EVENT_RELOAD, WANT, STATE_STARTING},
    {STATE_STARTING, EVENT_UPGRADE, WANT, STATE_STARTING},
    {STATE_STARTING, EVENT_REOPEN, REOPEN, STATE_STARTING},
    {STATE_STARTING, EVENT_RELOAD_WANTED, NOTHING, STATE_STARTING},
    {STATE_STARTING, EVENT_UPGRADE_WANTED, NOTHING, STATE_STARTING},
    {STATE_STARTING, EVENT_READY, SERVE, STATE_SERVING},
    {STATE_STARTING, EVENT_START_FAILED, FAIL, STATE_FAILED},
    {STATE_STARTING, EVENT_EMPTY, NOTHING, STATE_STARTING},

    /* A signal is acted on when all that came with it were read. */
    {STATE_SERVING, EVENT_STOP, STOP, STATE_STOPPING},
    {STATE_SERVING, EVENT_LEAVE, LEAVE, STATE_LAME},
    {STATE_SERVING, EVENT_RELOAD, WANT, STATE_SERVING},
    {STATE_SERVING, EVENT_UPGRADE, WANT, STATE_SERVING},
    {STATE_SERVING, EVENT_REOPEN, REOPEN, STATE_SERVING},
    {STATE_SERVING, EVENT_RELOAD_WANTED, RELOAD, STATE_RELOADING},
    {STATE_SERVING, EVENT_UPGRADE_WANTED, UPGRADE, STATE_UPGRADING},
    {STATE_SERVING, EVENT_EMPTY, NOTHING, STATE_SERVING}, /* all died: they are replaced */

    /* One thing at a time; whatever comes of it, the server serves. */
    {STATE_RELOADING, EVENT_STOP, STOP, STATE_STOPPING},
    {STATE_RELOADING, EVENT_LEAVE, LEAVE, STATE_LAME},
    {STATE_RELOADING, EVENT_RELOAD, WANT, STATE_RELOADING},
    {STATE_RELOADING, EVENT_UPGRADE, WANT, STATE_RELOADING},
    {STATE_RELOADING, EVENT_REOPEN, REOPEN, STATE_RELOADING},
    {STATE_RELOADING, EVENT_RELOAD_WANTED, NOTHING, STATE_RELOADING},
    {STATE_RELOADING, EVENT_UPGRADE_WANTED, NOTHING, STATE_RELOADING},
    {STATE_RELOADING, EVENT_READY, FINISH_RELOAD, STATE_SERVING},
    {STATE_RELOADING, EVENT_START_FAILED, DROP_RELOAD, STATE_SERVING},
    {STATE_RELOADING, EVENT_START_LATE, DROP_RELOAD, STATE_SERVING},

    /* A reload waits to see whether it is still this server's to do. */
    {STATE_UPGRADING, EVENT_STOP, STOP, STATE_STOPPING},
    {STATE_UPGRADING, EVENT_LEAVE, LEAVE, STATE_LAME},
    {STATE_UPGRADING, EVENT_RELOAD, WANT, STATE_UPGRADING},
    {STATE_UPGRADING, EVENT_UPGRADE, WANT, STATE_UPGRADING},
    {STATE_UPGRADING, EVENT_REOPEN, REOPEN, STATE_UPGRADING},
    {STATE_UPGRADING, EVENT_RELOAD_WANTED, NOTHING, STATE_UPGRADING},
    {STATE_UPGRADING, EVENT_UPGRADE_WANTED, REFUSE_SECOND, STATE_UPGRADING},
    {STATE_UPGRADING, EVENT_UPGRADED, HAND_OVER, STATE_REPLACED},
    {STATE_UPGRADING, EVENT_UPGRADE_FAILED, DROP_UPGRADE, STATE_SERVING},
    {STATE_UPGRADING, EVENT_EMPTY, NOTHING, STATE_UPGRADING},

    /* Who finishes may take his time until he is told to stop, and then --shutdown-timeout. */
    {STATE_REPLACED, EVENT_STOP, STOP, STATE_STOPPING},
    {STATE_REPLACED, EVENT_RELOAD, REFUSE, STATE_REPLACED},
    {STATE_REPLACED, EVENT_UPGRADE, REFUSE, STATE_REPLACED},
    {STATE_REPLACED, EVENT_REOPEN, REOPEN, STATE_REPLACED},
    {STATE_REPLACED, EVENT_EMPTY, END, STATE_ENDED},

    /* It serves as before, dead workers are replaced; but nothing is begun any more. */
    {STATE_LAME, EVENT_STOP, STOP, STATE_STOPPING},
    {STATE_LAME, EVENT_LEAVE, STOP, STATE_STOPPING},
    {STATE_LAME, EVENT_LAME_OVER, STOP, STATE_STOPPING},
    {STATE_LAME, EVENT_RELOAD, REFUSE, STATE_LAME},
    {STATE_LAME, EVENT_UPGRADE, REFUSE, STATE_LAME},
    {STATE_LAME, EVENT_REOPEN, REOPEN, STATE_LAME},
    {STATE_LAME, EVENT_EMPTY, NOTHING, STATE_LAME},

    {STATE_STOPPING, EVENT_STOP, END, STATE_ENDED},
    {STATE_STOPPING, EVENT_RELOAD, REFUSE, STATE_STOPPING},
    {STATE_STOPPING, EVENT_UPGRADE, REFUSE, STATE_STOPPING},
    {STATE_STOPPING, EVENT_REOPEN, REOPEN, STATE_STOPPING},
    {STATE_STOPPING, EVENT_EMPTY, END, STATE_ENDED},
    {STATE_STOPPING, EVENT_STOP_LATE, END, STATE_ENDED},
};

/* The expected cell; NULL: that cannot happen. */
static const struct cell *find(enum state state, enum event event)
{
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        if (cells[i].state == state && cells[i].event == event)
            return &cells[i];
    return NULL;
}

static void each_cell_is_as_expected(void **test)
{
    size_t met = 0;

    (void)test;
    for (enum state state = 0; state < STATES; state++)
        for (enum event event = 0; event < EVENTS; event++) {
            const struct cell *cell = find(state, event);
            enum action action = state_action(state, event);
            enum state next = state_after(state, action);

            met += cell != NULL;
            if (action != (cell == NULL ? NEVER : cell->action))
                fail_msg("%s while %s: action %d", event_name(event), state_name(state), action);
            if (next != (cell == NULL ? state : cell->next))
                fail_msg("%s while %s: then %s", event_name(event), state_name(state),
                         state_name(next));
        }
    assert_int_equal(met, sizeof cells / sizeof cells[0]);
}

static void every_state_is_reached_and_left(void **test)
{
    bool reached[STATES] = {[STATE_STARTING] = true};

    (void)test;
    for (int round = 0; round < STATES; round++)
        for (enum state state = 0; state < STATES; state++)
            for (enum event event = 0; reached[state] && event < EVENTS; event++)
                reached[state_after(state, state_action(state, event))] = true;
    for (enum state state = 0; state < STATES; state++)
        assert_true(reached[state]);
}

/* Told twice to stop, it ends, whatever it was doing; and after the end nothing happens. */
static void two_signals_end_it_from_anywhere(void **test)
{
    (void)test;
    for (enum state state = 0; state < STATES; state++) {
        enum state now = state;

        for (int i = 0; i < 2 && !state_is_last(now); i++)
            now = state_after(now, state_action(now, EVENT_STOP));
        assert_true(state_is_last(now));
        for (enum event event = 0; event < EVENTS; event++)
            assert_int_equal(state_action(now, event), NEVER);
    }
}

/* With --lame-duck one more: the first makes it a lame duck, the next has it finish. */
static void the_first_signal_may_make_it_a_lame_duck(void **test)
{
    static const enum state accepting[] = {STATE_SERVING, STATE_RELOADING, STATE_UPGRADING};

    (void)test;
    for (size_t i = 0; i < sizeof accepting / sizeof accepting[0]; i++) {
        enum state lame = state_after(accepting[i], state_action(accepting[i], EVENT_LEAVE));
        enum state stopping = state_after(lame, state_action(lame, EVENT_LEAVE));

        assert_int_equal(lame, STATE_LAME);
        assert_int_equal(stopping, STATE_STOPPING);
        assert_int_equal(state_after(lame, state_action(lame, EVENT_LAME_OVER)), STATE_STOPPING);
    }
}

static void each_has_a_name_of_its_own(void **test)
{
    (void)test;
    for (enum state a = 0; a < STATES; a++)
        for (enum state b = 0; b < a; b++)
            assert_string_not_equal(state_name(a), state_name(b));
    for (enum event a = 0; a < EVENTS; a++)
        for (enum event b = 0; b < a; b++)
            assert_string_not_equal(event_name(a), event_name(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cell_is_as_expected),
        cmocka_unit_test(every_state_is_reached_and_left),
        cmocka_unit_test(two_signals_end_it_from_anywhere),
        cmocka_unit_test(the_first_signal_may_make_it_a_lame_duck),
        cmocka_unit_test(each_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
