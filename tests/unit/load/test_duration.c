/* SPDX-License-Identifier: MIT
 *
 * Three digits of every length, also where rounding makes them four.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include "load/duration.h"

static void test_words(void **state)
{
    static const struct {
        double ns;
        const char *words;
    } cases[] = {{0, "0 ns"},        {999, "999 ns"},     {999.6, "1.00 µs"},   {1000, "1.00 µs"},
                 {9994, "9.99 µs"},  {9996, "10.0 µs"},   {12345, "12.3 µs"},   {99960, "100 µs"},
                 {999400, "999 µs"}, {999600, "1.00 ms"}, {1234567, "1.23 ms"}, {1e9, "1.00 s"},
                 {3.6e12, "3600 s"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[DURATION_BYTES];

        assert_string_equal(duration_words(words, cases[i].ns), cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
