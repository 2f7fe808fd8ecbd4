/* SPDX-License-Identifier: MIT
 *
 * What Accept says of a type: the most precise range counts, weights as RFC 9110, 12.4.2 and 12.5.1
 * have them; every field ends at a page that cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "edge.h"
#include "http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *accept;
    unsigned weight; /* of text/html */
    bool named;
} weighed[] = {
    {"*/*", 1000, false},
    {"text/*", 1000, false},
    {"text/html", 1000, true},
    {"TEXT/HTML", 1000, true},
    {"text/html;q=0.5", 500, true},
    {"text/html ; q=0.5", 500, true},
    {"text/html;Q=0.125", 125, true},
    {"text/html;q=1", 1000, true},
    {"text/html;q=1.", 1000, true},
    {"text/html;q=1.000", 1000, true},
    {"text/html;q=0", 0, true},
    {"text/html;q=0.", 0, true},
    {"text/html;q=0.000", 0, true},
    {"text/html;q=0.001", 1, true},
    {"text/html;charset=utf-8;q=0.2", 200, true},
    {"text/html;a=\"b,c;q=0.9\";q=0.2", 200, true},
    {"text/html;a=\"\\\";q=0.9\";q=0.2", 200, true},
    /* Malformed weights are none. */
    {"text/html;q=2", 1000, true},
    {"text/html;q=1.5", 1000, true},
    {"text/html;q=-0", 1000, true},
    {"text/html;q=", 1000, true},
    {"text/html;q=0.0001", 1000, true},
    {"text/html;q=.5", 1000, true},
    {"text/html;q=0x5", 1000, true},
    {"text/html;q", 1000, true},
    {"text/html;quality=0", 1000, true},
    /* What is more precise counts, wherever it stands. */
    {"*/*, text/html;q=0.1", 100, true},
    {"text/html;q=0.1, */*", 100, true},
    {"text/*;q=0.3, */*;q=0.8", 300, false},
    {"*/*;q=0.8, text/*;q=0.3", 300, false},
    {"text/html;q=0.1, text/html;q=0.7", 100, true},
    {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 1000, true},
    /* What does not cover it. */
    {"application/json", 0, false},
    {"text/htm", 0, false},
    {"text/htmlx", 0, false},
    {"text/", 0, false},
    {"text", 0, false},
    {"*", 0, false},
    {"*/html", 0, false},
    {"image/*", 0, false},
    {"texts/*", 0, false},
    {"text/**", 0, false},
    {"x=\"text/html\"", 0, false},
    {"\"text/html", 0, false},
    {"", 0, false},
    {",", 0, false},
    {" , ;q=1 , ", 0, false},
    {" ,\ttext/html\t,", 1000, true},
};

static void weights(void **state)
{
    for (size_t i = 0; i < COUNT(weighed); i++) {
        size_t length = strlen(weighed[i].accept);
        struct http_request request = {
            .field_count = 1,
            .fields = {{{"Accept", 6}, {edge_place(*state, weighed[i].accept, length), length}}},
        };
        bool named;
        unsigned weight = http_accept_weight(&request, "text/html", &named);

        if (weight != weighed[i].weight || named != weighed[i].named)
            fail_msg("\"%s\": %u, %s", weighed[i].accept, weight, named ? "named" : "not named");
    }
}

static void several_fields_are_one_list(void **state)
{
    const struct http_request request = {
        .field_count = 4,
        .fields = {{{"Accept", 6}, {"text/plain", 10}},
                   {{"Accept-Language", 15}, {"text/html", 9}},
                   {{"ACCEPT", 6}, {"text/*;q=0.4", 12}},
                   {{"accept", 6}, {"*/*;q=0.2", 9}}},
    };
    bool named;

    (void)state;
    assert_int_equal(http_accept_weight(&request, "text/plain", &named), 1000);
    assert_true(named);
    assert_int_equal(http_accept_weight(&request, "text/html", &named), 400);
    assert_false(named);
    assert_int_equal(http_accept_weight(&request, "image/png", &named), 200);
}

static void without_it_anything_will_do(void **state)
{
    const struct http_request request = {.field_count = 1, .fields = {{{"Host", 4}, {"a", 1}}}};
    bool named;

    (void)state;
    assert_int_equal(http_accept_weight(&request, "text/html", &named), 1000);
    assert_false(named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights),
        cmocka_unit_test(several_fields_are_one_list),
        cmocka_unit_test(without_it_anything_will_do),
    };
    return cmocka_run_group_tests(tests, edge_setup, edge_teardown);
}
