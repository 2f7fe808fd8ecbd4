/* SPDX-License-Identifier: MIT
 *
 * A database for handlers under test: each row holds its own id, or every question fails.
 *
 * Included by a test program, whose definitions are used instead of those of src/db/db.c.
 */
#ifndef FAKE_DB_H
#define FAKE_DB_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"

static int fake_db_error;                        /* what every question ends with */
static struct db_row fake_db_asked[DB_MAX_ROWS]; /* of the last question */
static size_t fake_db_count;

void db_show(const struct config *config, char *shown, size_t size)
{
    (void)config;
    (void)shown;
    (void)size;
}

int db_read(struct io *io, struct db_row *rows, size_t count)
{
    (void)io;
    memcpy(fake_db_asked, rows, count * sizeof *rows);
    fake_db_count = count;
    for (size_t i = 0; i < count; i++)
        rows[i].number = rows[i].id;
    return fake_db_error;
}

int db_update(struct io *io, const struct db_row *rows, size_t count)
{
    (void)io;
    memcpy(fake_db_asked, rows, count * sizeof *rows);
    fake_db_count = count;
    return fake_db_error;
}

int db_read_cached(struct io *io, struct db_row *rows, size_t count)
{
    return db_read(io, rows, count);
}

int db_fortunes_add(struct db_fortunes *list, int id, const char *message, size_t length)
{
    struct db_fortune *rows = realloc(list->rows, (list->count + 1) * sizeof *rows);

    if (rows == NULL)
        return -ENOMEM;
    list->rows = rows;
    rows[list->count++] = (struct db_fortune){id, strndup(message, length)};
    return 0;
}

int db_read_fortunes(struct io *io, struct db_fortunes *list)
{
    static const char *const messages[] = {"b<i>", "Z", "\xe3\x83\x95", "a"};

    (void)io;
    for (int i = 0; i < 4 && fake_db_error == 0; i++)
        if (db_fortunes_add(list, i + 1, messages[i], strlen(messages[i])) < 0)
            return -ENOMEM;
    return fake_db_error;
}

void db_fortunes_term(struct db_fortunes *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->rows[i].message);
    free(list->rows);
}

#endif
