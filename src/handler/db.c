/* SPDX-License-Identifier: MIT
 *
 * GET /db, /queries?n=N, /updates?n=N: random rows of World, in the shapes of the well-known
 * benchmark: one row as a JSON object, n rows as an array, n rows read and then given new numbers.
 *
 * Each row is a query of its own, never one query for many. How they travel is the database's
 * affair (db/).
 */
#include <stdio.h>

#include "handler.h"
#include "rows.h"

int handler_db(struct http_exchange *x)
{
    struct db_row row;
    char body[64];
    int error, length;

    if (!http_query_check(x, NULL, 0, &error))
        return error;
    error = rows_draw(&row, 1);
    if (error == 0)
        error = db_read(x->io, &row, 1);
    if (error != 0)
        return rows_fail(x, error);
    length = snprintf(body, sizeof body, "{\"id\":%d,\"randomNumber\":%d}", row.id, row.number);
    return http_reply(x, 200, "application/json", body, (size_t)length);
}

int handler_queries(struct http_exchange *x)
{
    return rows_serve(x, db_read);
}

int handler_updates(struct http_exchange *x)
{
    struct db_row rows[DB_MAX_ROWS];
    size_t count;
    int error;

    if (!rows_count(x, &count, &error))
        return error;
    error = rows_draw_changes(rows, count);
    if (error == 0)
        error = db_update(x->io, rows, count);
    return error != 0 ? rows_fail(x, error) : rows_reply(x, rows, count);
}
