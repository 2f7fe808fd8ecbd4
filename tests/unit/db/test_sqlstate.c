/* SPDX-License-Identifier: MIT
 *
 * sqlstate.h: which errors pass, and where libpq says them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "db/sqlstate.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void found(void **state)
{
    static const struct {
        const char *said, *code;
    } cases[] = {
        {"connection to server on socket \"/a/.s.PGSQL.5432\" failed: FATAL:  3D000: database",
         "3D000"},
        {"ERROR:  42P01: relation \"world\" does not exist\nLOCATION:  x, y.c:1", "42P01"},
        {"a:  b: FATAL:  53300: sorry", "53300"},
        {"connection to server at \"h\" (127.0.0.1), port 1 failed: Connection refused", NULL},
        {"refused\nFATAL:  28P01: the second line is another server's", NULL},
        {"FATAL:  28P0", NULL},
        {"FATAL:  28P011: x", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *at = sqlstate_find(cases[i].said);

        if (cases[i].code == NULL)
            assert_null(at);
        else
            assert_memory_equal(at, cases[i].code, 5);
    }
}

static void judged(void **state)
{
    static const struct {
        const char *code;
        int error;
    } cases[] = {
        {"57014", -ETIMEDOUT}, {"53300", -EAGAIN}, {"53200", -EAGAIN}, {"57P01", -EAGAIN},
        {"57P03", -EAGAIN},    {"40P01", -EAGAIN}, {"55P03", -EAGAIN}, {"26000", -EAGAIN},
        {"53100", -EIO},       {"42P01", -EIO},    {"25006", -EIO},    {"28P01", -EIO},
        {"3D000", -EIO},       {"P0001", -EIO},    {"23514", -EIO},    {"XX000", -EIO},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(sqlstate_error(cases[i].code, false), cases[i].error);
    assert_int_equal(sqlstate_error("26000", true), -EIO);
    assert_int_equal(sqlstate_error("0A000", true), -EIO);
    assert_int_equal(sqlstate_error("57P01", true), -EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),
        cmocka_unit_test(judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
