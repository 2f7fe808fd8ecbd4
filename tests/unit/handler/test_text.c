/* SPDX-License-Identifier: MIT
 *
 * The growing text: escaping, growth, its bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "handler/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void check(struct text *text, const char *expected)
{
    assert_int_equal(text->error, 0);
    if (text->length != strlen(expected) || memcmp(text->data, expected, text->length) != 0)
        fail_msg("expected %s, got %.*s", expected, (int)text->length, text->data);
    text_term(text);
}

static void test_json(void **state)
{
    static const struct {
        const char *value, *json;
    } cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\""},
        {"/a/b", "\"/a/b\""},
        {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", "\"\xe2\x82\xac \xf0\x9f\x98\x80\""},
        /* not UTF-8: cut short, a stray byte, overlong, a surrogate, beyond U+10FFFF */
        {"\xc3", "\"\\u00c3\""},
        {"a\xff", "\"a\\u00ff\""},
        {"\xe2\x82", "\"\\u00e2\\u0082\""},
        {"\xc0\xaf", "\"\\u00c0\\u00af\""},
        {"\xe0\x80\xaf", "\"\\u00e0\\u0080\\u00af\""},
        {"\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\""},
        {"\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\""},
        {"\x80", "\"\\u0080\""},
        {"\xc3\xa9\xff", "\"\\u00c3\\u00a9\\u00ff\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct text text;
        text_init(&text);
        text_add_json(&text, cases[i].value);
        check(&text, cases[i].json);
    }
}

static void test_html(void **state)
{
    struct text text;

    (void)state;
    text_init(&text);
    text_add_html(&text, "<b class=\"x\">a & 'b'</b>");
    check(&text, "&lt;b class=&quot;x&quot;&gt;a &amp; &#39;b&#39;&lt;/b&gt;");
}

static void test_growth(void **state)
{
    struct text text;

    (void)state;
    text_init(&text);
    for (int i = 0; i < 20000; i++)
        text_add(&text, "%05d", i);
    assert_int_equal(text.error, 0);
    assert_int_equal(text.length, 100000);
    assert_memory_equal(text.data, "0000000001", 10);
    assert_memory_equal(text.data + 99995, "19999", 5);
    text_term(&text);
    assert_null(text.data);
}

static void test_bound(void **state)
{
    static char block[64 * 1024];
    struct text text;
    size_t length;

    (void)state;
    memset(block, 'a', sizeof block - 1);
    text_init(&text);
    for (int i = 0; i < 1000; i++)
        text_add(&text, "%s", block);
    assert_int_equal(text.error, -EMSGSIZE);
    assert_true(text.length <= TEXT_MAX && text.length > TEXT_MAX - sizeof block);
    length = text.length;
    text_add(&text, "x"); /* would fit, but the text is broken already */
    assert_int_equal(text.length, length);
    text_term(&text);
}

/* What waiting mends is no 500: the connection answers 503, with no text to need memory for. */
static void test_without_memory(void **state)
{
    struct text text;

    (void)state;
    text_init(&text);
    text_add(&text, "a");
    text.error = -ENOMEM;
    assert_int_equal(text_reply(&text, NULL, "text/plain"), -ENOMEM);
    assert_null(text.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),           cmocka_unit_test(test_html),
        cmocka_unit_test(test_growth),         cmocka_unit_test(test_bound),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests_name("handler/text", tests, NULL, NULL);
}
