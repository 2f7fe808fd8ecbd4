/* SPDX-License-Identifier: MIT
 *
 * places.h: which places there are, who stands in for whom, and which slots go with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "master/places.h"

enum { FILLED = 3, SLOTS_EACH = 2 };

static struct slots slots;
static struct places places;

static int begin(void **state)
{
    (void)state;
    memset(&slots, 0, sizeof slots);
    return places_init(&places, FILLED, SLOTS_EACH, &slots);
}

static int end(void **state)
{
    (void)state;
    places_term(&places, &slots);
    return slots_take(&slots, SHARED_SLOTS) == 0 ? 0 : -1; /* all were given back */
}

static unsigned count(void)
{
    unsigned count = 0;

    for (const struct process *p = NULL; (p = places_next(&places, p)) != NULL;)
        count++;
    return count;
}

static struct process *place(unsigned number)
{
    return &places.each[number];
}

static void those_of_the_plan_are_there_at_first(void **state)
{
    unsigned number = 0;

    (void)state;
    for (const struct process *p = NULL; (p = places_next(&places, p)) != NULL; number++) {
        assert_int_equal(p->number, number);
        assert_int_equal(p->first, number * SLOTS_EACH);
        assert_null(p->replaces);
        assert_int_equal(p->pid, 0);
    }
    assert_int_equal(number, FILLED);
    assert_int_equal(slots_take(&slots, 1), FILLED * SLOTS_EACH);
    slots_give(&slots, FILLED * SLOTS_EACH, 1);
}

static void one_may_be_taken_away_on_the_way(void **state)
{
    unsigned seen = 0;

    (void)state;
    for (struct process *p = NULL; (p = places_next(&places, p)) != NULL; seen++)
        if (p->number != 2)
            places_remove(&places, p, &slots);
    assert_int_equal(seen, FILLED);
    assert_int_equal(count(), 1);
    assert_ptr_equal(places_next(&places, NULL), place(2));
    assert_int_equal(places_add(&places, NULL, &slots), 0);
    assert_ptr_equal(places_next(&places, NULL), place(0)); /* the lowest that is free */
}

static void who_stands_in_for_whom_is_noted_at_both(void **state)
{
    (void)state;
    assert_int_equal(places_add(&places, place(1), &slots), 0);
    assert_ptr_equal(place(1)->replacement, place(3));
    assert_ptr_equal(place(3)->replaces, place(1));
    assert_int_equal(place(3)->seat, 1); /* it has what that one had */
    assert_int_equal(places_add(&places, NULL, &slots), 0);
    places_remove(&places, place(1), &slots); /* the old one goes first, or the new one */
    assert_null(place(3)->replaces);
    assert_int_equal(places_add(&places, place(2), &slots), 0);
    assert_ptr_equal(place(2)->replacement, place(1));
    assert_int_equal(place(1)->first, 1 * SLOTS_EACH);
    places_remove(&places, place(1), &slots);
    assert_null(place(2)->replacement);
}

static void there_are_as_many_again_at_most(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FILLED; i++)
        assert_int_equal(places_add(&places, place(i), &slots), 0);
    assert_int_equal(places_add(&places, NULL, &slots), -EAGAIN);
    assert_int_equal(count(), 2 * FILLED);
    places_remove(&places, place(4), &slots);
    assert_int_equal(places_add(&places, place(5), &slots), 0);
    assert_ptr_equal(place(5)->replacement, place(4));
    assert_int_equal(places_add(&places, NULL, &slots), -EAGAIN);
}

static void without_slots_there_is_no_place(void **state)
{
    const int rest = SHARED_SLOTS - FILLED * SLOTS_EACH;
    int first = slots_take(&slots, (unsigned)rest);

    (void)state;
    assert_int_equal(places_add(&places, place(0), &slots), -ENOSPC);
    assert_int_equal(count(), FILLED);
    assert_null(place(0)->replacement);
    slots_give(&slots, (unsigned)first, (unsigned)rest);
    assert_int_equal(places_add(&places, place(0), &slots), 0);
}

static void they_are_found_by_their_process(void **state)
{
    (void)state;
    place(0)->pid = 100;
    place(2)->pid = 102;
    assert_ptr_equal(places_find(&places, 102), place(2));
    assert_ptr_equal(places_find(&places, 100), place(0));
    assert_null(places_find(&places, 101));
    assert_int_equal(places_alive(&places), 2);
    place(0)->pid = place(2)->pid = 0;
    places_remove(&places, place(2), &slots);
    place(2)->pid = 102; /* what is left in a place that nobody has is nobody */
    assert_null(places_find(&places, 102));
    assert_int_equal(places_alive(&places), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(those_of_the_plan_are_there_at_first),    TEST(one_may_be_taken_away_on_the_way),
        TEST(who_stands_in_for_whom_is_noted_at_both), TEST(there_are_as_many_again_at_most),
        TEST(without_slots_there_is_no_place),         TEST(they_are_found_by_their_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
