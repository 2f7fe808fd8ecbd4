/* SPDX-License-Identifier: MIT
 *
 * The data set that questions are about: World has DB_ROWS rows, numbered from 1, each with a
 * number from 1 to DB_ROWS; Fortune a dozen short texts.
 */
#ifndef DB_DATA_SET_H
#define DB_DATA_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DB_ROWS = 10000,   /* of World, and the range of their numbers */
    DB_MAX_ROWS = 500, /* in one question */
};

struct db_row {
    int id;     /* 1 to DB_ROWS */
    int number; /* 1 to DB_ROWS */
};

struct db_fortune {
    int id;
    char *message; /* NUL-terminated UTF-8; owned by the list */
};

struct db_fortunes {
    struct db_fortune *rows;
    size_t count, capacity;
};

/* What a row of World may hold. */
static inline bool db_number_is_valid(int64_t number)
{
    return number >= 1 && number <= DB_ROWS;
}

/* Appends a copy of message. Returns 0 or -ENOMEM. */
int db_fortunes_add(struct db_fortunes *list, int id, const char *message, size_t length)
    __attribute__((warn_unused_result));
void db_fortunes_term(struct db_fortunes *list);

#endif
