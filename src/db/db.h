/* SPDX-License-Identifier: MIT
 *
 * The database and the cache as the handlers see them: a few questions about a fixed data set.
 *
 * A question takes a connection from the process's pool, waiting for it in line if need be, asks,
 * and puts it back. All waiting goes through io.h; no function here knows which model runs.
 * Connections are opened on first use, in the process that uses them.
 *
 * Questions return 0 or a negative errno: -ECANCELED (the server is being stopped; give up the
 * request), -ETIMEDOUT (no connection, or no answer, within --db-timeout), -ENODATA (a row asked
 * for is not there, or holds no such number), -EPROTO (what came is no answer), -EIO
 * (refused, and would be again: a table or a right is missing, the disk is full); anything else: it
 * cannot be reached now. What failed has been logged, once a second at most. After an error in
 * mid-question its connection is closed, never put back. What only reads, and fails on a connection
 * that had been open for longer, is asked once more on a new one; changes never are.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stddef.h>

#include "db/data_set.h"

struct config;
struct db;
struct io;
struct kept;

/* ---- the server's side ------------------------------------------------------------------ */

/* Judges --db and --redis. Returns 0, or -EINVAL with one line (no newline) in error that names the
 * option, what is wrong and what is accepted, and quotes nothing. Opens nothing. */
int db_check(const struct config *config, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Where --db may hold a secret, rewrites shown, its spelling in a configuration file, to what
 * anybody may know: host, port and database. */
void db_show(const struct config *config, char *shown, size_t size);

/* Bytes of stack that a context needs for what config->db asks of it; 0: nothing special. */
size_t db_stack_bytes(const struct config *config);

/*
 * Makes the pools of a server whose workers are that many processes, before they are forked; each
 * gets its share of --db-connections. Processes are told apart by server->process: numbers from 0
 * up, those up to twice as many for processes that replace others. config must outlive it. Opens no
 * connection. Returns 0 or a negative errno.
 */
int db_new(struct db **out, const struct config *config, unsigned processes)
    __attribute__((warn_unused_result));

/* Closes what the calling process has open and frees everything. NULL allowed. */
void db_free(struct db *db);

/* Adds the descriptors that db_new() opened for all processes. */
void db_keep(const struct db *db, struct kept *kept);

/* In the master: a worker process has died; what it had borrowed goes to those who wait. */
void db_process_died(struct db *db, unsigned process);

/* ---- the handlers' side: may wait ------------------------------------------------------- */

/* Reads count (1 to DB_MAX_ROWS) rows of World, one query each: rows[].id is given, rows[].number
 * is set. Ids may repeat. */
int db_read(struct io *io, struct db_row *rows, size_t count) __attribute__((warn_unused_result));

/* Reads count rows, one query each, then sets each to the number given. rows: sorted by id, no id
 * twice. When it fails, some may have been set. */
int db_update(struct io *io, const struct db_row *rows, size_t count)
    __attribute__((warn_unused_result));

/* Reads all fortunes, in no order, into an empty list; db_fortunes_term() in either case. */
int db_read_fortunes(struct io *io, struct db_fortunes *list) __attribute__((warn_unused_result));

/* As db_read(), from the cache; what is not in it is read from the database and put there. So is
 * everything while the cache fails or cannot be reached, but that it is then not put there.
 * -EOPNOTSUPP without --redis. */
int db_read_cached(struct io *io, struct db_row *rows, size_t count)
    __attribute__((warn_unused_result));

#endif
