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
    CHAR_HOST = 8,   /* reg-name: unreserved, sub-delims and '%' */
    CHAR_HEX = 16,
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char byte, unsigned classes)
{
    return (http_chars[(unsigned char)byte] & classes) != 0;
}

#endif
