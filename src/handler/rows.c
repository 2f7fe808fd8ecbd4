/* SPDX-License-Identifier: MIT
 *
 * Rows of World, on their way out: see rows.h.
 */
#include "handler/rows.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#include "text.h"

/* Fills bits[0..count) from the kernel: no state that a fork could copy, and one call a request, if
 * no signal comes: more than 256 bytes may be cut short by one (getrandom(2)). */
static int draw(uint32_t *bits, size_t count)
{
    size_t have = 0; /* bytes */

    while (have / sizeof *bits < count) {
        ssize_t got = getrandom((char *)bits + have, count * sizeof *bits - have, 0);

        if (got >= 0)
            have += (size_t)got;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* A number from 1 to DB_ROWS. */
static int to_row(uint32_t bits)
{
    return (int)(((uint64_t)bits * DB_ROWS) >> 32) + 1;
}

int rows_draw(struct db_row *rows, size_t count)
{
    uint32_t bits[DB_MAX_ROWS];
    int error = draw(bits, count);

    for (size_t i = 0; error == 0 && i < count; i++)
        rows[i] = (struct db_row){.id = to_row(bits[i])};
    return error;
}

static int by_id(const void *a, const void *b)
{
    return ((const struct db_row *)a)->id - ((const struct db_row *)b)->id;
}

int rows_draw_changes(struct db_row *rows, size_t count)
{
    size_t have = 0;
    uint32_t bits[DB_MAX_ROWS];
    int error = 0;

    while (error == 0 && have < count) { /* what was drawn twice is drawn again */
        size_t kept = 0;

        error = rows_draw(rows + have, count - have);
        if (error != 0)
            return error;
        qsort(rows, count, sizeof *rows, by_id);
        for (size_t i = 0; i < count; i++)
            if (kept == 0 || rows[kept - 1].id != rows[i].id)
                rows[kept++] = rows[i];
        have = kept;
    }
    error = draw(bits, count);
    for (size_t i = 0; error == 0 && i < count; i++)
        rows[i].number = to_row(bits[i]);
    return error;
}

bool rows_count(struct http_exchange *x, size_t *count, int *error)
{
    static const char *const names[] = {"n"};
    uint64_t n;

    if (!http_query_check(x, names, 1, error) ||
        !http_query_number(x, "n", 1, DB_MAX_ROWS, 1, &n, error))
        return false;
    *count = (size_t)n;
    return true;
}

int rows_reply(struct http_exchange *x, const struct db_row *rows, size_t count)
{
    struct text text;

    text_init(&text);
    for (size_t i = 0; i < count; i++)
        text_add(&text, "%c{\"id\":%d,\"randomNumber\":%d}", i == 0 ? '[' : ',', rows[i].id,
                 rows[i].number);
    text_add(&text, "]");
    return text_reply(&text, x, "application/json");
}

int rows_fail(struct http_exchange *x, int error)
{
    switch (error) {
    case -ECANCELED:
        return error;
    case -ENODATA:
    case -EPROTO:
        return http_error(x, 500, "the database does not hold what it should");
    case -EOPNOTSUPP:
        return http_error(x, 404, "there is no cache; --redis=ADDR names one");
    case -EIO:
        return http_error(x, 500, "the database refuses; the server's log says why");
    case -ETIMEDOUT:
        http_add_header(x, "Retry-After", "1");
        return http_error(x, 503, "the database is too busy");
    default:
        http_add_header(x, "Retry-After", "1");
        return http_error(x, 503, "the database cannot be reached");
    }
}

int rows_serve(struct http_exchange *x,
               int (*ask)(struct io *io, struct db_row *rows, size_t count))
{
    struct db_row rows[DB_MAX_ROWS];
    size_t count;
    int error;

    if (!rows_count(x, &count, &error))
        return error;
    error = rows_draw(rows, count);
    if (error == 0)
        error = ask(x->io, rows, count);
    return error != 0 ? rows_fail(x, error) : rows_reply(x, rows, count);
}
