/* SPDX-License-Identifier: MIT
 *
 * Redis as a cache of World: hiredis writes the commands and reads the answers, the bytes go
 * through a socket of our own and io_wait().
 *
 * The row with id N is the string "world:N" holding its number. A question of n rows is n GETs
 * (or SETs), sent together: pipelining, not MGET, so each row is a query of its own as for
 * the database. Nothing in a reply says what it is a reply to, so a connection is closed as soon as
 * one comes that nobody has asked for.
 *
 * The one file that includes <hiredis/hiredis.h>.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "db/backend.h"
#include "config/uri.h"
#include "io.h"

enum { BUFFER_SIZE = 4096, LONGEST_REPLY = 64 * 1024 };

/* ---- connecting ---------------------------------------------------------------------------- */

/* A connected, non-blocking socket, recorded; or a negative errno. */
static int connect_to(struct io *io, const struct sockaddr *address, socklen_t length,
                      int64_t deadline_ms)
{
    int error = 0, fd;
    socklen_t size = sizeof error;

    io_opening(io);
    fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    error = errno;
    io_hold(io, fd);
    if (fd < 0)
        return -error;
    error = connect(fd, address, length) < 0 ? errno : 0;
    if (error == EINPROGRESS) {
        int ready = io_wait(io, fd, IO_WRITE, deadline_ms);

        if (ready < 0)
            error = -ready;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            error = errno;
    }
    if (error == 0)
        return fd;
    io_close(io, fd);
    return -error;
}

static int connect_unix(struct io *io, const char *path, int64_t deadline_ms)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    return connect_to(io, (const struct sockaddr *)&address, sizeof address, deadline_ms);
}

/* number: an address as db_lookup() writes it. */
static int connect_number(struct io *io, const char *number, const char *port, int64_t deadline_ms)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found;
    int code, result;

    io_opening(io); /* the index of an interface takes a socket */
    code = getaddrinfo(number, port, &hints, &found);
    io_hold(io, -1);
    if (code != 0)
        return -EHOSTUNREACH;
    result = connect_to(io, found->ai_addr, found->ai_addrlen, deadline_ms);
    freeaddrinfo(found);
    return result;
}

static int connect_tcp(struct db_conn *conn, struct io *io, int64_t deadline_ms)
{
    char host[DB_LOOKUP_HOST], addresses[DB_LOOKUP_ADDRESSES], *rest = addresses;
    const char *port, *reason, *number;
    int result;

    if (!db_address_split(conn->uri, host, sizeof host, &port))
        return -EINVAL;
    result = db_lookup(conn->lookups, io, host, deadline_ms, addresses, &reason);
    if (reason != NULL)
        (void)db_conn_fail(conn, result, "%s: %s", conn->uri, reason);
    if (result < 0)
        return result;
    do {
        number = strsep(&rest, ",");
        result = connect_number(io, number, port, deadline_ms);
    } while (result < 0 && result != -ECANCELED && result != -ETIMEDOUT && rest != NULL);
    return result;
}

static int cache_open(struct db_conn *conn, struct io *io, int64_t deadline_ms)
{
    redisReader *reader;
    int fd = strncmp(conn->uri, "unix:", 5) == 0 ? connect_unix(io, conn->uri + 5, deadline_ms)
                                                 : connect_tcp(conn, io, deadline_ms);

    if (fd < 0)
        return conn->reason[0] != '\0' || fd == -ECANCELED
                   ? fd
                   : db_conn_fail(conn, fd, "%s: %s", conn->uri, strerror(-fd));
    reader = redisReaderCreate();
    if (reader == NULL) {
        io_close(io, fd);
        return -ENOMEM;
    }
    conn->handle = reader;
    conn->fd = fd;
    return 0;
}

static void cache_close(struct db_conn *conn, struct io *io)
{
    redisReaderFree(conn->handle);
    if (io != NULL)
        io_close(io, conn->fd);
    else
        close(conn->fd);
}

/* ---- sending and receiving ----------------------------------------------------------------- */

static int lose(struct db_conn *conn, int error)
{
    return db_conn_break(conn, error, true, "%s: %s", conn->uri, strerror(-error));
}

static int wait_for(struct db_conn *conn, struct io *io, int events, int64_t deadline_ms)
{
    int ready = io_wait(io, conn->fd, events, deadline_ms);

    return ready < 0
               ? db_conn_break(conn, ready, false, "%s: no answer within --db-timeout", conn->uri)
               : 0;
}

static int send_all(struct db_conn *conn, struct io *io, const char *data, size_t length,
                    int64_t deadline_ms)
{
    while (length > 0) {
        ssize_t sent = send(conn->fd, data, length, MSG_NOSIGNAL);

        if (sent >= 0) {
            data += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN) {
            int result = wait_for(conn, io, IO_WRITE, deadline_ms);

            if (result < 0)
                return result;
        } else if (errno != EINTR) {
            return lose(conn, -errno);
        }
    }
    return 0;
}

/* Whether what comes next cannot be a reply to GET or SET. hiredis would take memory for as many
 * elements as an array announces, and keep a string until all of it is there. */
static bool begins_wrong(const redisReader *reader)
{
    size_t length = reader->len - reader->pos;

    return length > LONGEST_REPLY ||
           (length > 0 && reader->ridx < 0 && strchr("$+-:_", reader->buf[reader->pos]) == NULL);
}

/* The next answer, waited for; the caller's to free. */
static int receive(struct db_conn *conn, struct io *io, redisReply **reply, int64_t deadline_ms)
{
    redisReader *reader = conn->handle;

    for (;;) {
        char buffer[BUFFER_SIZE];
        void *found = NULL;
        ssize_t got;
        int result;

        if (begins_wrong(reader) || redisReaderGetReply(reader, &found) != REDIS_OK)
            return db_conn_break(conn, -EPROTO, false, "%s: %s", conn->uri,
                                 reader->errstr[0] != '\0' ? reader->errstr
                                                           : "no reply to GET or SET");
        if (found != NULL) {
            *reply = found;
            return 0;
        }
        result = wait_for(conn, io, IO_READ, deadline_ms);
        if (result < 0)
            return result;
        got = recv(conn->fd, buffer, sizeof buffer, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return lose(conn, got == 0 ? -ECONNRESET : -errno);
        if (got > 0 && redisReaderFeed(reader, buffer, (size_t)got) != REDIS_OK)
            return db_conn_break(conn, -ENOMEM, false, "%s: %s", conn->uri, reader->errstr);
    }
}

/* ---- questions ----------------------------------------------------------------------------- */

/* The commands for all rows, one behind the other; the caller's to free. NULL: no memory. */
static char *format(const struct db_row *rows, size_t count, bool set, size_t *length)
{
    char *all = NULL;

    *length = 0;
    for (size_t i = 0; i < count; i++) {
        char *command = NULL, *more;
        int size = set ? redisFormatCommand(&command, "SET world:%d %d", rows[i].id, rows[i].number)
                       : redisFormatCommand(&command, "GET world:%d", rows[i].id);

        more = size < 0 ? NULL : realloc(all, *length + (size_t)size);
        if (more == NULL) {
            redisFreeCommand(command);
            free(all);
            return NULL;
        }
        all = more;
        memcpy(all + *length, command, (size_t)size);
        *length += (size_t)size;
        redisFreeCommand(command);
    }
    return all;
}

static int send_rows(struct db_conn *conn, struct io *io, const struct db_row *rows, size_t count,
                     bool set, int64_t deadline_ms)
{
    size_t length;
    char *commands = format(rows, count, set, &length);
    int result;

    if (commands == NULL)
        return db_conn_fail(conn, -ENOMEM, "%s", strerror(ENOMEM));
    result = send_all(conn, io, commands, length, deadline_ms);
    free(commands);
    return result;
}

/* What a reply to GET holds: a number, or 0 for anything that is none. */
static int number_of(const redisReply *reply)
{
    char *end;
    long value;

    if (reply->type != REDIS_REPLY_STRING || reply->len == 0)
        return 0;
    value = strtol(reply->str, &end, 10);
    return *end == '\0' && db_number_is_valid(value) ? (int)value : 0;
}

/*
 * Receives the reply to a GET or SET; *number is what it holds. An error that Redis reports (no
 * memory left, another type behind the name, no right to ask) concerns that one command: it is
 * noted for the log, and the row is missing. A reply that is none to such a command belongs to
 * another.
 */
static int receive_reply(struct db_conn *conn, struct io *io, bool set, int *number,
                         int64_t deadline_ms)
{
    redisReply *reply = NULL;
    int result = receive(conn, io, &reply, deadline_ms);

    if (reply == NULL)
        return result;
    *number = number_of(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        (void)db_conn_fail(conn, -EIO, "%s: %s", conn->uri, reply->str);
    else if (set ? reply->type != REDIS_REPLY_STATUS
                 : reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_NIL)
        result = db_conn_break(conn, -EPROTO, false, "%s: a reply to another question", conn->uri);
    freeReplyObject(reply);
    return result;
}

/* After the last reply. More would be taken for replies to the next question. */
static int expect_no_more(struct db_conn *conn)
{
    const redisReader *reader = conn->handle;

    return reader->pos == reader->len
               ? 0
               : db_conn_break(conn, -EPROTO, false, "%s: more replies than questions", conn->uri);
}

static int cache_read(struct db_conn *conn, struct io *io, struct db_row *rows, size_t count,
                      int64_t deadline_ms)
{
    int result = send_rows(conn, io, rows, count, false, deadline_ms);

    for (size_t i = 0; i < count && result == 0; i++)
        result = receive_reply(conn, io, false, &rows[i].number, deadline_ms);
    if (result == 0)
        result = expect_no_more(conn);
    for (size_t i = 0; i < count && result < 0; i++) /* none can be relied on */
        rows[i].number = 0;
    return result;
}

static int cache_update(struct db_conn *conn, struct io *io, const struct db_row *rows,
                        size_t count, int64_t deadline_ms)
{
    int result = send_rows(conn, io, rows, count, true, deadline_ms);
    int ignored;

    for (size_t i = 0; i < count && result == 0; i++)
        result = receive_reply(conn, io, true, &ignored, deadline_ms);
    return result == 0 ? expect_no_more(conn) : result;
}

const struct db_backend db_redis = {
    .name = "redis",
    .optional = true,
    .look_always = true,
    .open = cache_open,
    .close = cache_close,
    .read = cache_read,
    .update = cache_update,
};
