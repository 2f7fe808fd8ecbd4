/* SPDX-License-Identifier: MIT
 *
 * uri.h: what names a database or a cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/uri.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void kinds(void **state)
{
    static const char *const none[] = {
        "",          "sqlite",      "sqlite:",  "world.sqlite", "postgresql:/a",
        "postgres:", "mysql://a/b", "SQLITE:a", " sqlite:a"};

    (void)state;
    assert_int_equal(db_uri_kind("sqlite:a"), DB_KIND_SQLITE);
    assert_int_equal(db_uri_kind("sqlite:/a b/c"), DB_KIND_SQLITE);
    assert_int_equal(db_uri_kind(DB_URI_DEFAULT), DB_KIND_AUTO);
    assert_int_equal(db_uri_kind("postgresql://"), DB_KIND_POSTGRES);
    assert_int_equal(db_uri_kind("postgres://a@b:1/c?d=e"), DB_KIND_POSTGRES);
    for (size_t i = 0; i < COUNT(none); i++)
        assert_int_equal(db_uri_kind(none[i]), DB_KIND_NONE);
    assert_string_equal(db_uri_path("sqlite:/a/b"), "/a/b");
}

static void addresses(void **state)
{
    static const char *const good[] = {"a:1", "127.0.0.1:65535", "[::1]:6379", "unix:/a"};
    static const char *const bad[] = {"",
                                      "a",
                                      "a:",
                                      ":1",
                                      "a:0",
                                      "a:65536",
                                      "a:b",
                                      "::1",
                                      "::1:1",
                                      "[]:1",
                                      "[::1]1",
                                      "[::1]",
                                      "unix:a",
                                      "unix:",
                                      "a:1234567890123",
                                      "a:-1",
                                      "a:1 ",
                                      "secret@a:1",
                                      ":secret@a:1",
                                      "redis://a:1",
                                      "redis://:secret@a:1",
                                      "unix:/a?password=secret"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!db_address_is_valid(good[i]))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (db_address_is_valid(bad[i]))
            fail_msg("%s", bad[i]);
}

static void parts_of_an_address(void **state)
{
    char host[6];
    const char *port;

    (void)state;
    assert_true(db_address_split("abcde:12", host, sizeof host, &port));
    assert_string_equal(host, "abcde");
    assert_string_equal(port, "12");
    assert_true(db_address_split("[::1]:6379", host, sizeof host, &port));
    assert_string_equal(host, "::1");
    assert_string_equal(port, "6379");
    assert_false(db_address_split("abcdef:12", host, sizeof host, &port));
}

static void ports(void **state)
{
    static const struct {
        const char *ports, *hosts;
        bool valid;
    } cases[] = {
        {"1", "a", true},        {"65535", NULL, true},   {"", NULL, true},
        {"5432", "a,b", true},   {"1,2", "a,b", true},    {",2", "a,b", true},
        {",", "a,b", true},      {"0", "a", false},       {"65536", "a", false},
        {"-1", "a", false},      {"x", "a", false},       {"notaport", "h", false},
        {"1x", "a", false},      {" 1", "a", false},      {"1,x", "a,b", false},
        {"x,1", "a,b", false},   {"1,2", "a", false},     {"1,2", NULL, false},
        {"1,2,3", "a,b", false}, {"1,2", "a,b,c", false}, {"12345678901", "a", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (db_ports_are_valid(cases[i].ports, cases[i].hosts) != cases[i].valid)
            fail_msg("%s", cases[i].ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(addresses),
        cmocka_unit_test(parts_of_an_address),
        cmocka_unit_test(ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
