/* SPDX-License-Identifier: MIT
 *
 * Lines in the combined format, with the seconds taken, the worker and the model behind (here
 * broken in two):
 *
 *   127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /hello HTTP/1.1" 200 13
 *   "-" "curl/8" 0.000041 w0 coro
 *
 * The file is opened O_APPEND by main(), so lines of different workers do not mix.
 */
#include "http/access_log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "http/date.h"
#include "http/response.h"
#include "http/stream.h"
#include "log.h"
#include "server.h"
#include "shortage.h"

enum {
    MAX_ESCAPED_LINE = 2560,
    MAX_ESCAPED_FIELD = 512,
    MAX_LINE = PIPE_BUF,
    LOG_DATE_SIZE = sizeof "06/Nov/1994:08:49:37 +0000",
};

/* Without its end, and empty lines before it. */
static struct http_slice first_line(struct http_slice head)
{
    struct http_slice line = {head.data, 0};

    while (head.length > 0 && (line.data[0] == '\r' || line.data[0] == '\n')) {
        line.data++;
        head.length--;
    }
    while (line.length < head.length && line.data[line.length] != '\r' &&
           line.data[line.length] != '\n')
        line.length++;
    return line;
}

static void escape(char *out, size_t size, struct http_slice text)
{
    if (text.length == 0)
        snprintf(out, size, "-");
    else
        log_escape(out, size, text.data, text.length);
}

/* The time in the log's form, out of "Date: Sun, 06 Nov 1994 08:49:37 GMT". The C library's
 * calendar would look up the time zone, and open its file, where workers share their descriptors
 * (io.h). */
static void date_for_log(char out[LOG_DATE_SIZE], const char *line)
{
    snprintf(out, LOG_DATE_SIZE, "%.2s/%.3s/%.4s:%.8s +0000", line + 11, line + 14, line + 18,
             line + 23);
}

/* Appends a line, or counts it as lost: neither a full disk nor a reader that stands still may stop
 * the service. Where only a part of it fitted, the next begins with the end that this one lacks:
 * the newline in front of it. */
static void append(struct server *server, const char *line, size_t length)
{
    _Atomic bool *torn = &server->shared->log_torn;
    bool was_torn = atomic_exchange_explicit(torn, false, memory_order_relaxed);
    size_t whole = length + was_torn, left = whole;

    while (left > 0) {
        const struct iovec rest = {.iov_base = (void *)(uintptr_t)(line + length - left),
                                   .iov_len = left};
        ssize_t written = log_append(server->access_log_fd, &rest, 1);

        if (written <= 0) {
            if (left == whole ? was_torn : left < length)
                atomic_store_explicit(torn, true, memory_order_relaxed);
            shortage_log_line_lost(server, written < 0 ? (int)-written : ENOSPC);
            return;
        }
        left -= (size_t)written;
    }
    shortage_log_line_written(server);
}

void access_log_write(const struct http_exchange *x, struct http_slice head, int64_t duration_ns)
{
    const struct http_request *request = x->request;
    const struct conn *conn = x->stream->conn;
    char client[HTTP_CLIENT_SIZE], when[LOG_DATE_SIZE], first[MAX_ESCAPED_LINE];
    char referer[MAX_ESCAPED_FIELD], agent[MAX_ESCAPED_FIELD], line[MAX_LINE];
    int length;

    if (x->io->server->access_log_fd < 0)
        return;
    http_client(x, client);
    date_for_log(when, http_clock_line(x->io->clock));
    escape(first, sizeof first, first_line(head));
    escape(referer, sizeof referer, http_field(request, "referer"));
    escape(agent, sizeof agent, http_field(request, "user-agent"));
    line[0] = '\n';
    length = snprintf(line + 1, sizeof line - 1,
                      "%s - - [%s] \"%s\" %03u %llu \"%s\" \"%s\" %.6f w%u %s\n", client, when,
                      first, x->status, (unsigned long long)exchange_body_sent(x), referer, agent,
                      (double)duration_ns / 1e9, conn->worker, x->io->server->config->model);
    if (length >= (int)sizeof line - 1) { /* the NUL gives way */
        length = (int)sizeof line - 1;
        line[length] = '\n';
    }
    append(x->io->server, line + 1, (size_t)length);
}
