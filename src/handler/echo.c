/* SPDX-License-Identifier: MIT
 *
 * POST /echo: the request body, sent back as it comes, of any size: nothing is
 * kept but one buffer, so a client that does not read is held back by the same
 * TCP window that it fills.
 *
 * The answer begins only after the first piece has been read: broken framing
 * or a body beyond --max-body found there is still answered with an error.
 */
#include "handler.h"

#include <string.h>

enum {
    ECHO_BUFFER = 8 * 1024, /* a coroutine's stack is 64 KiB */
    ECHO_TYPE_SIZE = 200,
};

/*
 * Copies the request's Content-Type, terminated, into out: when there is one, it
 * fits, and holds nothing but printable ASCII; else the type of arbitrary bytes.
 */
static void echo_content_type(const struct http_request *request, char out[ECHO_TYPE_SIZE])
{
    struct http_slice type = http_field(request, "Content-Type");
    static const char arbitrary[] = "application/octet-stream";
    bool usable = type.data != NULL && type.length > 0 && type.length < ECHO_TYPE_SIZE;

    for (size_t i = 0; usable && i < type.length; i++)
        usable = type.data[i] >= ' ' && type.data[i] <= '~';
    if (!usable) {
        memcpy(out, arbitrary, sizeof arbitrary);
        return;
    }
    memcpy(out, type.data, type.length);
    out[type.length] = '\0';
}

int handler_echo(struct http_exchange *x)
{
    char type[ECHO_TYPE_SIZE];
    char buffer[ECHO_BUFFER];
    int error;
    ssize_t got;
    uint64_t length;

    if (!http_query_check(x, NULL, 0, &error))
        return error;
    echo_content_type(x->request, type);

    got = http_read_body(x, buffer, sizeof buffer);
    if (got < 0)
        return (int)got;
    length = x->request->chunked ? HTTP_UNKNOWN_LENGTH : x->request->content_length;
    error = http_begin(x, 200, type, length);
    while (error == 0 && got > 0) {
        error = http_write(x, buffer, (size_t)got);
        if (error != 0)
            break;
        got = http_read_body(x, buffer, sizeof buffer);
        if (got < 0)
            error = (int)got;
    }
    return error;
}
