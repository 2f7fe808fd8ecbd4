/* SPDX-License-Identifier: MIT
 *
 * The small readings that handlers share: slices, fields by name, and the query
 * with its refusals. http_error() is replaced by one that writes down what it was
 * told; every query ends at a page that cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "edge.h"
#include "http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ANSWERED = -4242 }; /* what the replaced http_error() returns */

/* A request's query, and the refusal it met. */
struct asked {
    struct http_exchange x; /* first */
    struct http_request request;
    unsigned refusals;
    char reason[400];
};

int http_error(struct http_exchange *x, unsigned status, const char *format, ...)
{
    struct asked *asked = (struct asked *)(void *)x;
    va_list arguments;

    assert_int_equal(status, 400);
    va_start(arguments, format);
    vsnprintf(asked->reason, sizeof asked->reason, format, arguments);
    va_end(arguments);
    asked->refusals++;
    return ANSWERED;
}

static struct asked *ask(void **state, const char *query)
{
    static struct asked asked;
    size_t length = strlen(query);

    memset(&asked, 0, sizeof asked);
    asked.request.query = (struct http_slice){edge_place(*state, query, length), length};
    asked.x.request = &asked.request;
    return &asked;
}

/* --- slices and fields ---------------------------------------------------------- */

static struct http_slice at_edge(void **state, const char *text)
{
    return (struct http_slice){edge_place(*state, text, strlen(text)), strlen(text)};
}

static void comparing_slices(void **state)
{
    static const struct {
        const char *slice, *text;
        bool is, nocase;
    } rows[] = {
        {"", "", true, true},          {"a", "a", true, true},    {"a", "A", false, true},
        {"Ab-1", "aB-1", false, true}, {"a", "", false, false},   {"", "a", false, false},
        {"a", "ab", false, false},     {"ab", "a", false, false}, {"ab", "ac", false, false},
        {"@", "`", false, false},      {"[", "{", false, false},  {"\xe9", "\xc9", false, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (http_slice_is(at_edge(state, rows[i].slice), rows[i].text) != rows[i].is ||
            http_slice_is_nocase(at_edge(state, rows[i].slice), rows[i].text) != rows[i].nocase)
            fail_msg("\"%s\" and \"%s\"", rows[i].slice, rows[i].text);
    }
    assert_false(http_slice_is((struct http_slice){"a\0b", 3}, "a"));
    assert_false(http_slice_is_nocase((struct http_slice){"a\0b", 3}, "A"));
}

static void the_first_field_of_a_name(void **state)
{
    static const struct http_request request = {
        .field_count = 4,
        .fields = {{{"Host", 4}, {"a", 1}},
                   {{"X-Two", 5}, {"first", 5}},
                   {{"x-two", 5}, {"second", 6}},
                   {{"Empty", 5}, {"", 0}},
                   {{"Beyond", 6}, {"stale", 5}}},
    };

    (void)state;
    assert_true(http_slice_is(http_field(&request, "x-TWO"), "first"));
    assert_true(http_slice_is(http_field(&request, "host"), "a"));
    assert_non_null(http_field(&request, "empty").data);
    assert_int_equal(http_field(&request, "empty").length, 0);
    assert_null(http_field(&request, "X-Tw").data);
    assert_null(http_field(&request, "X-Twos").data);
    assert_null(http_field(&request, "").data);
    assert_null(http_field(&request, "Beyond").data);
}

/* --- http_query_check() --------------------------------------------------------- */

static const char *const NAMES[] = {"a", "ms", "cpu"};

static void accepted_queries(void **state)
{
    static const char *const queries[] = {
        "",      "a=1",      "ms=1", "a=1&ms=2", "cpu=3&a=1&ms=2", "a=",       "a==",
        "a=b=c", "a=?/",     "a=1&", "%61=1",    "m%73=1",         "%6D%73=1", "%6d%73=%31&%61=",
        "a=%zz", "a=%26%3d",
    };

    for (size_t i = 0; i < COUNT(queries); i++) {
        int error = 4711;
        struct asked *asked = ask(state, queries[i]);

        if (!http_query_check(&asked->x, NAMES, COUNT(NAMES), &error) || asked->refusals != 0)
            fail_msg("\"%s\": %s", queries[i], asked->reason);
    }
}

static void refused_queries(void **state)
{
    static const struct {
        const char *query, *named; /* what the reason must mention */
    } rows[] = {
        {"b=1", "\"b\""},
        {"A=1", "\"A\""},
        {"aa=1", "\"aa\""},
        {"m=1", "\"m\""},
        {"msx=1", "\"msx\""},
        {"=1", "\"\""},
        {"a", "\"a\""},
        {"a=1&ms", "\"ms\""},
        {"&a=1", "\"\""},
        {"a=1&&ms=2", "\"\""},
        {"a=1&a=1", "\"a\""},
        {"ms=1&a=1&ms=2", "\"ms\""},
        {"cpu=1&cpu=", "\"cpu\""},
        {"a=1&x=2", "\"x\""},
        {"%62=1", "\"%62\""},
        {"%61%61=1", "\"%61%61\""},
        {"%2561=1", "\"%2561\""}, /* undone once */
        {"%61", "\"%61\""},
        {"%61%3D1", "\"%61%3D1\""},
        {"a%00=1", "\"a%00\""},
        {"%6=1", "\"%6\""},
        {"%=1", "\"%\""},
        {"%zz=1", "\"%zz\""},
        {"a=1&%61=1", "\"a\""},
        {"%61=1&a=1", "\"a\""},
        {"a=1%26ms=1&a=1", "\"a\""},
        {"a+=1", "\"a+\""},
        {"a;ms=1", "\"a;ms\""},
        {"&", "\"\""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int error = 4711;
        struct asked *asked = ask(state, rows[i].query);

        if (http_query_check(&asked->x, NAMES, COUNT(NAMES), &error))
            fail_msg("\"%s\" is accepted", rows[i].query);
        assert_int_equal(asked->refusals, 1);
        assert_int_equal(error, ANSWERED);
        if (strstr(asked->reason, rows[i].named) == NULL)
            fail_msg("\"%s\": %s", rows[i].query, asked->reason);
    }
}

static void a_route_without_parameters(void **state)
{
    int error = 4711;

    assert_true(http_query_check(&ask(state, "")->x, NULL, 0, &error));
    assert_false(http_query_check(&ask(state, "a=1")->x, NULL, 0, &error));
    assert_int_equal(error, ANSWERED);
}

static void a_long_name_is_cut_in_the_reason(void **state)
{
    char query[5001];
    int error = 0;
    struct asked *asked;

    memset(query, 'x', sizeof query - 1);
    query[sizeof query - 1] = '\0';
    asked = ask(state, query);
    assert_false(http_query_check(&asked->x, NAMES, COUNT(NAMES), &error));
    assert_in_range(strlen(asked->reason), 80, 200);
}

/* --- http_query_number() -------------------------------------------------------- */

static void numbers(void **state)
{
    static const struct {
        const char *query;
        uint64_t minimum, maximum, value;
    } rows[] = {
        {"a=0", 0, 9, 0},
        {"a=9", 0, 9, 9},
        {"a=5", 5, 5, 5},
        {"a=007", 0, 9, 7},
        {"ms=1&a=2&cpu=3", 0, 9, 2},
        {"cpu=3&a=2", 0, 9, 2},
        {"a=1&a=2", 0, 9, 1}, /* check() refuses it; here the first counts */
        {"aa=1&a=2", 0, 9, 2},
        {"a=18446744073709551614", 0, UINT64_MAX, UINT64_MAX - 1},
        {"a=18446744073709551615", 0, UINT64_MAX, UINT64_MAX},
        {"a=%39", 0, 9, 9},
        {"%61=1%30%31", 0, 999, 101},
        {"", 0, 9, 77},
        {"%41=1", 0, 9, 77},
        {"ms=1", 0, 9, 77},
        {"A=1", 0, 9, 77},
        {"aa=1", 0, 9, 77},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct asked *asked = ask(state, rows[i].query);
        uint64_t value = 4711;
        int error = 0;

        if (!http_query_number(&asked->x, "a", rows[i].minimum, rows[i].maximum, 77, &value,
                               &error) ||
            value != rows[i].value || asked->refusals != 0)
            fail_msg("\"%s\" gives %llu", rows[i].query, (unsigned long long)value);
    }
}

static void no_numbers(void **state)
{
    static const struct {
        const char *query;
        uint64_t minimum, maximum;
    } rows[] = {
        {"a=", 0, 9},        {"a=x", 0, 9},    {"a=1x", 0, 9},
        {"a=x1", 0, 9},      {"a=-1", 0, 9},   {"a=+1", 0, 9},
        {"a= 1", 0, 9},      {"a=1 ", 0, 9},   {"a=0x1", 0, 9},
        {"a=1.0", 0, 9},     {"a=1e1", 0, 99}, {"a=%2B1", 0, 9},
        {"a=%201", 0, 9},    {"a=1%00", 0, 9}, {"a=%2531", 0, 9},
        {"a=1%", 0, 9},      {"a=%3", 0, 9},   {"a=%zz", 0, 9},
        {"a=%61", 0, 9},     {"%61=x", 0, 9},  {"a=1,0", 0, 9},
        {"a=10", 0, 9},      {"a=4", 5, 9},    {"a=0", 1, 9},
        {"a=/", 0, 9},       {"a=:", 0, 9},    {"a=99999999999999999999999", 0, 9},
        {"ms=1&a=10", 0, 9},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct asked *asked = ask(state, rows[i].query);
        uint64_t value;
        int error = 0;

        if (http_query_number(&asked->x, "a", rows[i].minimum, rows[i].maximum, 77, &value, &error))
            fail_msg("\"%s\" gives %llu", rows[i].query, (unsigned long long)value);
        assert_int_equal(asked->refusals, 1);
        assert_int_equal(error, ANSWERED);
    }
}

static void numbers_do_not_wrap(void **state)
{
    static const char *const queries[] = {"a=18446744073709551616", "a=18446744073709551620",
                                          "a=99999999999999999999", "a=36893488147419103233"};

    for (size_t i = 0; i < COUNT(queries); i++) {
        struct asked *asked = ask(state, queries[i]);
        uint64_t value = 0;
        int error = 0;

        if (http_query_number(&asked->x, "a", 0, UINT64_MAX, 77, &value, &error))
            fail_msg("\"%s\" gives %llu", queries[i], (unsigned long long)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing_slices),
        cmocka_unit_test(the_first_field_of_a_name),
        cmocka_unit_test(accepted_queries),
        cmocka_unit_test(refused_queries),
        cmocka_unit_test(a_route_without_parameters),
        cmocka_unit_test(a_long_name_is_cut_in_the_reason),
        cmocka_unit_test(numbers),
        cmocka_unit_test(no_numbers),
        cmocka_unit_test(numbers_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, edge_setup, edge_teardown);
}
