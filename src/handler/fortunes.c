/* SPDX-License-Identifier: MIT
 *
 * GET /fortunes: all rows of Fortune and one that is added here, sorted by their text, as an HTML
 * table. Texts are compared byte by byte, which for UTF-8 is the order of code points.
 */
#include <stdlib.h>
#include <string.h>

#include "handler.h"
#include "rows.h"
#include "text.h"

static const char added[] = "Additional fortune added at request time.";

static int by_message(const void *a, const void *b)
{
    return strcmp(((const struct db_fortune *)a)->message, ((const struct db_fortune *)b)->message);
}

static int reply(struct http_exchange *x, const struct db_fortunes *list)
{
    struct text text;

    text_init(&text);
    text_add(&text, "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
                    "<tr><th>id</th><th>message</th></tr>");
    for (size_t i = 0; i < list->count; i++) {
        text_add(&text, "<tr><td>%d</td><td>", list->rows[i].id);
        text_add_html(&text, list->rows[i].message);
        text_add(&text, "</td></tr>");
    }
    text_add(&text, "</table></body></html>");
    return text_reply(&text, x, "text/html; charset=utf-8");
}

int handler_fortunes(struct http_exchange *x)
{
    struct db_fortunes list = {.count = 0};
    int error;

    if (!http_query_check(x, NULL, 0, &error))
        return error;
    error = db_read_fortunes(x->io, &list);
    if (error == 0)
        error = db_fortunes_add(&list, 0, added, sizeof added - 1);
    if (error == 0) {
        qsort(list.rows, list.count, sizeof *list.rows, by_message);
        error = reply(x, &list);
    } else {
        error = rows_fail(x, error);
    }
    db_fortunes_term(&list);
    return error;
}
