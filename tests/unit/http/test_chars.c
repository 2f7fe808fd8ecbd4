/* SPDX-License-Identifier: MIT
 *
 * chars.h: the table, derived again from the words of the grammar that it
 * abbreviates (RFC 9110, 5.5 and 5.6.2; RFC 3986, 2 and 3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http/chars.h"

#define DIGIT      "0123456789"
#define UPPER      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER      "abcdefghijklmnopqrstuvwxyz"
#define UNRESERVED UPPER LOWER DIGIT "-._~"
#define SUB_DELIMS "!$&'()*+,;="

/* Every byte is in the class when it is one of the listed, and only then. */
static void check_class(unsigned class, const char *name, const char *listed)
{
    for (int byte = 0; byte < 256; byte++) {
        bool expected = byte != 0 && strchr(listed, byte) != NULL;

        if (http_char_is((char)byte, class) != expected)
            fail_msg("%s: byte 0x%02x is %s", name, (unsigned)byte, expected ? "missing" : "in it");
    }
}

static void token_is_tchar(void **state)
{
    (void)state;
    check_class(CHAR_TOKEN, "token", "!#$%&'*+-.^_`|~" DIGIT UPPER LOWER);
}

static void target_is_what_a_uri_is_made_of(void **state)
{
    (void)state;
    check_class(CHAR_TARGET, "target", UNRESERVED SUB_DELIMS "%:@/?[]");
}

/* The WHATWG's query percent-encode set, which is C0 controls, space, '"', '#', '<' and '>', leaves
 * these as they are; '\\' and '^' are refused nevertheless. */
static void query_is_target_and_what_browsers_do_not_escape(void **state)
{
    (void)state;
    check_class(CHAR_QUERY, "query",
                UNRESERVED SUB_DELIMS "%:@/?[]"
                                      "`{|}");
}

static void host_is_reg_name(void **state)
{
    (void)state;
    check_class(CHAR_HOST, "host", UNRESERVED SUB_DELIMS);
}

static void hex_is_hexdig_in_either_case(void **state)
{
    (void)state;
    check_class(CHAR_HEX, "hex", DIGIT "ABCDEFabcdef");
}

static void value_is_vchar_blank_and_obs_text(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool expected = byte == '\t' || (byte >= ' ' && byte != 0x7f);

        if (http_char_is((char)byte, CHAR_VALUE) != expected)
            fail_msg("value: byte 0x%02x", (unsigned)byte);
    }
}

static void several_classes_are_their_union(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool either = http_char_is((char)byte, CHAR_TOKEN) || http_char_is((char)byte, CHAR_HOST);

        if (http_char_is((char)byte, CHAR_TOKEN | CHAR_HOST) != either)
            fail_msg("token or host: byte 0x%02x", (unsigned)byte);
    }
}

static void no_byte_is_in_a_class_that_has_no_name(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(http_chars[byte] & ~(CHAR_TOKEN | CHAR_TARGET | CHAR_VALUE | CHAR_HOST |
                                              CHAR_HEX | CHAR_QUERY),
                         0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_is_tchar),
        cmocka_unit_test(target_is_what_a_uri_is_made_of),
        cmocka_unit_test(query_is_target_and_what_browsers_do_not_escape),
        cmocka_unit_test(host_is_reg_name),
        cmocka_unit_test(hex_is_hexdig_in_either_case),
        cmocka_unit_test(value_is_vchar_blank_and_obs_text),
        cmocka_unit_test(several_classes_are_their_union),
        cmocka_unit_test(no_byte_is_in_a_class_that_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
