/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL through libpq, never blocking: it is asked what it waits for, and io_wait() waits.
 *
 * Connections are in pipeline mode from the start. A question of n rows is n prepared statements,
 * sent together and answered together, in one round trip; each is followed by a Sync of its
 * own, so each is a transaction of its own, as if sent alone. That is what the rules of the
 * well-known benchmark ask for (a query for each row; pipelining allowed, coalescing not), and
 * it makes deadlocks between concurrent updates impossible: no transaction holds two row locks.
 *
 * --db-connections is a limit on what the server has to do, too. A statement goes on in its backend
 * when its socket is closed, so one that was not answered in time is ended before (take_leave()).
 *
 * Connecting looks up names and reads files, which libpq does blocking. So it is given addresses
 * (lookup.h), and those calls are offloaded, whatever --offload says.
 *
 * This file and postgres_uri.c are the two that include <libpq-fe.h>.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <postgresql/libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "config.h"
#include "db/backend.h"
#include "db/postgres_uri.h"
#include "db/sqlstate.h"
#include "io.h"
#include "server.h"

enum { OID_NAME = 19, OID_INT4 = 23, OID_TEXT = 25, OID_BPCHAR = 1042, OID_VARCHAR = 1043 };
enum { BINARY = 1, LIMIT_COUNT = 2 };

enum { WORLD_READ, WORLD_UPDATE, FORTUNE_READ, STATEMENT_COUNT };

static const struct {
    const char *name, *sql;
    int parameters; /* all of them int4 */
} STATEMENTS[STATEMENT_COUNT] = {
    [WORLD_READ] = {"world_read", "SELECT id, randomnumber FROM world WHERE id = $1", 1},
    [WORLD_UPDATE] = {"world_update", "UPDATE world SET randomnumber = $2 WHERE id = $1", 2},
    [FORTUNE_READ] = {"fortune_read", "SELECT id, message FROM fortune", 0},
};

/* One exchange with the server. */
struct exchange {
    struct db_conn *conn;
    PGconn *pg;
    struct io *io;
    int64_t deadline_ms;
};

/* ---- connecting ---------------------------------------------------------------------------- */

struct connecting {
    const char *uri;
    const struct db_lookup_list *list; /* NULL: as the URI has it */
    PGconn *pg;
    PostgresPollingStatusType status;
};

static void connect_start(void *arg)
{
    struct connecting *c = arg;
    const char *const names[] = {"dbname",
                                 "client_encoding",
                                 "fallback_application_name",
                                 c->list != NULL ? "host" : NULL,
                                 "hostaddr",
                                 "port",
                                 NULL};
    const char *const values[] = {c->uri,
                                  "UTF8",
                                  "server",
                                  c->list != NULL ? c->list->hosts : NULL,
                                  c->list != NULL ? c->list->addresses : NULL,
                                  c->list != NULL ? c->list->ports : NULL,
                                  NULL};

    c->pg = PQconnectStartParams(names, values, 1);
    c->status = PGRES_POLLING_WRITING;
}

static void connect_poll(void *arg)
{
    struct connecting *c = arg;

    c->status = PQconnectPoll(c->pg);
}

/* Runs a step in which libpq may close its socket and open another. */
static int connect_step(struct connecting *c, struct io *io, void (*step)(void *arg),
                        int64_t deadline_ms)
{
    int result;

    io_unhold(io, c->pg != NULL ? PQsocket(c->pg) : -1);
    result = io_offload(io, step, c, deadline_ms);
    io_hold(io, c->pg != NULL ? PQsocket(c->pg) : -1);
    return result;
}

static void finish(PGconn *pg, struct io *io)
{
    if (io != NULL)
        io_unhold(io, PQsocket(pg));
    PQfinish(pg);
    if (io != NULL)
        io_hold(io, -1);
}

/* Notices are the server's remarks; what matters comes as an error. */
static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

/* Opens *pg, which the caller closes even when this fails. */
static int establish(struct db_conn *conn, struct io *io, int64_t deadline_ms, PGconn **pg)
{
    struct connecting c = {.uri = conn->uri};
    struct db_lookup_list *list = NULL;
    int result = postgres_uri_look_up(conn, io, deadline_ms, &list);

    c.list = list;
    if (result == 0)
        result = connect_step(&c, io, connect_start, deadline_ms);
    free(list);
    *pg = c.pg;
    if (result < 0)
        return result;
    if (c.pg == NULL)
        return -ENOMEM;
    PQsetNoticeReceiver(c.pg, ignore_notice, NULL);
    PQsetErrorVerbosity(c.pg, PQERRORS_VERBOSE); /* for sqlstate_find() */
    if (PQstatus(c.pg) == CONNECTION_BAD)
        c.status = PGRES_POLLING_FAILED;
    while (c.status == PGRES_POLLING_READING || c.status == PGRES_POLLING_WRITING) {
        result = io_wait(io, PQsocket(c.pg), c.status == PGRES_POLLING_READING ? IO_READ : IO_WRITE,
                         deadline_ms);
        if (result >= 0)
            result = connect_step(&c, io, connect_poll, deadline_ms);
        if (result == -ETIMEDOUT)
            return db_conn_fail(conn, result, "no connection within --db-timeout");
        if (result < 0)
            return result;
    }
    if (c.status != PGRES_POLLING_OK) {
        const char *state = sqlstate_find(PQerrorMessage(c.pg));

        return db_conn_fail(conn, state != NULL ? sqlstate_error(state, true) : -ECONNREFUSED, "%s",
                            PQerrorMessage(c.pg));
    }
    return 0;
}

/* ---- sending and receiving ----------------------------------------------------------------- */

/* The connection is of no more use: for a reason that the server gave, or that libpq did. */
static int give_up(const struct exchange *e, const PGresult *result)
{
    const char *said = result != NULL ? PQresultErrorMessage(result) : "";
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    bool lost = PQstatus(e->pg) == CONNECTION_BAD;
    int error = lost ? -ECONNRESET : -EPROTO;

    if (state != NULL) {
        error = sqlstate_error(state, e->conn->fresh);
        lost = lost || strncmp(state, "57P", 3) == 0;
    }
    if (said[0] == '\0')
        said = PQerrorMessage(e->pg);
    return db_conn_break(e->conn, error, lost, "%s", said[0] != '\0' ? said : "unexpected answer");
}

/* Around calls of libpq: it closes the socket itself, at once, when it finds the other side gone,
 * and the number may be another worker's before it returns. */
static void enter(const struct exchange *e)
{
    io_unhold(e->io, PQsocket(e->pg));
}

static void leave(const struct exchange *e)
{
    io_hold(e->io, PQsocket(e->pg));
}

/* How long take_leave() may take. */
static int64_t leave_ms(const struct exchange *e)
{
    return db_leave_ms(e->io->server->config->db_timeout_ms);
}

/*
 * Ends what was not answered in time, and waits for the end. It sends no more: a backend that looks
 * for that (set_limits() asks it to) then ends at once, in the middle of a statement or of a wait
 * for a lock, and its socket with it. Asking for a cancellation would take another connection,
 * which libpq makes blocking, and would end one of many statements.
 */
static void take_leave(const struct exchange *e)
{
    int64_t until = io_now_ms() + leave_ms(e);
    int fd = PQsocket(e->pg);
    char rest[4096];
    ssize_t got;

    shutdown(fd, SHUT_WR);
    do {
        got = recv(fd, rest, sizeof rest, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN && io_wait(e->io, fd, IO_READ, until) < 0)
            break;
    } while ((got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) && io_now_ms() < until);
}

/* Puts a statement into the pipeline, with a Sync behind it. */
static int send_statement(const struct exchange *e, unsigned statement, const int *parameters)
{
    int count = STATEMENTS[statement].parameters;
    uint32_t binary[2];
    const char *values[2];
    const int lengths[2] = {sizeof binary[0], sizeof binary[0]};
    const int formats[2] = {BINARY, BINARY};
    bool sent;

    for (int i = 0; i < count; i++) {
        binary[i] = htonl((uint32_t)parameters[i]);
        values[i] = (const char *)&binary[i];
    }
    enter(e);
    sent = PQsendQueryPrepared(e->pg, STATEMENTS[statement].name, count, values, lengths, formats,
                               BINARY) != 0 &&
           PQpipelineSync(e->pg) != 0;
    leave(e);
    return sent ? 0 : give_up(e, NULL);
}

/* The next result, waited for; *result is NULL where those of a statement end. Goes on sending
 * meanwhile: a server that cannot get rid of its answers does not take more questions. */
static int receive(const struct exchange *e, PGresult **result)
{
    for (;;) {
        int ready, unsent = 0;
        bool busy, good;

        enter(e);
        busy = PQisBusy(e->pg);
        if (busy)
            unsent = PQflush(e->pg);
        else
            *result = PQgetResult(e->pg);
        leave(e);
        if (!busy)
            return 0;
        if (unsent < 0 || PQsocket(e->pg) < 0)
            return give_up(e, NULL);
        ready = io_wait(e->io, PQsocket(e->pg), unsent > 0 ? IO_READ | IO_WRITE : IO_READ,
                        e->deadline_ms);
        if (ready == -ETIMEDOUT)
            take_leave(e);
        if (ready < 0)
            return db_conn_break(e->conn, ready, false, "no answer within --db-timeout");
        if ((ready & IO_READ) == 0)
            continue;
        enter(e);
        good = PQconsumeInput(e->pg) != 0;
        leave(e);
        if (!good)
            return give_up(e, NULL);
    }
}

/* Receives what must come next: a result of this status, or none (PGRES_EMPTY_QUERY). *kept, where
 * it is not NULL, is then the caller's to clear. */
static int expect(const struct exchange *e, ExecStatusType status, PGresult **kept)
{
    PGresult *got = NULL;
    int result = receive(e, &got);

    if (result < 0)
        return result;
    if (got == NULL ? status != PGRES_EMPTY_QUERY : PQresultStatus(got) != status) {
        result = give_up(e, got);
        PQclear(got);
    } else if (kept != NULL) {
        *kept = got;
    } else {
        PQclear(got);
    }
    return result;
}

/* Receives the answer to one statement and its Sync. *answer, where it is not NULL, is the caller's
 * to clear, also after a failure. */
static int receive_answer(const struct exchange *e, ExecStatusType status, PGresult **answer)
{
    int result = expect(e, status, answer);

    if (result == 0)
        result = expect(e, PGRES_EMPTY_QUERY, NULL);
    if (result == 0)
        result = expect(e, PGRES_PIPELINE_SYNC, NULL);
    return result;
}

/* Receives what a setting is answered with: done, or an error where the server does not know it. */
static int receive_any(const struct exchange *e)
{
    PGresult *got = NULL;
    int result = receive(e, &got);

    PQclear(got);
    if (result == 0)
        result = expect(e, PGRES_EMPTY_QUERY, NULL);
    return result == 0 ? expect(e, PGRES_PIPELINE_SYNC, NULL) : result;
}

/*
 * Puts into the pipeline what bounds a statement that nobody waits for any longer. The backend is
 * to look often enough whether its socket still is one, for take_leave(): PostgreSQL 14 and later
 * do, on Linux. Elsewhere it is to stop by itself.
 */
static bool send_limits(const struct exchange *e)
{
    static const char *const names[LIMIT_COUNT] = {"client_connection_check_interval",
                                                   "statement_timeout"};
    const int64_t values[LIMIT_COUNT] = {(leave_ms(e) + 3) / 4,
                                         e->io->server->config->db_timeout_ms};
    char sql[80];
    bool sent = true;

    for (size_t i = 0; i < LIMIT_COUNT && sent; i++) {
        snprintf(sql, sizeof sql, "SET %s = %lld", names[i], (long long)values[i]);
        sent = PQsendQueryParams(e->pg, sql, 0, NULL, NULL, NULL, NULL, BINARY) != 0 &&
               PQpipelineSync(e->pg) != 0;
    }
    return sent;
}

static int prepare(const struct exchange *e)
{
    static const Oid types[] = {OID_INT4, OID_INT4};
    bool sent;
    int result = 0;

    if (PQsetnonblocking(e->pg, 1) < 0 || PQenterPipelineMode(e->pg) == 0)
        return give_up(e, NULL);
    enter(e);
    sent = send_limits(e);
    for (size_t i = 0; i < STATEMENT_COUNT && sent; i++)
        sent = PQsendPrepare(e->pg, STATEMENTS[i].name, STATEMENTS[i].sql, STATEMENTS[i].parameters,
                             types) != 0 &&
               PQpipelineSync(e->pg) != 0;
    leave(e);
    if (!sent)
        return give_up(e, NULL);
    for (size_t i = 0; result == 0 && i < LIMIT_COUNT; i++)
        result = receive_any(e);
    for (size_t i = 0; result == 0 && i < STATEMENT_COUNT; i++)
        result = receive_answer(e, PGRES_COMMAND_OK, NULL);
    return result;
}

static int postgres_open(struct db_conn *conn, struct io *io, int64_t deadline_ms)
{
    struct exchange e = {.conn = conn, .io = io, .deadline_ms = deadline_ms};
    int result = establish(conn, io, deadline_ms, &e.pg);

    if (result == 0)
        result = prepare(&e);
    if (result < 0) {
        if (e.pg != NULL)
            finish(e.pg, io);
        return result;
    }
    conn->handle = e.pg;
    conn->fd = PQsocket(e.pg);
    return 0;
}

static void postgres_close(struct db_conn *conn, struct io *io)
{
    finish(conn->handle, io);
}

/* ---- questions ----------------------------------------------------------------------------- */

/* False for a column that is not there, is of another type or length, or holds nothing. */
static bool int4(const PGresult *answer, int row, int column, int *value)
{
    uint32_t bits;

    if (PQnfields(answer) <= column || PQftype(answer, column) != OID_INT4 ||
        PQfformat(answer, column) != BINARY || PQgetisnull(answer, row, column) ||
        PQgetlength(answer, row, column) != (int)sizeof bits)
        return false;
    memcpy(&bits, PQgetvalue(answer, row, column), sizeof bits);
    *value = (int)ntohl(bits);
    return true;
}

/* Texts are the same in either format. */
static bool has_text(const PGresult *answer, int row, int column)
{
    Oid type = PQnfields(answer) > column ? PQftype(answer, column) : 0;

    return (type == OID_TEXT || type == OID_VARCHAR || type == OID_BPCHAR || type == OID_NAME) &&
           !PQgetisnull(answer, row, column);
}

/* Takes the row asked for out of an answer. One with another id would mean that questions and
 * answers on this connection have come apart. */
static int take_row(const struct exchange *e, const PGresult *answer, int id, int *number)
{
    int found;

    if (PQntuples(answer) == 0)
        return db_conn_fail(e->conn, -ENODATA, "world has no row %d", id);
    if (int4(answer, 0, 0, &found) && found != id)
        return db_conn_break(e->conn, -EPROTO, false, "asked for row %d, was given %d", id, found);
    if (!int4(answer, 0, 0, &found) || !int4(answer, 0, 1, &found) || !db_number_is_valid(found))
        return db_conn_fail(e->conn, -ENODATA, "row %d of world holds no number from 1 to %d", id,
                            DB_ROWS);
    *number = found;
    return 0;
}

/* One pipelined query for each row. All answers are received, also behind a row that is not there
 * or not right, so that the connection stays good. numbers: NULL, or where to put them. */
static int read_rows(const struct exchange *e, const struct db_row *rows, struct db_row *into,
                     size_t count)
{
    int missing = 0, result = 0;

    for (size_t i = 0; i < count && result == 0; i++)
        result = send_statement(e, WORLD_READ, &rows[i].id);
    for (size_t i = 0; i < count && result == 0; i++) {
        PGresult *answer = NULL;
        int number = 0;

        result = receive_answer(e, PGRES_TUPLES_OK, &answer);
        if (result == 0)
            result = take_row(e, answer, rows[i].id, &number);
        PQclear(answer);
        if (result == -ENODATA) {
            missing = result;
            result = 0;
        } else if (result == 0 && into != NULL) {
            into[i].number = number;
        }
    }
    return result < 0 ? result : missing;
}

static int postgres_read(struct db_conn *conn, struct io *io, struct db_row *rows, size_t count,
                         int64_t deadline_ms)
{
    struct exchange e = {conn, conn->handle, io, deadline_ms};

    return read_rows(&e, rows, rows, count);
}

static int postgres_update(struct db_conn *conn, struct io *io, const struct db_row *rows,
                           size_t count, int64_t deadline_ms)
{
    struct exchange e = {conn, conn->handle, io, deadline_ms};
    int result = read_rows(&e, rows, NULL, count);

    for (size_t i = 0; i < count && result == 0; i++) {
        const int parameters[] = {rows[i].id, rows[i].number};

        result = send_statement(&e, WORLD_UPDATE, parameters);
    }
    for (size_t i = 0; i < count && result == 0; i++)
        result = receive_answer(&e, PGRES_COMMAND_OK, NULL);
    return result;
}

static int take_fortune(const struct exchange *e, const PGresult *answer, int row,
                        struct db_fortunes *list)
{
    int id;

    if (!int4(answer, row, 0, &id) || !has_text(answer, row, 1))
        return db_conn_fail(e->conn, -ENODATA, "fortune holds something else than ids and texts");
    return db_fortunes_add(list, id, PQgetvalue(answer, row, 1),
                           (size_t)PQgetlength(answer, row, 1));
}

static int postgres_fortunes(struct db_conn *conn, struct io *io, struct db_fortunes *list,
                             int64_t deadline_ms)
{
    struct exchange e = {conn, conn->handle, io, deadline_ms};
    PGresult *answer = NULL;
    const int none = 0;
    int result = send_statement(&e, FORTUNE_READ, &none);

    if (result == 0)
        result = receive_answer(&e, PGRES_TUPLES_OK, &answer);
    for (int row = 0; result == 0 && row < PQntuples(answer); row++)
        result = take_fortune(&e, answer, row, list);
    PQclear(answer);
    return result;
}

const struct db_backend db_postgres = {
    .name = "postgresql",
    .stack_bytes = 32 * 1024, /* 17 KB with TLS */
    .stack_bytes_blocking = 32 * 1024,
    .open = postgres_open,
    .close = postgres_close,
    .read = postgres_read,
    .update = postgres_update,
    .fortunes = postgres_fortunes,
    .check = postgres_uri_check,
    .show = postgres_uri_show,
};
