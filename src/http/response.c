/* SPDX-License-Identifier: MIT
 *
 * Writing an answer: status line, header, body in the framing the client can
 * read. Head and body go into the context's output buffer, so a small answer,
 * and a row of pipelined ones, leaves in one send.
 */
#include "http/response.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http/body.h"
#include "http/date.h"
#include "server.h"

enum {
    /* An upper bound of status line and own header lines; content type and extra lines come on
     * top. */
    HEAD_RESERVE = 512,
};

static const struct {
    unsigned status;
    const char *reason;
} REASONS[] = {
    {200, "OK"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++)
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    return "Unknown";
}

/* Notes a result: after a failure the connection is of no use. */
static int note(struct http_exchange *x, int result)
{
    if (result < 0)
        x->failed = true;
    return result;
}

static char *append(char *p, const char *text, size_t length)
{
    memcpy(p, text, length);
    return p + length;
}

static char *append_text(char *p, const char *text)
{
    return append(p, text, strlen(text));
}

static char *append_number(char *p, uint64_t value)
{
    uint64_t rest = value;
    char *end;

    do
        p++;
    while ((rest /= 10) > 0);
    end = p;
    do
        *--p = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return end;
}

#define APPEND_LITERAL(p, text) append((p), (text), sizeof(text) - 1)

static char *append_status_line(char *p, unsigned status)
{
    if (status == 200)
        return APPEND_LITERAL(p, "HTTP/1.1 200 OK\r\n");
    p = APPEND_LITERAL(p, "HTTP/1.1 ");
    p = append_number(p, status);
    p = APPEND_LITERAL(p, " ");
    p = append_text(p, http_reason(status));
    return APPEND_LITERAL(p, "\r\n");
}

/* has_length: of the content, which is then given. */
static char *append_framing(char *p, const struct http_exchange *x, bool has_length,
                            uint64_t length)
{
    if (has_length) {
        p = APPEND_LITERAL(p, "Content-Length: ");
        p = append_number(p, length);
        p = APPEND_LITERAL(p, "\r\n");
    } else if (x->chunked) {
        p = APPEND_LITERAL(p, "Transfer-Encoding: chunked\r\n");
    }
    if (x->close)
        return APPEND_LITERAL(p, "Connection: close\r\n");
    if (x->request->version_minor == 0)
        return APPEND_LITERAL(p, "Connection: keep-alive\r\n");
    return p;
}

static inline int begin(struct http_exchange *x, unsigned status, const char *content_type,
                        uint64_t length)
{
    struct connection_stream *s = x->stream;
    size_t type_length = content_type == NULL ? 0 : strlen(content_type);
    bool empty = status == 204 || status == 304; /* and says nothing of a length */
    char *p;
    int result;

    assert(x->status == 0);
    result = stream_reserve(s, HEAD_RESERVE + type_length + sizeof x->extra_buffer);
    if (result < 0)
        return note(x, result);
    x->status = status;
    x->body_forbidden |= empty;
    x->body_remaining = length;
    if (length == HTTP_UNKNOWN_LENGTH && !empty) {
        x->chunked = x->request->version_minor > 0;
        x->close |= !x->chunked;
    }
    x->close |= server_ends_connections(s->io->server);
    x->close = x->close || shared_give_place(&s->io->server->shared->places_of_any);
    if (!s->body_done) {
        x->close |= s->body_read == 0 && !body_worth_discarding(s);
        stream_begin_answer(s);
    }

    p = append_status_line(s->io->out + s->out_length, status);
    p = append(p, http_clock_line(s->io->clock), HTTP_DATE_LINE);
    if (content_type != NULL) {
        p = APPEND_LITERAL(p, "Content-Type: ");
        p = append(p, content_type, type_length);
        p = APPEND_LITERAL(p, "\r\n");
    }
    p = append_framing(p, x, !empty && length != HTTP_UNKNOWN_LENGTH, length);
    if (x->extra_length > 0)
        p = append(p, x->extra_buffer, x->extra_length);
    p = APPEND_LITERAL(p, "\r\n");
    s->out_length = (size_t)(p - s->io->out);
    x->body_at = s->sent + s->out_length;
    return 0;
}

int http_begin(struct http_exchange *x, unsigned status, const char *content_type, uint64_t length)
{
    return begin(x, status, content_type, length);
}

void http_add_header(struct http_exchange *x, const char *name, const char *format, ...)
{
    char *line = x->extra_buffer + x->extra_length;
    size_t space = sizeof x->extra_buffer - x->extra_length;
    int head = snprintf(line, space, "%s: ", name);
    va_list args;
    int length;

    assert(head > 0 && (size_t)head < space);
    va_start(args, format);
    length = vsnprintf(line + head, space - (size_t)head, format, args);
    va_end(args);
    assert(length >= 0 && (size_t)(head + length + 2) <= space);
    for (int i = head; i < head + length; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    memcpy(line + head + length, "\r\n", 2);
    x->extra_length += (size_t)(head + length + 2);
}

/* One chunk: its size and its end are counted in with the data by the output buffer. */
static int write_chunk(struct http_exchange *x, const void *data, size_t length)
{
    struct connection_stream *s = x->stream;
    char size[20];
    int digits = snprintf(size, sizeof size, "%zx\r\n", length);
    int result = stream_put(s, size, (size_t)digits);

    x->framing += (size_t)digits + 2;
    if (result == 0)
        result = stream_put(s, data, length);
    return result < 0 ? result : stream_put(s, "\r\n", 2);
}

/* Accounts for length bytes of body; 1 when they are to be sent, 0 when not, or -EMSGSIZE. */
static inline int account(struct http_exchange *x, uint64_t length)
{
    assert(x->status != 0);
    if (x->failed)
        return -EPIPE;
    if (x->body_remaining != HTTP_UNKNOWN_LENGTH) {
        if (length > x->body_remaining)
            return -EMSGSIZE;
        x->body_remaining -= length;
    }
    if (x->body_forbidden)
        return 0;
    x->body_sent += length;
    return length > 0;
}

static inline int write_body(struct http_exchange *x, const void *data, size_t length)
{
    int result = account(x, length);

    if (result <= 0)
        return result;
    return note(x, x->chunked ? write_chunk(x, data, length) : stream_put(x->stream, data, length));
}

int http_write(struct http_exchange *x, const void *data, size_t length)
{
    return write_body(x, data, length);
}

int http_flush(struct http_exchange *x)
{
    return note(x, stream_flush(x->stream, false));
}

int http_send_file(struct http_exchange *x, int fd, uint64_t offset, uint64_t length)
{
    int result = account(x, length);

    assert(!x->chunked);
    if (result <= 0)
        return result;
    return note(x, stream_send_file(x->stream, fd, offset, length));
}

int http_reply(struct http_exchange *x, unsigned status, const char *content_type, const void *body,
               size_t length)
{
    int result = begin(x, status, content_type, length);

    return result < 0 || length == 0 ? result : write_body(x, body, length);
}

int http_error(struct http_exchange *x, unsigned status, const char *format, ...)
{
    char line[256];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (length < 0)
        length = 0;
    if ((size_t)length > sizeof line - 2)
        length = sizeof line - 2;
    for (int i = 0; i < length; i++)
        if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
            line[i] = '?';
    line[length++] = '\n';
    return http_reply(x, status, "text/plain", line, (size_t)length);
}

int http_redirect_to_slash(struct http_exchange *x)
{
    static const char reason[] = "a directory: its address ends in a slash\n";
    struct http_slice path = x->request->path, query = x->request->query;
    struct connection_stream *s = x->stream;
    int result;
    char *p;

    /* Room for both in one piece: the line, as long as a target may be, is put in before the empty
     * line of the head. */
    result =
        stream_reserve(s, 2 * HEAD_RESERVE + sizeof x->extra_buffer + path.length + query.length);
    if (result < 0)
        return note(x, result);
    result = begin(x, 301, "text/plain", sizeof reason - 1);
    if (result < 0)
        return result;
    p = s->io->out + s->out_length - strlen("\r\n");
    p = APPEND_LITERAL(p, "Location: ");
    p = append(p, path.data, path.length); /* still encoded, as it is wanted here */
    p = APPEND_LITERAL(p, "/");
    if (query.length > 0) {
        p = APPEND_LITERAL(p, "?");
        p = append(p, query.data, query.length);
    }
    p = APPEND_LITERAL(p, "\r\n\r\n");
    s->out_length = (size_t)(p - s->io->out);
    x->body_at = s->sent + s->out_length;
    return write_body(x, reason, sizeof reason - 1);
}

int exchange_end(struct http_exchange *x)
{
    if (x->failed)
        return -EPIPE;
    if (x->chunked && !x->body_forbidden) {
        x->framing += 5;
        return note(x, stream_put(x->stream, "0\r\n\r\n", 5));
    }
    if (x->chunked)
        return 0;
    if (x->body_remaining > 0 && x->body_remaining != HTTP_UNKNOWN_LENGTH && !x->body_forbidden)
        return note(x, -EPROTO); /* shorter than announced: the client must see it fail */
    return 0;
}

uint64_t exchange_body_sent(const struct http_exchange *x)
{
    uint64_t around = x->body_at + x->framing, sent = x->stream->sent;

    sent = sent > around ? sent - around : 0;
    return sent < x->body_sent ? sent : x->body_sent;
}
