/* SPDX-License-Identifier: MIT
 *
 * SQLite: a file, read and written in the calling process.
 *
 * Its calls block, on the disk and on the locks of other writers, so each question is one
 * io_offload(): on the spot in the pools, on a helper thread where the context must not block.
 * With --no-offload it is called on the spot everywhere, to show what that does.
 *
 * A file that does not exist is made on first use, complete or not at all: it is filled under
 * another name and then linked. It uses a write-ahead log, so readers and the one writer do not
 * hold each other up; a file made by somebody else is used as it is.
 *
 * Where processes share one descriptor table, SQLite's system calls are replaced by those of
 * files.h.
 *
 * The one file that includes <sqlite3.h>.
 */
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/backend.h"
#include "db/files.h"
#include "db/state.h"
#include "config/uri.h"
#include "io.h"
#include "log.h"
#include "server.h"

enum statement { READ, UPDATE, FORTUNES, BEGIN, COMMIT, STATEMENTS };

static const char *const SQL[STATEMENTS] = {
    [READ] = "SELECT randomnumber FROM world WHERE id = ?1",
    [UPDATE] = "UPDATE world SET randomnumber = ?2 WHERE id = ?1",
    [FORTUNES] = "SELECT id, message FROM fortune",
    [BEGIN] = "BEGIN IMMEDIATE", /* a reader that turns writer could find others in its way */
    [COMMIT] = "COMMIT",
};

static const char SCHEMA[] =
    "PRAGMA journal_mode = OFF;" /* a draft that fails is thrown away */
    "CREATE TABLE world (id INTEGER PRIMARY KEY, randomnumber INTEGER NOT NULL);"
    "CREATE TABLE fortune (id INTEGER PRIMARY KEY, message TEXT NOT NULL);";

struct handle {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STATEMENTS];
};

/* One question, on its way to where it may block. */
struct question {
    struct db_conn *conn;
    struct io *io; /* of who asks; for opening only */
    int (*answer)(struct question *q);
    struct db_row *rows;
    const struct db_row *values;
    size_t count;
    struct db_fortunes *list;
    int64_t deadline_ms;
    int result;
};

/* From now on waits for locks until the deadline at most. */
static void limit_waits(const struct question *q, sqlite3 *sqlite)
{
    int64_t left = q->deadline_ms - io_now_ms();

    sqlite3_busy_timeout(sqlite, left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);
}

/* The error of db.h that an SQLite result is. sqlite: NULL, or what it is of. */
static int error_of(sqlite3 *sqlite, int code)
{
    int number = sqlite != NULL ? sqlite3_system_errno(sqlite) : 0;

    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: /* others are just opening the write-ahead log */
        return -ETIMEDOUT;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_CANTOPEN:
        return number == EMFILE || number == ENFILE || number == ENOMEM ? -number : -EIO;
    default:
        return -EIO;
    }
}

static int refuse(const struct question *q, sqlite3 *sqlite, int code)
{
    return db_conn_break(q->conn, error_of(sqlite, code), false, "%s: %s", q->conn->uri,
                         sqlite != NULL ? sqlite3_errmsg(sqlite) : sqlite3_errstr(code));
}

static void answer_here(void *arg)
{
    struct question *q = arg;
    q->result = q->answer(q);
}

static int ask(struct question *q, struct io *io)
{
    int result = 0;

    if (q->conn->blocks)
        result = io_offload(io, answer_here, q, q->deadline_ms);
    else
        answer_here(q);
    if (result == -ETIMEDOUT)
        return db_conn_fail(q->conn, result, "no helper thread within --db-timeout");
    return result < 0 ? result : q->result;
}

/* ---- making the file ----------------------------------------------------------------------- */

static int run(sqlite3 *sqlite, const char *sql)
{
    return sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
}

/* A number from 1 to DB_ROWS. */
static int random_number(void)
{
    uint32_t bits;

    sqlite3_randomness(sizeof bits, &bits);
    return (int)(((uint64_t)bits * DB_ROWS) >> 32) + 1;
}

static int fill_world(sqlite3 *sqlite)
{
    sqlite3_stmt *insert;
    int code = sqlite3_prepare_v2(sqlite, "INSERT INTO world VALUES (?1, ?2)", -1, &insert, NULL);

    for (int id = 1; code == SQLITE_OK && id <= DB_ROWS; id++) {
        sqlite3_bind_int(insert, 1, id);
        sqlite3_bind_int(insert, 2, random_number());
        sqlite3_step(insert);
        code = sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    return code;
}

static int fill_fortune(sqlite3 *sqlite)
{
    static const struct {
        int id;
        const char *message;
    } rows[] = {
#define FORTUNE(id, message) {id, message},
#include "db/fortunes.def"
#undef FORTUNE
    };
    sqlite3_stmt *insert;
    int code = sqlite3_prepare_v2(sqlite, "INSERT INTO fortune VALUES (?1, ?2)", -1, &insert, NULL);

    for (size_t i = 0; code == SQLITE_OK && i < sizeof rows / sizeof rows[0]; i++) {
        sqlite3_bind_int(insert, 1, rows[i].id);
        sqlite3_bind_text(insert, 2, rows[i].message, -1, SQLITE_STATIC);
        sqlite3_step(insert);
        code = sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    return code;
}

/* Makes it, complete. Returns 0 or an error of db.h; *code: SQLite's result. */
static int fill(const char *path, int *code)
{
    sqlite3 *sqlite = NULL;
    int result;

    *code = sqlite3_open_v2(path, &sqlite,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (*code == SQLITE_OK)
        *code = run(sqlite, SCHEMA);
    if (*code == SQLITE_OK)
        *code = run(sqlite, "BEGIN");
    if (*code == SQLITE_OK)
        *code = fill_world(sqlite);
    if (*code == SQLITE_OK)
        *code = fill_fortune(sqlite);
    if (*code == SQLITE_OK)
        *code = run(sqlite, "COMMIT");
    /* Not before: what is in a log, closing may fail to copy, and not say. */
    if (*code == SQLITE_OK)
        *code = run(sqlite, "PRAGMA journal_mode = WAL");
    result = *code == SQLITE_OK ? 0 : error_of(sqlite, *code);
    sqlite3_close(sqlite);
    return result;
}

/* Makes the file unless it is there. Several processes may do so at once: the first to finish wins,
 * and none sees another's half. One that is killed meanwhile leaves its draft. */
static int make_file(const struct question *q, const char *path)
{
    char draft[PATH_MAX];
    int result = 0, code;

    if (state_is(q->conn->uri)) {
        char reason[PATH_MAX + 100];

        result = state_make_folder(reason, sizeof reason);
        if (result < 0)
            return db_conn_fail(q->conn, result, "%s", reason);
    }
    if (access(path, F_OK) == 0)
        return 0;
    if (snprintf(draft, sizeof draft, "%s.draft-%ld-%p", path, (long)getpid(), (const void *)q) >=
        (int)sizeof draft)
        return db_conn_fail(q->conn, -EIO, "%s: %s", q->conn->uri, strerror(ENAMETOOLONG));
    (void)unlink(draft);
    result = fill(draft, &code);
    if (result < 0)
        (void)db_conn_fail(q->conn, result, "cannot make %s: %s", q->conn->uri,
                           sqlite3_errstr(code));
    else if (link(draft, path) < 0 && errno != EEXIST)
        result = db_conn_fail(q->conn, -EIO, "cannot make %s: %s", q->conn->uri, strerror(errno));
    (void)unlink(draft);
    return result;
}

/* ---- opening and closing ------------------------------------------------------------------- */

/* Must come before anything is opened, and again does no harm. */
static int replace_system_calls(struct io *io)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    if (vfs == NULL || vfs->iVersion < 3)
        return -ENOTSUP;
    db_files_use(io);
    if (vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)db_files_open) != SQLITE_OK ||
        vfs->xSetSystemCall(vfs, "close", (sqlite3_syscall_ptr)db_files_close) != SQLITE_OK ||
        vfs->xSetSystemCall(vfs, "fcntl", (sqlite3_syscall_ptr)db_files_fcntl) != SQLITE_OK)
        return -ENOTSUP;
    return 0;
}

static void free_handle(struct handle *h)
{
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(h->statements[i]);
    sqlite3_close(h->sqlite); /* also one that could not be opened */
    free(h);
}

static int open_file(struct question *q)
{
    const char *path = db_uri_path(q->conn->uri);
    struct handle *h;
    int code, result;

    if (io_shares_descriptors(q->io) && replace_system_calls(q->io) < 0)
        return db_conn_fail(q->conn, -EIO, "this SQLite cannot be used here");
    result = make_file(q, path);
    if (result < 0)
        return result;
    h = calloc(1, sizeof *h);
    if (h == NULL)
        return -ENOMEM;
    code = sqlite3_open_v2(path, &h->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        limit_waits(q, h->sqlite);
        code = run(h->sqlite, "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY");
    }
    for (int i = 0; code == SQLITE_OK && i < STATEMENTS; i++)
        code = sqlite3_prepare_v3(h->sqlite, SQL[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &h->statements[i], NULL);
    if (code != SQLITE_OK) {
        result = refuse(q, h->sqlite, code);
        free_handle(h);
        return result;
    }
    q->conn->handle = h;
    if (state_is(q->conn->uri) && !atomic_exchange(&q->io->server->shared->database_named, true))
        log_line(LOG_INFO, "--db: nothing is named, rows are kept in %s", path);
    return 0;
}

static int sqlite_open(struct db_conn *conn, struct io *io, int64_t deadline_ms)
{
    struct question q = {.conn = conn, .io = io, .answer = open_file, .deadline_ms = deadline_ms};

    return ask(&q, io);
}

/* Rolls back what was not committed. Closing the last connection of all writes the log back into
 * the file, which takes a moment; it happens when a connection broke, or the server ends. */
static void sqlite_close(struct db_conn *conn, struct io *io)
{
    (void)io;
    free_handle(conn->handle);
}

/* ---- questions ----------------------------------------------------------------------------- */

/* Runs a statement that gives no row. */
static int step(const struct question *q, enum statement which)
{
    struct handle *h = q->conn->handle;
    int code;

    sqlite3_step(h->statements[which]);
    code = sqlite3_reset(h->statements[which]);
    return code == SQLITE_OK ? 0 : refuse(q, h->sqlite, code);
}

static int read_row(const struct question *q, int id, int *number)
{
    struct handle *h = q->conn->handle;
    sqlite3_stmt *statement = h->statements[READ];
    sqlite3_int64 value = 0; /* of a row that is not there, or holds something else */
    bool found;
    int code;

    sqlite3_bind_int(statement, 1, id);
    found = sqlite3_step(statement) == SQLITE_ROW;
    if (found && sqlite3_column_type(statement, 0) == SQLITE_INTEGER)
        value = sqlite3_column_int64(statement, 0);
    code = sqlite3_reset(statement);
    if (code != SQLITE_OK)
        return refuse(q, h->sqlite, code);
    if (!found)
        return db_conn_fail(q->conn, -ENODATA, "world has no row %d", id);
    if (!db_number_is_valid(value))
        return db_conn_fail(q->conn, -ENODATA, "row %d of world holds no number from 1 to %d", id,
                            DB_ROWS);
    *number = (int)value;
    return 0;
}

static int answer_read(struct question *q)
{
    const struct handle *h = q->conn->handle;
    int result = 0;

    limit_waits(q, h->sqlite);
    for (size_t i = 0; i < q->count && result == 0; i++)
        result = read_row(q, q->rows[i].id, &q->rows[i].number);
    return result;
}

static int answer_update(struct question *q)
{
    struct handle *h = q->conn->handle;
    int ignored, result;

    limit_waits(q, h->sqlite);
    result = step(q, BEGIN);
    if (result < 0)
        return result;
    for (size_t i = 0; i < q->count && result == 0; i++) {
        result = read_row(q, q->values[i].id, &ignored);
        if (result < 0)
            break;
        sqlite3_bind_int(h->statements[UPDATE], 1, q->values[i].id);
        sqlite3_bind_int(h->statements[UPDATE], 2, q->values[i].number);
        result = step(q, UPDATE);
    }
    if (result == 0)
        result = step(q, COMMIT);
    if (result < 0 && run(h->sqlite, "ROLLBACK") != SQLITE_OK)
        q->conn->broken = true;
    return result;
}

static int take_fortune(const struct question *q, sqlite3_stmt *statement)
{
    sqlite3_int64 id = sqlite3_column_int64(statement, 0);
    const char *message;

    if (sqlite3_column_type(statement, 0) != SQLITE_INTEGER || id < INT_MIN || id > INT_MAX ||
        sqlite3_column_type(statement, 1) != SQLITE_TEXT)
        return db_conn_fail(q->conn, -ENODATA, "fortune holds something else than ids and texts");
    message = (const char *)sqlite3_column_text(statement, 1);
    if (message == NULL)
        return -ENOMEM;
    return db_fortunes_add(q->list, (int)id, message, (size_t)sqlite3_column_bytes(statement, 1));
}

static int answer_fortunes(struct question *q)
{
    struct handle *h = q->conn->handle;
    sqlite3_stmt *statement = h->statements[FORTUNES];
    int result = 0, code;

    limit_waits(q, h->sqlite);
    while (result == 0 && sqlite3_step(statement) == SQLITE_ROW)
        result = take_fortune(q, statement);
    code = sqlite3_reset(statement);
    if (code != SQLITE_OK)
        return refuse(q, h->sqlite, code);
    return result;
}

static int sqlite_read(struct db_conn *conn, struct io *io, struct db_row *rows, size_t count,
                       int64_t deadline_ms)
{
    struct question q = {.conn = conn,
                         .answer = answer_read,
                         .rows = rows,
                         .count = count,
                         .deadline_ms = deadline_ms};

    return ask(&q, io);
}

static int sqlite_update(struct db_conn *conn, struct io *io, const struct db_row *rows,
                         size_t count, int64_t deadline_ms)
{
    struct question q = {.conn = conn,
                         .answer = answer_update,
                         .values = rows,
                         .count = count,
                         .deadline_ms = deadline_ms};

    return ask(&q, io);
}

static int sqlite_fortunes(struct db_conn *conn, struct io *io, struct db_fortunes *list,
                           int64_t deadline_ms)
{
    struct question q = {
        .conn = conn, .answer = answer_fortunes, .list = list, .deadline_ms = deadline_ms};

    return ask(&q, io);
}

const struct db_backend db_sqlite = {
    .name = "sqlite",
    .stack_bytes_blocking = 64 * 1024, /* 24 KB, and who made the file may have put triggers in */
    .open = sqlite_open,
    .close = sqlite_close,
    .read = sqlite_read,
    .update = sqlite_update,
    .fortunes = sqlite_fortunes,
};
