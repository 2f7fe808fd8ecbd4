/* SPDX-License-Identifier: MIT
 *
 * A text that grows as it is written: see text.h.
 *
 * Escaping is done here and nowhere else in the handler, so that no value can
 * end a string or open a tag.
 */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

void text_init(struct text *text)
{
    *text = (struct text){.most = TEXT_MAX};
}

void text_term(struct text *text)
{
    free(text->data);
    text_init(text);
}

/* Makes room for length more bytes; false when there is none. */
static bool text_reserve(struct text *text, size_t length)
{
    size_t capacity;
    char *data;

    if (text->error != 0)
        return false;
    if (length > text->most - text->length) {
        text->error = -EMSGSIZE;
        return false;
    }
    if (text->length + length <= text->capacity)
        return true;

    capacity = text->capacity == 0 ? 4096 : text->capacity;
    while (capacity < text->length + length)
        capacity *= 2;
    data = realloc(text->data, capacity);
    if (data == NULL) {
        text->error = -ENOMEM;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

static void text_add_bytes(struct text *text, const char *data, size_t length)
{
    if (length == 0 || !text_reserve(text, length))
        return;
    memcpy(text->data + text->length, data, length);
    text->length += length;
}

void text_add(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text->error = text->error != 0 ? text->error : -EINVAL;
        return;
    }
    if (!text_reserve(text, (size_t)length + 1)) /* vsnprintf() writes a NUL, not kept */
        return;
    va_start(arguments, format);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

/*
 * The length of the well-formed UTF-8 sequence that s begins with (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF), or 0. s is
 * NUL-terminated, so a sequence cut short ends at a byte that is no continuation.
 */
static size_t utf8_sequence(const unsigned char *s)
{
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t length;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        length = 2;
    else if ((s[0] & 0xf0) == 0xe0)
        length = 3;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static bool utf8_valid(const unsigned char *s)
{
    while (*s != '\0') {
        size_t length = utf8_sequence(s);
        if (length == 0)
            return false;
        s += length;
    }
    return true;
}

void text_add_json(struct text *text, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;
    bool valid = utf8_valid(s);

    text_add_bytes(text, "\"", 1);
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            text_add(text, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f || (*s >= 0x80 && !valid))
            text_add(text, "\\u%04x", *s);
        else
            text_add_bytes(text, (const char *)s, 1);
    }
    text_add_bytes(text, "\"", 1);
}

void text_add_html(struct text *text, const char *value)
{
    static const char special[] = "&<>\"'";
    static const char *const escaped[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    for (const char *s = value; *s != '\0'; s++) {
        const char *found = strchr(special, *s);

        if (found != NULL)
            text_add(text, "%s", escaped[found - special]);
        else
            text_add_bytes(text, s, 1);
    }
}

int text_reply(struct text *text, struct http_exchange *x, const char *content_type)
{
    int error;

    if (text->error == -ENOMEM)
        error = text->error;
    else if (text->error != 0)
        error = http_error(x, 500, "cannot write the answer: %s", strerror(-text->error));
    else
        error = http_reply(x, 200, content_type, text->data, text->length);
    text_term(text);
    return error;
}
