/* SPDX-License-Identifier: MIT
 *
 * The list of fortunes.
 */
#include "db/data_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int db_fortunes_add(struct db_fortunes *list, int id, const char *message, size_t length)
{
    char *copy;

    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        struct db_fortune *rows = realloc(list->rows, capacity * sizeof *rows);

        if (rows == NULL)
            return -ENOMEM;
        list->rows = rows;
        list->capacity = capacity;
    }
    copy = strndup(message, length);
    if (copy == NULL)
        return -ENOMEM;
    list->rows[list->count++] = (struct db_fortune){id, copy};
    return 0;
}

void db_fortunes_term(struct db_fortunes *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->rows[i].message);
    free(list->rows);
    *list = (struct db_fortunes){0};
}
