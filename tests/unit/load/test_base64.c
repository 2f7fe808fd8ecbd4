/* SPDX-License-Identifier: MIT
 *
 * Bytes to text and back; what base64_encode() would not have written is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load/base64.h"

/* Those of RFC 4648, section 10, and the two last characters of the alphabet. */
static void test_both_ways(void **state)
{
    static const struct {
        const char *bytes, *text;
    } cases[] = {{"", ""},
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"},
                 {"\xfb\xff\xbf", "+/+/"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].bytes), read_length;
        char *text = base64_encode((const unsigned char *)cases[i].bytes, length);
        unsigned char *bytes;

        assert_non_null(text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(base64_decode(text, strlen(text), &bytes, &read_length), 0);
        assert_int_equal(read_length, length);
        assert_memory_equal(bytes, cases[i].bytes, length);
        free(bytes);
        free(text);
    }
}

static void test_what_is_none(void **state)
{
    static const char *const cases[] = {"Z",    "Zg",   "Zg=",  "Zg===", "====",     "=Zg=", "Z===",
                                        "Zh==", "Zm9=", "Zm-_", "Zm9\n", "Zg==Zg==", " Zg="};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *bytes = NULL;
        size_t length;

        if (base64_decode(cases[i], strlen(cases[i]), &bytes, &length) != -EINVAL)
            fail_msg("%s was read", cases[i]);
        assert_null(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
