/* SPDX-License-Identifier: MIT
 *
 * GET /cache?n=N: n random rows as in /queries, from the cache. What the cache does not hold is
 * read from the database and put there.
 */
#include "handler.h"
#include "rows.h"

int handler_cache(struct http_exchange *x)
{
    return rows_serve(x, db_read_cached);
}
