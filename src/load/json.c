/* SPDX-License-Identifier: MIT
 *
 * Strings are escaped where they must be, and nowhere else.
 */
#include "load/json.h"

#include <math.h>
#include <stdlib.h>

/* How many bytes the character of UTF-8 has that begins there; 0: none does. Surrogates and forms
 * that are longer than they need be are none (RFC 3629, section 4). */
static size_t character_bytes(const unsigned char *at)
{
    size_t more = at[0] < 0x80 ? 0 : at[0] < 0xc2 ? 4 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;

    if (at[0] > 0xf4 || more == 4)
        return 0;
    for (size_t i = 1; i <= more; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return more + 1;
}

void json_string(FILE *to, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    if (text == NULL) {
        fputs("null", to);
        return;
    }
    fputc('"', to);
    while (*at != '\0') {
        size_t bytes = character_bytes(at);

        if (bytes == 0 || *at < 0x20) {
            fprintf(to, "\\u%04x", (unsigned)*at);
            bytes = 1;
        } else if (*at == '"' || *at == '\\') {
            fprintf(to, "\\%c", *at);
        } else {
            fwrite(at, 1, bytes, to);
        }
        at += bytes;
    }
    fputc('"', to);
}

void json_number(FILE *to, double number)
{
    char text[32];

    if (!isfinite(number)) {
        fputs("null", to);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) /* NOLINT(clang-diagnostic-float-equal) */
            break;
    }
    fputs(text, to);
}
