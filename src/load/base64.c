/* SPDX-License-Identifier: MIT
 *
 * Four characters for three bytes.
 */
#include "load/base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const unsigned char *bytes, size_t length)
{
    size_t groups = (length + 2) / 3;
    char *text = malloc(4 * groups + 1);

    if (text == NULL)
        return NULL;
    for (size_t group = 0; group < groups; group++) {
        size_t left = length - 3 * group;
        uint32_t bits = 0;

        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < left ? bytes[3 * group + i] : 0);
        for (size_t i = 0; i < 4; i++)
            text[4 * group + i] = i <= left ? alphabet[bits >> (6 * (3 - i)) & 0x3f] : '=';
    }
    text[4 * groups] = '\0';
    return text;
}

/* The number that a character stands for; -1: none. */
static int value_of(char character)
{
    const char *found = memchr(alphabet, character, sizeof alphabet - 1);

    return found == NULL ? -1 : (int)(found - alphabet);
}

int base64_decode(const char *text, size_t length, unsigned char **bytes, size_t *bytes_length)
{
    size_t padding = 0, made = 0;
    unsigned char *decoded;
    uint32_t bits = 0;

    if (length % 4 != 0)
        return -EINVAL;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    decoded = calloc(1, length / 4 * 3 + 1);
    if (decoded == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        int value = i < length - padding ? value_of(text[i]) : 0;

        if (value < 0)
            goto invalid;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 3)
            for (int shift = 16; shift >= 0; shift -= 8)
                decoded[made++] = (unsigned char)(bits >> shift);
    }
    for (size_t i = 0; i < padding; i++)
        if (decoded[--made] != 0) /* bits that belong to no byte */
            goto invalid;
    *bytes = decoded;
    *bytes_length = made;
    return 0;
invalid:
    free(decoded);
    return -EINVAL;
}
