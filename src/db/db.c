/* SPDX-License-Identifier: MIT
 *
 * From a question to a connection and back; the two pools of a process.
 */
#include "db/db.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "db/backend.h"
#include "db/pool.h"
#include "db/state.h"
#include "config/uri.h"
#include "io.h"
#include "server.h"

/* A cache may take one part in so many of --db-timeout to answer. */
enum { CACHE_SHARE = 4 };

struct db {
    const struct config *config;
    struct db_pool world; /* --db */
    struct db_pool cache; /* --redis; unused without it */
    bool has_cache;
    char own_uri[PATH_MAX]; /* of the database that nobody has named */
};

static const struct db_backend *backend_of(const char *uri)
{
    return db_uri_kind(uri) == DB_KIND_POSTGRES ? &db_postgres : &db_sqlite;
}

int db_check(const struct config *config, char *error, size_t error_size)
{
    const struct db_backend *backend = backend_of(config->db);
    char reason[200];

    if (backend->check == NULL || backend->check(config->db, reason, sizeof reason) == 0)
        return 0;
    snprintf(error, error_size, "--db: %s; accepted: postgresql://[USER[:PASSWORD]@]HOST/DATABASE",
             reason);
    return -EINVAL;
}

void db_show(const struct config *config, char *shown, size_t size)
{
    const struct db_backend *backend = backend_of(config->db);

    if (backend->show != NULL)
        backend->show(config->db, shown, size);
}

size_t db_stack_bytes(const struct config *config)
{
    const struct db_backend *backend = backend_of(config->db);

    return config->offload ? backend->stack_bytes : backend->stack_bytes_blocking;
}

int db_new(struct db **out, const struct config *config, unsigned processes)
{
    struct db *db = calloc(1, sizeof *db);
    unsigned total = config->db_connections;
    const char *uri = config->db;
    int result = 0;

    if (db == NULL)
        return -ENOMEM;
    db->config = config;
    db->has_cache = config->redis != NULL;
    if (db_uri_kind(uri) == DB_KIND_AUTO) {
        uri = db->own_uri;
        result = state_uri(db->own_uri, sizeof db->own_uri);
    }
    if (result == 0)
        result = db_pool_init(&db->world, backend_of(uri), "--db", uri, config->offload, total,
                              processes);
    if (result == 0 && db->has_cache)
        result = db_pool_init(&db->cache, &db_redis, "--redis", config->redis, config->offload,
                              total, processes);
    if (result < 0) {
        db_free(db);
        return result;
    }
    *out = db;
    return 0;
}

void db_free(struct db *db)
{
    if (db == NULL)
        return;
    db_pool_term(&db->world);
    if (db->has_cache)
        db_pool_term(&db->cache);
    free(db);
}

void db_keep(const struct db *db, struct kept *kept)
{
    if (db->world.permits != NULL)
        db_permits_keep(db->world.permits, kept);
    if (db->has_cache && db->cache.permits != NULL)
        db_permits_keep(db->cache.permits, kept);
}

void db_process_died(struct db *db, unsigned process)
{
    if (db->world.permits != NULL)
        db_permits_died(db->world.permits, process);
    if (db->has_cache && db->cache.permits != NULL)
        db_permits_died(db->cache.permits, process);
}

/* ---- questions ----------------------------------------------------------------------------- */

/* When a question that begins now is given up. */
static int64_t deadline(const struct io *io)
{
    int64_t timeout_ms = io->server->config->db_timeout_ms;

    return io_now_ms() + timeout_ms - db_leave_ms(timeout_ms);
}

/* The same for what may be answered without the cache: most of the time is left for that. */
static int64_t cache_deadline(const struct io *io)
{
    return io_now_ms() + io->server->config->db_timeout_ms / CACHE_SHARE;
}

static int take(struct io *io, struct db_pool *pool, int64_t until, struct db_conn **conn)
{
    return db_pool_take(pool, io, io->server->process, until, conn);
}

/*
 * Whether a question that changes nothing, and ended with *result, is to be asked once more: on
 * conn, opened anew. It is where conn had been open for longer: the other side may have closed it
 * since, or forgotten what was prepared there. A new one would answer the same again.
 */
static bool ask_again(struct io *io, struct db_pool *pool, struct db_conn *conn, int64_t until,
                      int *result)
{
    if (!conn->broken || conn->fresh || *result == -ETIMEDOUT || *result == -ECANCELED)
        return false;
    *result = db_pool_renew(pool, io, conn, *result, until);
    return *result == 0;
}

static int read_from(struct io *io, struct db_pool *pool, struct db_row *rows, size_t count,
                     int64_t until)
{
    struct db_conn *conn;
    int result = take(io, pool, until, &conn);

    if (result < 0)
        return result;
    result = pool->backend->read(conn, io, rows, count, until);
    if (ask_again(io, pool, conn, until, &result))
        result = pool->backend->read(conn, io, rows, count, until);
    db_pool_put(pool, io, conn, result);
    return result;
}

int db_read(struct io *io, struct db_row *rows, size_t count)
{
    return read_from(io, &io->server->db->world, rows, count, deadline(io));
}

static int update_in(struct io *io, struct db_pool *pool, const struct db_row *rows, size_t count,
                     int64_t until)
{
    struct db_conn *conn;
    int result = take(io, pool, until, &conn);

    if (result == 0) {
        result = pool->backend->update(conn, io, rows, count, until);
        db_pool_put(pool, io, conn, result);
    }
    return result;
}

int db_update(struct io *io, const struct db_row *rows, size_t count)
{
    return update_in(io, &io->server->db->world, rows, count, deadline(io));
}

int db_read_fortunes(struct io *io, struct db_fortunes *list)
{
    struct db_pool *pool = &io->server->db->world;
    int64_t until = deadline(io);
    struct db_conn *conn;
    int result = take(io, pool, until, &conn);

    if (result < 0)
        return result;
    result = pool->backend->fortunes(conn, io, list, until);
    if (ask_again(io, pool, conn, until, &result)) {
        db_fortunes_term(list);
        result = pool->backend->fortunes(conn, io, list, until);
    }
    db_pool_put(pool, io, conn, result);
    return result;
}

/* Sets those of rows that have no number from the database, and where asked puts these into the
 * cache. No connection to the one is held while waiting for the other: two pools taken in turn
 * cannot block each other. */
static int fill(struct io *io, struct db_row *rows, size_t count, bool put, int64_t until)
{
    struct db_row *missing;
    size_t missed = 0, at = 0;
    int result;

    for (size_t i = 0; i < count; i++)
        missed += rows[i].number == 0;
    if (missed == 0)
        return 0;
    missing = calloc(missed, sizeof *missing);
    if (missing == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (rows[i].number == 0)
            missing[at++].id = rows[i].id;
    result = read_from(io, &io->server->db->world, missing, missed, until);
    at = 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        if (rows[i].number == 0)
            rows[i].number = missing[at++].number;
    /* Their readers have them whatever becomes of putting them there, so only a stop matters. */
    if (result == 0 && put &&
        update_in(io, &io->server->db->cache, missing, missed, cache_deadline(io)) == -ECANCELED)
        result = -ECANCELED;
    free(missing);
    return result;
}

int db_read_cached(struct io *io, struct db_row *rows, size_t count)
{
    struct db *db = io->server->db;
    int64_t until = deadline(io);
    int result;

    if (!db->has_cache)
        return -EOPNOTSUPP;
    for (size_t i = 0; i < count; i++)
        rows[i].number = 0;
    result = read_from(io, &db->cache, rows, count, cache_deadline(io));
    return result == -ECANCELED ? result : fill(io, rows, count, result == 0, until);
}
