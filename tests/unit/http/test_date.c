/* SPDX-License-Identifier: MIT
 *
 * Dates of http.h and date.h against the C library's: gmtime_r() and strftime()
 * for writing, timegm() for reading, over many times from a fixed seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clocks.h"
#include "edge.h"
#include "http/date.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TIMES = 20000 };

static const int64_t YEAR_1 = INT64_C(-62135596800);     /* 0001-01-01 00:00:00 */
static const int64_t YEAR_10000 = INT64_C(253402300800); /* 10000-01-01 00:00:00 */

/* What time() says to the reader of two-digit years. */
static time_t the_time = CLOCKS_DATE;

time_t fixed_time(time_t *out) __asm__("time");
time_t fixed_time(time_t *out)
{
    if (out != NULL)
        *out = the_time;
    return the_time;
}

/* xorshift64*: the same times in every run. */
static uint64_t random_number(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static int64_t random_time(uint64_t *state, int64_t from, int64_t to)
{
    return from + (int64_t)(random_number(state) % (uint64_t)(to - from));
}

static const char *written(int64_t seconds, const char *form, char *out, size_t size)
{
    time_t t = (time_t)seconds;
    struct tm tm;

    assert_non_null(gmtime_r(&t, &tm));
    assert_true(strftime(out, size, form, &tm) > 0);
    return out;
}

static bool parse(void **state, const char *text, int64_t *seconds)
{
    size_t length = strlen(text);
    struct http_slice slice = {edge_place(*state, text, length), length};

    return http_date_parse(slice, seconds);
}

/* strftime()'s %Y does not pad years below 1000. */
static const char *imf_of(int64_t seconds, char *out, size_t size)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    char start[20], end[20];

    assert_non_null(gmtime_r(&t, &tm));
    strftime(start, sizeof start, "%a, %d %b", &tm);
    strftime(end, sizeof end, "%H:%M:%S GMT", &tm);
    snprintf(out, size, "%s %04d %s", start, tm.tm_year + 1900, end);
    return out;
}

static void check_time(void **state, int64_t seconds)
{
    char ours[HTTP_DATE_SIZE + 1], theirs[64];
    int64_t back = -1;

    ours[HTTP_DATE_SIZE] = '#';
    http_date_format(ours, seconds);
    assert_int_equal(ours[HTTP_DATE_SIZE], '#');
    assert_string_equal(ours, imf_of(seconds, theirs, sizeof theirs));
    if (!parse(state, ours, &back) || back != seconds)
        fail_msg("%s (%lld) is read as %lld", ours, (long long)seconds, (long long)back);
}

static void random_times(void **state)
{
    uint64_t seed = 1;

    for (int i = 0; i < TIMES; i++)
        check_time(state, random_time(&seed, YEAR_1, YEAR_10000));
    for (int i = 0; i < TIMES; i++)
        check_time(state, random_time(&seed, 0, INT64_C(4102444800))); /* 1970 to 2100 */
}

/* The first and last second of every month around the years that a rule singles out. */
static void month_ends_and_leap_years(void **state)
{
    static const int years[] = {1,    4,    100,  400,  1582, 1600, 1700, 1899, 1900,
                                1904, 1968, 1970, 1972, 1999, 2000, 2001, 2004, 2024,
                                2038, 2099, 2100, 2101, 2400, 4000, 9999};

    for (size_t i = 0; i < COUNT(years); i++) {
        for (int month = 0; month < 12; month++) {
            struct tm tm = {.tm_year = years[i] - 1900, .tm_mon = month, .tm_mday = 1};
            int64_t first = timegm(&tm);

            check_time(state, first);
            if (first > YEAR_1)
                check_time(state, first - 1);
        }
    }
    check_time(state, 0);
    check_time(state, -1);
    check_time(state, INT64_C(2147483647));
    check_time(state, INT64_C(2147483648));
    check_time(state, YEAR_10000 - 1);
}

static void every_day_of_a_leap_cycle(void **state)
{
    for (int64_t day = 0; day < 400 * 366; day++)
        check_time(state, (day - 200 * 365) * 86400 + day % 86400);
}

static void years_that_have_no_form(void **state)
{
    static const int64_t times[] = {INT64_C(253402300800), INT64_C(999999999999),
                                    INT64_C(-99999999999), INT64_MAX, INT64_MIN};
    char date[HTTP_DATE_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT(times); i++) {
        http_date_format(date, times[i]);
        assert_string_equal(date, "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}

/* --- the three forms ------------------------------------------------------------ */

static void the_example_of_the_rfc(void **state)
{
    static const char *const forms[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };

    for (size_t i = 0; i < COUNT(forms); i++) {
        int64_t seconds = -1;

        assert_true(parse(state, forms[i], &seconds));
        assert_int_equal(seconds, CLOCKS_DATE);
    }
}

static void obsolete_forms_of_random_times(void **state)
{
    uint64_t seed = 2;
    char text[64];

    the_time = 1781524800; /* 2026-06-15 12:00:00 */
    for (int i = 0; i < TIMES; i++) {
        int64_t seconds = random_time(&seed, INT64_C(-30610224000), YEAR_10000); /* from 1000 */
        int64_t back = -1;

        if (!parse(state, written(seconds, "%a %b %e %H:%M:%S %Y", text, sizeof text), &back) ||
            back != seconds)
            fail_msg("%s is read as %lld", text, (long long)back);
        /* Less than fifty years from the_time the two digits are enough. */
        seconds = random_time(&seed, INT64_C(220924800), INT64_C(3345062400)); /* 1977 to 2075 */
        if (!parse(state, written(seconds, "%A, %d-%b-%y %H:%M:%S GMT", text, sizeof text),
                   &back) ||
            back != seconds)
            fail_msg("%s is read as %lld, not %lld", text, (long long)back, (long long)seconds);
    }
    the_time = CLOCKS_DATE;
}

/* RFC 9110, 5.6.7: more than 50 years ahead means the past. */
static void two_digit_years(void **state)
{
    static const struct {
        int64_t now;
        const char *text, *meant;
    } rows[] = {
        /* Now is 2026-06-15 12:00:00. */
        {1781524800, "Monday, 15-Jun-26 12:00:00 GMT", "Mon, 15 Jun 2026 12:00:00 GMT"},
        {1781524800, "Saturday, 01-Jan-00 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"},
        {1781524800, "Tuesday, 31-Dec-75 23:59:59 GMT", "Tue, 31 Dec 2075 23:59:59 GMT"},
        {1781524800, "Sunday, 14-Jun-76 00:00:00 GMT", "Sun, 14 Jun 2076 00:00:00 GMT"},
        {1781524800, "Wednesday, 14-Jul-76 00:00:00 GMT", "Wed, 14 Jul 1976 00:00:00 GMT"},
        {1781524800, "Friday, 31-Dec-76 00:00:00 GMT", "Fri, 31 Dec 1976 00:00:00 GMT"},
        {1781524800, "Saturday, 01-Jan-77 00:00:00 GMT", "Sat, 01 Jan 1977 00:00:00 GMT"},
        {1781524800, "Friday, 31-Dec-99 00:00:00 GMT", "Fri, 31 Dec 1999 00:00:00 GMT"},
        /* Now is 1994: dates of the next century are near. */
        {CLOCKS_DATE, "Friday, 01-Jan-99 00:00:00 GMT", "Fri, 01 Jan 1999 00:00:00 GMT"},
        {CLOCKS_DATE, "Saturday, 01-Jan-94 00:00:00 GMT", "Sat, 01 Jan 1994 00:00:00 GMT"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t two = -1, four = -2;

        the_time = (time_t)rows[i].now;
        assert_true(parse(state, rows[i].meant, &four));
        if (!parse(state, rows[i].text, &two) || two != four)
            fail_msg("at %lld %s is read as %lld, %lld days off", (long long)rows[i].now,
                     rows[i].text, (long long)two, (long long)((two - four) / 86400));
    }
    the_time = CLOCKS_DATE;
}

static void a_leap_second(void **state)
{
    int64_t seconds = -1;

    assert_true(parse(state, "Sat, 31 Dec 2016 23:59:60 GMT", &seconds));
    assert_int_equal(seconds, 1483228800);
}

/* --- what is no date ------------------------------------------------------------ */

static void invalid_dates(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "0",
        "784111777",
        "Sun",
        "Sun,",
        "06 Nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "SUN, 06 NOV 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 01994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 -8:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Jan 1994 08:49:37 GMT",
        "Sun, 99 Jan 1994 08:49:37 GMT",
        "Tue, 29 Feb 1994 08:49:37 GMT",
        "Thu, 29 Feb 1900 08:49:37 GMT",
        "Mon, 29 Feb 2100 08:49:37 GMT",
        "Wed, 30 Feb 2000 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sunday, 31-Apr-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  0 08:49:37 1994",
        "Sun Nov 31 08:49:37 1994",
        "Sun, Nov  6 08:49:37 1994",
        "Sunday Nov  6 08:49:37 1994",
        "Sun November  6 08:49:37 1994",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        int64_t seconds = 4711;

        if (parse(state, texts[i], &seconds))
            fail_msg("\"%s\" is read as %lld", texts[i], (long long)seconds);
    }
}

/* No part of a date is a date, nor is one with any byte spoilt. */
static void spoilt_dates(void **state)
{
    static const char *const forms[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    static const char spoilers[] = {'\0', 'x', '/', '\n', '\x80', '~'};

    for (size_t i = 0; i < COUNT(forms); i++) {
        size_t length = strlen(forms[i]);
        int64_t seconds;

        for (size_t cut = 0; cut < length; cut++) {
            struct http_slice slice = {edge_place(*state, forms[i], cut), cut};

            if (http_date_parse(slice, &seconds))
                fail_msg("the first %zu bytes of %s", cut, forms[i]);
        }
        for (size_t at = 0; at < length; at++) {
            for (size_t j = 0; j < COUNT(spoilers); j++) {
                char *text = edge_place(*state, forms[i], length);

                text[at] = spoilers[j];
                if (http_date_parse((struct http_slice){text, length}, &seconds))
                    fail_msg("0x%02x at byte %zu of %s", (unsigned)(unsigned char)spoilers[j], at,
                             forms[i]);
            }
        }
    }
}

/* --- the Date field ------------------------------------------------------------- */

static void the_clock_line_follows_the_second(void **state)
{
    struct http_clock clock = {0};
    const char *line;

    (void)state;
    atomic_store(&clocks.date, 784111777);
    line = http_clock_line(&clock);
    assert_memory_equal(line, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", HTTP_DATE_LINE);
    atomic_store(&clocks.date, 784111778);
    line = http_clock_line(&clock);
    assert_memory_equal(line, "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n", HTTP_DATE_LINE);
    atomic_store(&clocks.date, 784111700); /* the clock was set back */
    line = http_clock_line(&clock);
    assert_memory_equal(line, "Date: Sun, 06 Nov 1994 08:48:20 GMT\r\n", HTTP_DATE_LINE);
    assert_int_equal(strlen("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), HTTP_DATE_LINE);
    atomic_store(&clocks.date, CLOCKS_DATE);
}

static void the_clock_line_is_made_once_a_second(void **state)
{
    struct http_clock clock = {0};
    char *mark;

    (void)state;
    atomic_store(&clocks.date, 0); /* the value that also means "nothing formatted yet" */
    assert_memory_equal(http_clock_line(&clock), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
                        HTTP_DATE_LINE);
    mark = &clock.line[30];
    *mark = '!';
    assert_int_equal(http_clock_line(&clock)[30], '!');
    atomic_store(&clocks.date, 1);
    assert_int_equal(http_clock_line(&clock)[30], '1');
    atomic_store(&clocks.date, CLOCKS_DATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_times),
        cmocka_unit_test(month_ends_and_leap_years),
        cmocka_unit_test(every_day_of_a_leap_cycle),
        cmocka_unit_test(years_that_have_no_form),
        cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(obsolete_forms_of_random_times),
        cmocka_unit_test(two_digit_years),
        cmocka_unit_test(a_leap_second),
        cmocka_unit_test(invalid_dates),
        cmocka_unit_test(spoilt_dates),
        cmocka_unit_test(the_clock_line_follows_the_second),
        cmocka_unit_test(the_clock_line_is_made_once_a_second),
    };
    return cmocka_run_group_tests(tests, edge_setup, edge_teardown);
}
