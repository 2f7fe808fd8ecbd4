/* SPDX-License-Identifier: MIT
 *
 * slots.h: nobody gets a slot that another has, and what was given back is used first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "master/slots.h"

static struct slots slots;

static int begin(void **state)
{
    (void)state;
    memset(&slots, 0, sizeof slots);
    return 0;
}

static void the_lowest_are_taken_first(void **state)
{
    (void)state;
    assert_int_equal(slots_take(&slots, 1), 0);
    assert_int_equal(slots_take(&slots, 3), 1);
    assert_int_equal(slots_take(&slots, 1), 4);
    slots_give(&slots, 1, 3);
    assert_int_equal(slots_take(&slots, 4), 5); /* three are too few */
    assert_int_equal(slots_take(&slots, 2), 1);
    assert_int_equal(slots_take(&slots, 1), 3);
    assert_int_equal(slots_take(&slots, 1), 9);
    slots_give(&slots, 0, 1);
    slots_give(&slots, 4, 1);
    assert_int_equal(slots_take(&slots, 1), 0);
    assert_int_equal(slots_take(&slots, 1), 4);
}

static void what_lies_side_by_side_is_one_run(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(slots_take(&slots, 2), 2 * i);
    slots_give(&slots, 4, 2);
    slots_give(&slots, 2, 2);
    assert_int_equal(slots_take(&slots, 4), 2);
}

static void there_is_an_end(void **state)
{
    (void)state;
    assert_int_equal(slots_take(&slots, SHARED_SLOTS), 0);
    assert_int_equal(slots_take(&slots, 1), -ENOSPC);
    slots_give(&slots, SHARED_SLOTS - 2, 2);
    assert_int_equal(slots_take(&slots, 3), -ENOSPC);
    assert_int_equal(slots_take(&slots, 2), SHARED_SLOTS - 2);
    assert_int_equal(slots_take(&slots, 1), -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_lowest_are_taken_first, begin),
        cmocka_unit_test_setup(what_lies_side_by_side_is_one_run, begin),
        cmocka_unit_test_setup(there_is_an_end, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
