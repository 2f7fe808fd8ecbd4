/* SPDX-License-Identifier: MIT
 *
 * For test_hdr_js.py: what histogram.c and hdr.c make of values and of texts, a line for each line
 * of standard input.
 *
 *   record VALUE...    the histogram of these, as text
 *   read TEXT          what is counted in it: count, max, the percentiles 50, 90, 99, 99.9, 99.99
 *                      (for an error its number) and then each step that counts some, LOWEST:COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/hdr.h"

static struct histogram histogram;

static void record(char *values)
{
    char *value, *text;

    memset(&histogram, 0, sizeof histogram);
    while ((value = strsep(&values, " ")) != NULL)
        histogram_record(&histogram, strtoll(value, NULL, 10));
    text = hdr_encode(&histogram);
    puts(text != NULL ? text : "no memory");
    free(text);
}

static void read_text(const char *text)
{
    static const unsigned shares[] = {5000, 9000, 9900, 9990, 9999};
    int error = hdr_decode(text, strlen(text), &histogram);

    if (error != 0) {
        printf("%d\n", error);
        return;
    }
    printf("%llu %lld", (unsigned long long)histogram_total(&histogram),
           (long long)histogram_max_ns(&histogram));
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf(" %lld", (long long)histogram_percentile_ns(&histogram, shares[i]));
    for (size_t step = 0; step < HISTOGRAM_STEPS; step++)
        if (histogram.counts[step] > 0)
            printf(" %lld:%llu", (long long)histogram_lowest_ns(step),
                   (unsigned long long)histogram.counts[step]);
    puts("");
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, stdin)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (strncmp(line, "record ", 7) == 0)
            record(line + 7);
        else if (strncmp(line, "read ", 5) == 0)
            read_text(line + 5);
        else
            return 1;
    }
    free(line);
    return 0;
}
