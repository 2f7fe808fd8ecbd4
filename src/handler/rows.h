/* SPDX-License-Identifier: MIT
 *
 * What the routes of the database share: drawing rows, reading them, writing them as JSON, saying
 * that there is no database now.
 */
#ifndef HANDLER_ROWS_H
#define HANDLER_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "db/db.h"
#include "http.h"

/* Draws the ids of count rows, each at random. Returns 0 or a negative errno. */
int rows_draw(struct db_row *rows, size_t count) __attribute__((warn_unused_result));

/* The same with no id twice, sorted by id, and a number drawn for each. */
int rows_draw_changes(struct db_row *rows, size_t count) __attribute__((warn_unused_result));

/* Reads "n" of the query: 1 to DB_MAX_ROWS, 1 when absent. Answers 400 and returns false for
 * anything else; the handler then returns *error. */
bool rows_count(struct http_exchange *x, size_t *count, int *error);

/* Answers 200 with the rows as a JSON array. */
int rows_reply(struct http_exchange *x, const struct db_row *rows, size_t count)
    __attribute__((warn_unused_result));

/* Answers for a question that failed with error: 503 with Retry-After, or 500 where waiting does
 * not help. -ECANCELED is returned as it is: the request is given up. */
int rows_fail(struct http_exchange *x, int error) __attribute__((warn_unused_result));

/* A whole handler: n random rows ("n" as rows_count() reads it), asked for by ask, which is
 * db_read() or db_read_cached(). */
int rows_serve(struct http_exchange *x,
               int (*ask)(struct io *io, struct db_row *rows, size_t count))
    __attribute__((warn_unused_result));

#endif
