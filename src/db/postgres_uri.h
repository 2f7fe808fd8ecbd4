/* SPDX-License-Identifier: MIT
 *
 * The URI of a PostgreSQL: whether it can be right, what of it may be shown, where it leads.
 */
#ifndef DB_POSTGRES_URI_H
#define DB_POSTGRES_URI_H

#include <stddef.h>
#include <stdint.h>

#include "db/backend.h"

/* As db_backend.check and db_backend.show. */
int postgres_uri_check(const char *uri, char *reason, size_t size);
void postgres_uri_show(const char *uri, char *out, size_t size);

/*
 * Looks up the hosts that conn's URI names, or in its place libpq's environment. *list is then the
 * caller's to free; it stays NULL where there is nothing to look up. Returns 0 or what
 * db_lookup_list() gave, noted.
 */
int postgres_uri_look_up(struct db_conn *conn, struct io *io, int64_t deadline_ms,
                         struct db_lookup_list **list) __attribute__((warn_unused_result));

#endif
