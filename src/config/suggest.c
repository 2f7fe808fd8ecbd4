/* SPDX-License-Identifier: MIT
 *
 * The closest valid name to a misspelt one.
 *
 * Closeness is the number of insertions, deletions, substitutions and swaps of
 * neighbours between the two (optimal string alignment). Swaps count as one
 * because they are the commonest slip: "modle". One error in three letters, and
 * never more than three, is taken for a slip; beyond that a suggestion would be
 * a guess. A word that is a part of exactly one name ("keepalive") is close too.
 */
#include "config/option.h"

#include <limits.h>
#include <string.h>

enum { SUGGEST_LENGTH = 48, SUGGEST_ERRORS = 3 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned config_distance(const char *a, const char *b)
{
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    /* Rows of the table of distances between prefixes: of i - 2, i - 1 and i bytes of a. */
    unsigned rows[3][SUGGEST_LENGTH + 1];
    unsigned *before = rows[0];
    unsigned *above = rows[1];
    unsigned *row = rows[2];

    if (a_length > SUGGEST_LENGTH || b_length > SUGGEST_LENGTH)
        return UINT_MAX;
    for (size_t j = 0; j <= b_length; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        unsigned *spare;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned cost = a[i - 1] != b[j - 1];
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
        spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[b_length];
}

static const char *only_one_containing(const char *word, const char *const *names, size_t count)
{
    const char *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!strstr(names[i], word))
            continue;
        if (found)
            return NULL;
        found = names[i];
    }
    return found;
}

const char *config_suggest(const char *word, const char *const *names, size_t count)
{
    size_t length = strlen(word);
    size_t best = count;
    unsigned limit;

    if (length < 2 || length > SUGGEST_LENGTH)
        return NULL;
    limit = least((unsigned)(length + 1) / 3, SUGGEST_ERRORS);
    for (size_t i = 0; i < count; i++) {
        unsigned errors = config_distance(word, names[i]);
        if (errors < limit || (errors == limit && best == count)) {
            best = i;
            limit = errors;
        }
    }
    if (best < count)
        return names[best];
    return length > 2 ? only_one_containing(word, names, count) : NULL;
}
