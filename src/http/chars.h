/* SPDX-License-Identifier: MIT
 *
 * Which bytes may stand where in HTTP/1.1: one table, a bit for each class.
 * Source: RFC 9110, 5.6.2 (token) and 5.5 (field value); RFC 3986, 2 (characters).
 *
 * A query may hold "`", '{', '|' and '}' as they are, which no URI may: the query percent-encode
 * set of the WHATWG's URL Standard lacks them, so browsers send them so for links like "?q=a|b",
 * and nothing between here and the handler gives them a meaning. It lacks '\' and '^' too; these
 * are refused all the same, as what some programs behind a server take for a slash or an escape. In
 * a path, where a file's name would be at stake, the grammar is kept to the letter.
 */
#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

enum {
    CHAR_TOKEN = 1,  /* tchar: method, field name, chunk extension name */
    CHAR_TARGET = 2, /* request target, "[" and "]" included for IPv6 literals */
    CHAR_VALUE = 4,  /* field value: VCHAR, SP, HTAB, obs-text */
    CHAR_HOST = 8,   /* reg-name: unreserved and sub-delims; '%' only begins an escape */
    CHAR_HEX = 16,
    CHAR_QUERY = 32, /* the target behind its '?': these and what browsers do not escape there */
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char byte, unsigned classes)
{
    return (http_chars[(unsigned char)byte] & classes) != 0;
}

/* White space within a line. */
static inline bool http_is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The text without such around it. */
static inline struct http_slice http_trim(struct http_slice text)
{
    for (; text.length > 0 && http_is_blank(*text.data); text.length--)
        text.data++;
    while (text.length > 0 && http_is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

/* The value of a hexadecimal digit, or -1. */
static inline int http_hex_value(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* The first byte from p on that is in none of the classes, or end. */
static inline const char *http_chars_skip(const char *p, const char *end, unsigned classes)
{
    while (end - p >= 4) { /* fewer comparisons with end */
        if (!http_char_is(p[0], classes))
            return p;
        if (!http_char_is(p[1], classes))
            return p + 1;
        if (!http_char_is(p[2], classes))
            return p + 2;
        if (!http_char_is(p[3], classes))
            return p + 3;
        p += 4;
    }
    while (p < end && http_char_is(*p, classes))
        p++;
    return p;
}

#endif
