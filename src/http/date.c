/* SPDX-License-Identifier: MIT
 *
 * HTTP dates (RFC 9110, 5.6.7): written in the preferred form, read in all three
 * that a recipient must accept. Calendar arithmetic is done here because
 * strftime() and strptime() follow the locale and timegm() is not C11.
 */
#include "http/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const WEEKDAYS[7] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const LONG_WEEKDAYS[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                             "Thursday", "Friday", "Saturday"};
static const char *const MONTHS[12] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

enum { SECONDS_A_DAY = 86400 };

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar; month 1 to 12. Years
 * are counted from March, so that the leap day comes last. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;

    *day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

static void two_digits(char *p, int value)
{
    p[0] = (char)('0' + value / 10);
    p[1] = (char)('0' + value % 10);
}

void http_date_format(char out[HTTP_DATE_SIZE], int64_t seconds)
{
    int64_t days = seconds / SECONDS_A_DAY;
    int64_t rest = seconds % SECONDS_A_DAY;
    int64_t year;
    int month, day;

    if (rest < 0) {
        days--;
        rest += SECONDS_A_DAY;
    }
    date_of(days, &year, &month, &day);
    if (year < 0 || year > 9999) { /* no form for it: the epoch */
        http_date_format(out, 0);
        return;
    }
    memcpy(out, "Sun, 06 Nov 1994 08:49:37 GMT", HTTP_DATE_SIZE);
    memcpy(out, WEEKDAYS[((days % 7) + 11) % 7], 3);
    two_digits(out + 5, day);
    memcpy(out + 8, MONTHS[month - 1], 3);
    two_digits(out + 12, (int)(year / 100));
    two_digits(out + 14, (int)(year % 100));
    two_digits(out + 17, (int)(rest / 3600));
    two_digits(out + 20, (int)(rest / 60 % 60));
    two_digits(out + 23, (int)(rest % 60));
}

const char *http_clock_line(struct http_clock *clock)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != clock->second || clock->line[0] == '\0') {
        char date[HTTP_DATE_SIZE];

        http_date_format(date, now.tv_sec);
        memcpy(clock->line, "Date: ", 6);
        memcpy(clock->line + 6, date, HTTP_DATE_SIZE - 1);
        memcpy(clock->line + 35, "\r\n", 3);
        clock->second = now.tv_sec;
    }
    return clock->line;
}

/* Reading: a cursor over the text, and what has been read. */
struct date_reader {
    const char *at, *end;
    int year, month, day, hour, minute, second; /* month 1 to 12 */
    bool short_year; /* it had two digits, and is in this century till that is judged */
};

static bool literal(struct date_reader *r, const char *text)
{
    size_t length = strlen(text);

    if ((size_t)(r->end - r->at) < length || memcmp(r->at, text, length) != 0)
        return false;
    r->at += length;
    return true;
}

static bool number(struct date_reader *r, int digits, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++, r->at++) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9')
            return false;
        *value = *value * 10 + (*r->at - '0');
    }
    return true;
}

/* Reads one of the names; its number, from 1. */
static bool name(struct date_reader *r, const char *const names[], int count, int *which)
{
    for (*which = 1; *which <= count; ++*which)
        if (literal(r, names[*which - 1]))
            return true;
    return false;
}

static bool short_year(struct date_reader *r)
{
    int64_t this_year;
    int year, ignored;

    if (!number(r, 2, &year))
        return false;
    date_of(time(NULL) / SECONDS_A_DAY, &this_year, &ignored, &ignored);
    r->year = (int)(this_year / 100 * 100) + year;
    r->short_year = true;
    return true;
}

/* Reads what a letter stands for in strptime(3). */
static bool part(struct date_reader *r, char letter)
{
    int ignored;

    switch (letter) {
    case 'a':
        return name(r, WEEKDAYS, 7, &ignored);
    case 'A':
        return name(r, LONG_WEEKDAYS, 7, &ignored);
    case 'b':
        return name(r, MONTHS, 12, &r->month);
    case 'd':
        return number(r, 2, &r->day);
    case 'e': /* may begin with a space */
        return literal(r, " ") ? number(r, 1, &r->day) : number(r, 2, &r->day);
    case 'T':
        return number(r, 2, &r->hour) && literal(r, ":") && number(r, 2, &r->minute) &&
               literal(r, ":") && number(r, 2, &r->second);
    case 'y':
        return short_year(r);
    default: /* Y */
        return number(r, 4, &r->year);
    }
}

/* The whole text is a date of that form. */
static bool has_form(struct date_reader *r, const char *form)
{
    for (; *form != '\0'; form++)
        if (*form == '%' ? !part(r, *++form) : !literal(r, (const char[]){*form, '\0'}))
            return false;
    return r->at == r->end;
}

/* The time of a date that was read; false for a day or time that does not exist. */
static bool seconds_of(const struct date_reader *r, int64_t *seconds)
{
    int64_t days = days_of(r->year, r->month, r->day);
    int64_t year;
    int check_month, check_day;

    if (r->hour > 23 || r->minute > 59 || r->second > 60 || r->day < 1)
        return false;
    date_of(days, &year, &check_month, &check_day);
    if (check_month != r->month || check_day != r->day)
        return false;
    *seconds = days * SECONDS_A_DAY + r->hour * 3600 + r->minute * 60 + r->second;
    return true;
}

/* "More than 50 years in the future" means the past century (RFC 9110, 5.6.7). */
static bool is_far_ahead(int64_t seconds)
{
    time_t now = time(NULL);
    int64_t year;
    int month_now, day_now;

    date_of(now / SECONDS_A_DAY, &year, &month_now, &day_now);
    return seconds > days_of(year + 50, month_now, day_now) * SECONDS_A_DAY + now % SECONDS_A_DAY;
}

bool http_date_parse(struct http_slice text, int64_t *seconds)
{
    static const char *const FORMS[] = {
        "%a, %d %b %Y %T GMT", /* IMF-fixdate */
        "%A, %d-%b-%y %T GMT", /* of RFC 850 */
        "%a %b %e %T %Y",      /* of asctime() */
    };

    for (size_t i = 0; i < sizeof FORMS / sizeof FORMS[0]; i++) {
        struct date_reader r = {.at = text.data, .end = text.data + text.length};

        if (!has_form(&r, FORMS[i]))
            continue;
        if (!seconds_of(&r, seconds))
            return false;
        if (!r.short_year || !is_far_ahead(*seconds))
            return true;
        r.year -= 100;
        return seconds_of(&r, seconds);
    }
    return false;
}
