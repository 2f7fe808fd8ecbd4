/* SPDX-License-Identifier: MIT
 *
 * The functions of http.h that touch a connection, replaced by ones that write down
 * what a handler did, and an io that notes waits instead of waiting.
 *
 * Included by a test program, which is linked before libserver.a: its definitions
 * are used instead of the archive's, and the pure functions of http.h (fields,
 * query, dates) stay the real ones.
 */
#ifndef FAKE_EXCHANGE_H
#define FAKE_EXCHANGE_H

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "server.h"

/* What is common to one test: the request's parts go in, what happened comes out. */
struct fake {
    struct http_exchange x;
    struct http_request request;
    struct io io;
    struct server server;
    struct config config;
    struct worker_stats worker;

    /* In. */
    const char *body;    /* the request's, NUL-terminated */
    size_t body_piece;   /* bytes that one http_read_body() gives at most */
    int body_error;      /* given at the end of the body instead of 0 */
    unsigned fail_sleep; /* the number, from 1, of the sleep that is cancelled */

    /* Out. */
    unsigned status;
    char type[256];     /* Content-Type; empty: none */
    char headers[1024]; /* "Name: value\n" for each line added */
    uint64_t announced; /* the body's length, as given to http_begin() */
    char *sent;         /* the body, NUL-terminated */
    size_t sent_length;
    unsigned writes, flushes, sleeps, offloads, checkpoints;
    unsigned gathered;
    int64_t slept_ms;
    int held_fd; /* -1: none now */
    unsigned holds;
    unsigned opening; /* 1 between io_opening() and io_hold() */
};

static struct fake *fake_of(struct http_exchange *x)
{
    return (struct fake *)(void *)((char *)x - offsetof(struct fake, x));
}

static struct fake *fake_of_io(struct io *io)
{
    return (struct fake *)(void *)((char *)io - offsetof(struct fake, io));
}

/* --- http.h --------------------------------------------------------------------- */

void http_add_header(struct http_exchange *x, const char *name, const char *format, ...)
{
    struct fake *fake = fake_of(x);
    char value[600];
    va_list arguments;
    int length;
    size_t used;

    assert(fake->status == 0);
    va_start(arguments, format);
    length = vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    assert(length >= 0 && length < 512);
    used = strlen(fake->headers);
    snprintf(fake->headers + used, sizeof fake->headers - used, "%s: %s\n", name, value);
    assert(strlen(fake->headers) + 8 < 512); /* all lines share 512 bytes */
}

void http_client(const struct http_exchange *x, char out[HTTP_CLIENT_SIZE])
{
    (void)x;
    snprintf(out, HTTP_CLIENT_SIZE, "192.0.2.7");
}

int http_begin(struct http_exchange *x, unsigned status, const char *content_type, uint64_t length)
{
    struct fake *fake = fake_of(x);

    assert(fake->status == 0);
    fake->status = x->status = status;
    fake->announced = length;
    snprintf(fake->type, sizeof fake->type, "%s", content_type != NULL ? content_type : "");
    return 0;
}

int http_write(struct http_exchange *x, const void *data, size_t length)
{
    struct fake *fake = fake_of(x);
    char *sent = realloc(fake->sent, fake->sent_length + length + 1);

    assert(fake->status != 0 && sent != NULL);
    memcpy(sent + fake->sent_length, data, length);
    fake->sent = sent;
    fake->sent_length += length;
    fake->sent[fake->sent_length] = '\0';
    fake->writes++;
    return 0;
}

int http_reply(struct http_exchange *x, unsigned status, const char *content_type, const void *body,
               size_t length)
{
    int error = http_begin(x, status, content_type, length);
    return error != 0 ? error : http_write(x, body, length);
}

int http_error(struct http_exchange *x, unsigned status, const char *format, ...)
{
    char line[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    assert(length > 0 && length < (int)sizeof line - 1);
    assert(strchr(line, '\n') == NULL);
    line[length++] = '\n';
    return http_reply(x, status, "text/plain", line, (size_t)length);
}

int http_redirect_to_slash(struct http_exchange *x)
{
    const struct http_request *request = x->request;

    http_add_header(x, "Location", "%.*s/%s%.*s", (int)request->path.length, request->path.data,
                    request->query.length > 0 ? "?" : "", (int)request->query.length,
                    request->query.data);
    return http_error(x, 301, "a directory");
}

int http_flush(struct http_exchange *x)
{
    fake_of(x)->flushes++;
    return 0;
}

int http_send_file(struct http_exchange *x, int fd, uint64_t offset, uint64_t length)
{
    char *piece = malloc(length);
    ssize_t got;
    int error;

    assert(fd == fake_of(x)->held_fd && piece != NULL);
    got = pread(fd, piece, length, (off_t)offset);
    error = got == (ssize_t)length ? http_write(x, piece, length) : -EIO;
    free(piece);
    return error;
}

ssize_t http_read_body(struct http_exchange *x, void *buffer, size_t capacity)
{
    struct fake *fake = fake_of(x);
    size_t length = fake->body != NULL ? strlen(fake->body) : 0;

    if (length == 0)
        return fake->body_error;
    if (length > capacity)
        length = capacity;
    if (length > fake->body_piece)
        length = fake->body_piece;
    memcpy(buffer, fake->body, length);
    fake->body += length;
    return (ssize_t)length;
}

/* --- io.h ----------------------------------------------------------------------- */

static int fake_sleep(struct io *io, int64_t ms)
{
    struct fake *fake = fake_of_io(io);

    if (++fake->sleeps == fake->fail_sleep)
        return -ECANCELED;
    fake->slept_ms += ms;
    return 0;
}

static int fake_gather(struct io *io, io_job *job, void *args, size_t arg_size, size_t count)
{
    int error = 0;

    for (size_t i = 0; i < count; i++) {
        int result = job(io, (char *)args + i * arg_size);
        if (error == 0)
            error = result;
        fake_of_io(io)->gathered++;
    }
    return error;
}

static int fake_offload(struct io *io, void (*call)(void *arg), void *arg, int64_t deadline_ms)
{
    assert_int_equal(deadline_ms, IO_FOREVER);
    call(arg);
    fake_of_io(io)->offloads++;
    return 0;
}

static void fake_checkpoint(struct io *io)
{
    fake_of_io(io)->checkpoints++;
}

static void fake_opening(struct io *io)
{
    struct fake *fake = fake_of_io(io);

    assert(fake->opening == 0 && fake->held_fd == -1);
    fake->opening = 1;
}

static void fake_hold(struct io *io, int fd)
{
    struct fake *fake = fake_of_io(io);

    assert(fake->opening == 1);
    fake->opening = 0;
    if (fd < 0)
        return;
    fake->held_fd = fd;
    fake->holds++;
}

static void fake_close(struct io *io, int fd)
{
    struct fake *fake = fake_of_io(io);

    assert(fake->held_fd == fd);
    fake->held_fd = -1;
    close(fd);
}

static const struct io_sharing fake_sharing = {
    .opening = fake_opening, .hold = fake_hold, .close = fake_close};

static const struct io_ops fake_ops = {
    .sleep = fake_sleep,
    .gather = fake_gather,
    .offload = fake_offload,
    .checkpoint = fake_checkpoint,
    .sharing = &fake_sharing,
    .model = "fake",
    .gather_how = "in no time",
    .context_is = "test",
};

/* --- making and ending one ------------------------------------------------------ */

/* target: a path, perhaps with a query; kept by reference. workers: rows of /status. */
static inline void fake_init(struct fake *fake, enum request_method method, const char *method_name,
                             const char *target, unsigned workers)
{
    const char *question = strchr(target, '?');
    size_t path_length = question != NULL ? (size_t)(question - target) : strlen(target);
    size_t shared = sizeof *fake->server.shared + (workers + 1) * sizeof(struct worker_stats);
    size_t align = alignof(struct server_shared);

    memset(fake, 0, sizeof *fake);
    fake->request.method = method;
    fake->request.method_name = (struct http_slice){method_name, strlen(method_name)};
    fake->request.target = (struct http_slice){target, strlen(target)};
    fake->request.path = (struct http_slice){target, path_length};
    if (question != NULL)
        fake->request.query = (struct http_slice){question + 1, strlen(question + 1)};
    fake->request.version_minor = 1;
    fake->body_piece = SIZE_MAX;
    fake->held_fd = -1;
    fake->server.workers = workers;
    fake->server.config = &fake->config;
    fake->config.db = "sqlite:world.sqlite";
    fake->config.show_settings = true;
    fake->server.root_fd = -1;
    fake->server.shared = aligned_alloc(align, (shared + align - 1) / align * align);
    assert(fake->server.shared != NULL);
    memset(fake->server.shared, 0, shared);
    strcpy(fake->server.listen_name, "127.0.0.1:8080");
    fake->io.ops = &fake_ops;
    fake->io.server = &fake->server;
    fake->io.stats = &fake->worker;
    fake->x.io = &fake->io;
    fake->x.request = &fake->request;
}

static inline void fake_field(struct fake *fake, const char *name, const char *value)
{
    struct http_field *field = &fake->request.fields[fake->request.field_count++];

    field->name = (struct http_slice){name, strlen(name)};
    field->value = (struct http_slice){value, strlen(value)};
}

static inline void fake_term(struct fake *fake)
{
    assert(fake->held_fd == -1);
    free(fake->sent);
    free(fake->server.shared);
}

#endif
