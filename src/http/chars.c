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
    /* 0x20 */ 4, 47, 4, 5, 47, 39, 47, 47, 46, 46, 47, 47, 46, 47, 47, 38,
    /* 0x30 */ 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 38, 46, 4, 46, 4, 38,
    /* 0x40 */ 38, 63, 63, 63, 63, 63, 63, 47, 47, 47, 47, 47, 47, 47, 47, 47,
    /* 0x50 */ 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 38, 4, 38, 5, 47,
    /* 0x60 */ 37, 63, 63, 63, 63, 63, 63, 47, 47, 47, 47, 47, 47, 47, 47, 47,
    /* 0x70 */ 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 47, 36, 37, 36, 47, 0,
    [0x80 ... 0xff] = CHAR_VALUE,
};
/* clang-format on */
