/* SPDX-License-Identifier: MIT
 *
 * What a request handler sees of HTTP: one exchange, that is a request to read
 * and an answer to write.
 *
 * Implemented by src/http/, used by src/handler/, which src/http/ knows as a struct
 * http_application. Handlers are synchronous: a
 * function here that must wait for the client does so through io.h. The caller
 * of a handler (src/http/connection.c) completes whatever it leaves open: it
 * ends a chunked answer, drops the body of an answer to HEAD, drains an unread
 * request body or closes, and counts and logs the answer.
 *
 * Lengths are in bytes. Strings marked "slice" are not NUL-terminated and live
 * until the handler returns.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io.h"

enum {
    HTTP_MAX_FIELDS = 100,    /* more: 431 */
    HTTP_MAX_TARGET = 8000,   /* longer request targets: 414 */
    HTTP_OUT_SIZE = 16 * 1024 /* bytes gathered before a send */
};

/* The methods this server knows; any other valid token is answered 501. */
enum request_method {
    HTTP_METHOD_UNKNOWN,
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER, /* known to HTTP, offered by no route: PUT, DELETE, PATCH, TRACE */
    HTTP_METHOD_CONNECT,
};

struct http_slice {
    const char *data;
    size_t length;
};

struct http_field {
    struct http_slice name;
    struct http_slice value; /* without surrounding white space */
};

/* One request's head, parsed; see request.h for how it comes about. */
struct http_request {
    enum request_method method;
    struct http_slice method_name;
    struct http_slice target;    /* as sent */
    struct http_slice path;      /* of the target, still percent-encoded; "*" for OPTIONS * */
    struct http_slice query;     /* after '?', still encoded; empty when there is none */
    struct http_slice authority; /* Host, or the authority of an absolute-form target */
    unsigned char version_minor; /* 0 or 1: what it is served as */
    bool keep_alive;             /* what the client wants */
    bool expects_continue;
    bool chunked;
    bool has_body;           /* a Content-Length above 0, or chunked */
    uint64_t content_length; /* of the request body; 0 when chunked */
    unsigned field_count;
    struct http_field fields[HTTP_MAX_FIELDS];
};

/* One request and its answer. Members are the HTTP code's own, except those
 * marked for handlers. */
struct http_exchange {
    struct io *io;                      /* for handlers: how to wait */
    const struct http_request *request; /* for handlers: read only */
    struct connection_stream *stream;   /* the connection it came in on */
    char extra_buffer[512];             /* further header lines, see http_add_header() */
    size_t extra_length;
    unsigned status;         /* 0 until the answer's head is written */
    bool body_forbidden;     /* HEAD, 204, 304 */
    bool chunked;            /* the answer is sent in chunks */
    bool close;              /* the connection closes after this answer */
    bool failed;             /* the client cannot be reached any more */
    bool broken;             /* the handler gave up in mid-answer */
    uint64_t body_remaining; /* of the answer's Content-Length, still to be written */
    uint64_t body_sent;      /* bytes of the answer's body handed over to the output */
    uint64_t body_at;        /* where it begins, counted as connection_stream.sent */
    uint64_t framing;        /* bytes around its chunks */
};

struct route;

/* What answers the requests: main() puts it into struct server. */
struct http_application {
    /* The route that a request is for, or NULL. */
    const struct route *(*find)(const struct http_request *request);

    /* It may take long, so the answers to earlier requests are sent before it runs. */
    bool (*waits)(const struct route *route);

    /* Answers x by the route found, NULL: none. Returns 0, or the negative errno that a function
     * below or one of io.h gave. */
    int (*serve)(const struct route *route, struct http_exchange *x);
};

/* Length for http_begin(): not known beforehand. Sent chunked, or to an HTTP/1.0
 * client delimited by the connection's close. */
#define HTTP_UNKNOWN_LENGTH UINT64_MAX

/*
 * Answers completely: status, Content-Type (NULL: none) and body.
 * Returns 0, or a negative errno when the connection failed; the handler then
 * returns that.
 */
int http_reply(struct http_exchange *x, unsigned status, const char *content_type, const void *body,
               size_t length) __attribute__((warn_unused_result));

/* Answers with a one-line text/plain reason, formatted as by printf; a newline is added. */
int http_error(struct http_exchange *x, unsigned status, const char *format, ...)
    __attribute__((warn_unused_result, format(printf, 3, 4)));

/* Answers 301 to the address of the request itself with a slash behind its path, its query kept:
 * what is asked for is a directory. Returns as http_reply(). */
int http_redirect_to_slash(struct http_exchange *x) __attribute__((warn_unused_result));

/*
 * Adds a header line to the answer that has not begun: name is a constant, value
 * is formatted. CR, LF, NUL and other control bytes in the value are replaced by
 * '?', so no client's bytes can end a line. Lines beyond 512 bytes in all are a
 * programming error (assert).
 */
void http_add_header(struct http_exchange *x, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts an answer whose body follows by http_write() or http_send_file(); length is the
 * body's, or HTTP_UNKNOWN_LENGTH. Returns as http_reply(). */
int http_begin(struct http_exchange *x, unsigned status, const char *content_type, uint64_t length)
    __attribute__((warn_unused_result));

/*
 * Writes length bytes of the body of an answer begun with http_begin(); with an
 * unknown length each call makes one chunk (none when length is 0). Bytes are
 * copied or sent before it returns. May wait for a slow reader.
 * Returns 0, -EMSGSIZE for more than the announced length, or the negative errno
 * of a failed connection (-EPIPE, -ECONNRESET, -ETIMEDOUT, -EBUSY, -ECANCELED).
 */
int http_write(struct http_exchange *x, const void *data, size_t length)
    __attribute__((warn_unused_result));

/* Sends what has been written so far, so that the client sees it now. Call before a
 * wait inside an answer. Returns as http_write(). */
int http_flush(struct http_exchange *x) __attribute__((warn_unused_result));

/*
 * Sends length bytes of the regular file fd from offset as (part of) the body,
 * with sendfile(), or read and written where that is not possible; fd stays the
 * caller's. A file found to be shorter than that fails the connection with -EIO:
 * an answer is never padded.
 */
int http_send_file(struct http_exchange *x, int fd, uint64_t offset, uint64_t length)
    __attribute__((warn_unused_result));

/*
 * Reads up to capacity bytes of the request body, waiting for at least one. The
 * first call sends "100 Continue" if the client waits for it. Returns the count,
 * 0 at the end of the body (or without one), -EBADMSG when the framing is broken
 * (answered with 400 by the caller unless the answer has begun), -EMSGSIZE when
 * it grew beyond --max-body (413), -ETIMEDOUT or -EBUSY (408), -ECONNRESET when the client
 * went away, or -ECANCELED. After an error the handler returns that error.
 */
ssize_t http_read_body(struct http_exchange *x, void *buffer, size_t capacity)
    __attribute__((warn_unused_result));

/* The client's address: "192.0.2.1", "2001:db8::1", or "unix:" for one of a Unix socket. Of a
 * request that came through a trusted proxy (--trusted-proxies) that of whoever has asked the
 * proxy. */
enum { HTTP_CLIENT_SIZE = 46 };
void http_client(const struct http_exchange *x, char out[HTTP_CLIENT_SIZE]);

/* The value of the first header field of that name (any case), or NULL data. */
struct http_slice http_field(const struct http_request *request, const char *name);

/* How much Accept wants the type, given as "text/html": from 0, not at all, to 1000 thousandths,
 * which is also what it says by not being there. *named: by the type's own name, not by a range. */
unsigned http_accept_weight(const struct http_request *request, const char *type, bool *named);

/* True when slice equals the NUL-terminated text: exactly, or in any ASCII case. */
bool http_slice_is(struct http_slice slice, const char *text);
bool http_slice_is_nocase(struct http_slice slice, const char *text);

/* The byte, 0 to 255, that the escape at p stands for: '%' and two hexadecimal digits before end
 * (RFC 3986, 2.1). -1 when there is none. */
int http_escaped_byte(const char *p, const char *end);

/*
 * Reading the query, "name=value&name=value". http_query_check() answers 400 and
 * returns false when the query holds a name that is not among the count names, a
 * name twice, or a pair without '='. http_query_number() looks one up: sets
 * *value to it, or to fallback when absent; answers 400 and returns false when it
 * is not a decimal number from minimum to maximum. Both answer through x, whose
 * handler then returns *error.
 *
 * Names and values mean what their escapes stand for: "m%73=%31" is "ms=1". The query is split
 * before they are undone, so "%26" and "%3D" separate nothing; a '+' is a '+'.
 */
bool http_query_check(struct http_exchange *x, const char *const *names, size_t count, int *error);
bool http_query_number(struct http_exchange *x, const char *name, uint64_t minimum,
                       uint64_t maximum, uint64_t fallback, uint64_t *value, int *error);

/* The Date field of answers, formatted once a second; one per worker. */
struct http_clock {
    int64_t second; /* CLOCK_REALTIME; 0: nothing formatted yet */
    char line[40];  /* "Date: ...\r\n" */
};

/* Formats an HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT", 29 bytes and a NUL) of
 * a time in seconds since the epoch; and reads one in any of RFC 9110's three
 * forms: returns false for anything else. */
enum { HTTP_DATE_SIZE = 30 };
void http_date_format(char out[HTTP_DATE_SIZE], int64_t seconds);
bool http_date_parse(struct http_slice text, int64_t *seconds);

/* The reason phrase of a status code; "Unknown" for one this server never sends. */
const char *http_reason(unsigned status);

#endif
