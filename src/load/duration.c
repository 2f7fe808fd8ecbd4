/* SPDX-License-Identifier: MIT
 *
 * The largest unit of which there is one, after rounding.
 */
#include "load/duration.h"

#include <stddef.h>
#include <stdio.h>

const char *duration_words(char words[DURATION_BYTES], double ns)
{
    static const struct {
        double ns;
        const char *name;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}};
    const size_t smallest = sizeof units / sizeof *units - 1;
    size_t unit = 0;
    double number;
    int decimals;

    while (unit < smallest && ns < units[unit].ns * 0.9995)
        unit++;
    number = ns / units[unit].ns;
    decimals = unit == smallest || number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
    snprintf(words, DURATION_BYTES, "%.*f %s", decimals, number, units[unit].name);
    return words;
}
