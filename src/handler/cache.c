/* SPDX-License-Identifier: MIT
 *
 * GET /cache?n=N: n random rows as in /queries, from the cache. What the cache does not hold is
 * read from the database and put there.
 */
#include "handler.h"
#include "rows.h"

int handler_cache(struct http_exchange *x)
{
    struct db_row rows[DB_MAX_ROWS];
    size_t count;
    int error;

    if (!rows_count(x, &count, &error))
        return error;
    error = rows_draw(rows, count);
    if (error == 0)
        error = db_read_cached(x->io, rows, count);
    return error != 0 ? rows_fail(x, error) : rows_reply(x, rows, count);
}
