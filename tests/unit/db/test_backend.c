/* SPDX-License-Identifier: MIT
 *
 * backend.h: how a failure is noted, and how much of the time is for leaving; and data_set.h: the
 * list of fortunes, and which numbers a row may hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/backend.h"

static void a_failure_is_one_line(void **state)
{
    struct db_conn conn = {.fd = -1};

    (void)state;
    assert_int_equal(db_conn_fail(&conn, -EIO, "%s is %d", "it", 7), -EIO);
    assert_string_equal(conn.reason, "it is 7");
    assert_false(conn.broken || conn.lost);
    (void)db_conn_fail(&conn, -EIO, "first\nsecond");
    assert_string_equal(conn.reason, "first");
    (void)db_conn_fail(&conn, -EIO, "first\r\nsecond");
    assert_string_equal(conn.reason, "first");
    (void)db_conn_fail(&conn, -EIO, "%1000s", "x");
    assert_int_equal(strlen(conn.reason), sizeof conn.reason - 1);
}

static void a_broken_one_says_whether_the_other_side_is_gone(void **state)
{
    struct db_conn conn = {.fd = -1};

    (void)state;
    assert_int_equal(db_conn_break(&conn, -EPROTO, false, "%s", "what"), -EPROTO);
    assert_true(conn.broken && !conn.lost);
    assert_string_equal(conn.reason, "what");
    assert_int_equal(db_conn_break(&conn, -ECONNRESET, true, "gone"), -ECONNRESET);
    assert_true(conn.broken && conn.lost);
    assert_string_equal(conn.reason, "gone");
}

static void a_quarter_of_the_time_is_for_leaving(void **state)
{
    (void)state;
    assert_int_equal(db_leave_ms(100), 25);
    assert_int_equal(db_leave_ms(1000), 250);
    assert_int_equal(db_leave_ms(60000), 250); /* a quarter of a second is enough */
}

static void numbers(void **state)
{
    (void)state;
    assert_true(db_number_is_valid(1) && db_number_is_valid(DB_ROWS));
    assert_false(db_number_is_valid(0) || db_number_is_valid(-1) ||
                 db_number_is_valid(DB_ROWS + 1) || db_number_is_valid(INT64_MAX));
}

static void fortunes_are_copied_and_kept_in_order(void **state)
{
    struct db_fortunes list = {0};
    char message[40];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(message, sizeof message, "fortune %d.", i);
        assert_int_equal(db_fortunes_add(&list, i, message, strlen(message) - 1), 0);
    }
    assert_int_equal(list.count, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(message, sizeof message, "fortune %d", i);
        assert_int_equal(list.rows[i].id, i);
        assert_string_equal(list.rows[i].message, message);
    }
    db_fortunes_term(&list);
    assert_true(list.rows == NULL && list.count == 0 && list.capacity == 0);
    db_fortunes_term(&list); /* an empty one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_one_line),
        cmocka_unit_test(a_broken_one_says_whether_the_other_side_is_gone),
        cmocka_unit_test(a_quarter_of_the_time_is_for_leaving),
        cmocka_unit_test(numbers),
        cmocka_unit_test(fortunes_are_copied_and_kept_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
