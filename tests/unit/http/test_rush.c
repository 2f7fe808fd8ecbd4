/* SPDX-License-Identifier: MIT
 *
 * rush.h: a rush is so many in one window, and lasts for the window after it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/rush.h"
#include "tests/unit/http/clocks.h"

enum { LEAST = 5 };

/* Notes so many; returns how many of them were in a rush. */
static unsigned note(struct rush *rush, unsigned count)
{
    unsigned in_rush = 0;

    while (count-- > 0)
        in_rush += rush_note(rush);
    return in_rush;
}

/* To the beginning of the next window. */
static void next_window(void)
{
    clocks_advance(RUSH_WINDOW_MS - io_now_ms() % RUSH_WINDOW_MS);
}

static void few_are_no_rush(void **state)
{
    struct rush rush = {.least = LEAST};

    (void)state;
    for (int i = 0; i < 4; i++) {
        next_window();
        assert_int_equal(note(&rush, LEAST - 1), 0);
    }
}

static void it_begins_with_the_least_and_lasts_for_a_window(void **state)
{
    struct rush rush = {.least = LEAST};

    (void)state;
    next_window();
    assert_int_equal(note(&rush, LEAST - 1), 0);
    clocks_advance(RUSH_WINDOW_MS - 1);
    assert_int_equal(note(&rush, 1), 1); /* the same window still */
    clocks_advance(1);
    assert_int_equal(note(&rush, 1), 1); /* as it was one before */
    next_window();
    assert_int_equal(note(&rush, 1), 0);
}

static void a_window_without_any_ends_it(void **state)
{
    struct rush rush = {.least = LEAST};

    (void)state;
    next_window();
    assert_int_equal(note(&rush, 2 * LEAST), LEAST + 1);
    clocks_advance(2 * RUSH_WINDOW_MS);
    assert_int_equal(note(&rush, 1), 0);
}

static void of_none_all_are_a_rush(void **state)
{
    struct rush rush = {.least = 0};

    (void)state;
    assert_int_equal(note(&rush, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_no_rush),
        cmocka_unit_test(it_begins_with_the_least_and_lasts_for_a_window),
        cmocka_unit_test(a_window_without_any_ends_it),
        cmocka_unit_test(of_none_all_are_a_rush),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
