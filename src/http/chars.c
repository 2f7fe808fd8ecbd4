/* SPDX-License-Identifier: MIT
 *
 * The table of chars.h; a test derives it again from the grammar's own words.
 * A row holds sixteen bytes' classes. From 0x80 on every byte is obs-text: it
 * may stand in a field value and nowhere else.
 */
#include "http/chars.h"

/* clang-format off */
const uint8_t http_chars[256] = {
    /* 0x00 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0,
    /* 0x10 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* 0x20 */ 4, 15, 4, 5, 15, 7, 15, 15, 14, 14, 15, 15, 14, 15, 15, 6,
    /* 0x30 */ 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 6, 14, 4, 14, 4, 6,
    /* 0x40 */ 6, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    /* 0x50 */ 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 6, 4, 6, 5, 15,
    /* 0x60 */ 5, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    /* 0x70 */ 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 4, 5, 4, 15, 0,
    [0x80 ... 0xff] = CHAR_VALUE,
};
/* clang-format on */
