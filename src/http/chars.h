/* SPDX-License-Identifier: MIT
 *
 * Which bytes may stand where in HTTP/1.1: one table, a bit for each class.
 * Source: RFC 9110, 5.6.2 (token) and 5.5 (field value); RFC 3986, 2 (characters).
 */
#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CHAR_TOKEN = 1,  /* tchar: method, field name, chunk extension name */
    CHAR_TARGET = 2, /* request target, "[" and "]" included for IPv6 literals */
    CHAR_VALUE = 4,  /* field value: VCHAR, SP, HTAB, obs-text */
    CHAR_HOST = 8,   /* reg-name: unreserved and sub-delims; '%' only begins an escape */
    CHAR_HEX = 16,
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char byte, unsigned classes)
{
    return (http_chars[(unsigned char)byte] & classes) != 0;
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
