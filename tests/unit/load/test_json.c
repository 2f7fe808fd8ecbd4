/* SPDX-License-Identifier: MIT
 *
 * Strings of any bytes, and numbers that read back as what they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "load/json.h"

static char written[256];

static FILE *begin(void)
{
    FILE *to = fmemopen(written, sizeof written, "w");

    assert_non_null(to);
    return to;
}

static void test_strings(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "\"\""},
        {"/hello?a=b", "\"/hello?a=b\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\x01\x1f", "\"\\u000a\\u0001\\u001f\""},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xff", "\"\\u00ff\""},
        {"\xc3", "\"\\u00c3\""}, /* begun and not ended */
        {"\xe2\x82", "\"\\u00e2\\u0082\""},
        {"\xc0\xaf", "\"\\u00c0\\u00af\""}, /* longer than need be */
        {"\xe0\x80\xaf", "\"\\u00e0\\u0080\\u00af\""},
        {"\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\""}, /* a surrogate */
        {"\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\""},
        {NULL, "null"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *to = begin();

        json_string(to, cases[i].text);
        fclose(to);
        assert_string_equal(written, cases[i].json);
    }
}

static void test_numbers(void **state)
{
    static const struct {
        double number;
        const char *json;
    } cases[] = {{0, "0"},       {1, "1"},        {0.1, "0.1"},  {1.0 / 3, "0.3333333333333333"},
                 {-2.5, "-2.5"}, {1e21, "1e+21"}, {NAN, "null"}, {INFINITY, "null"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *to = begin();

        json_number(to, cases[i].number);
        fclose(to);
        assert_string_equal(written, cases[i].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
