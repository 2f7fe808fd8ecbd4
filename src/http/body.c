/* SPDX-License-Identifier: MIT
 *
 * The request body, pulled by the handler: never read ahead of it, never beyond
 * its end, so that what follows is the next request.
 */
#include "http/body.h"

#include <errno.h>
#include <string.h>

#include "http.h"

/* Reads more input, waiting for the client: into buffer or, NULL, behind what is in the stream's.
 * The count, more than 0, or a negative errno. */
static ssize_t read_more(struct connection_stream *s, void *buffer, size_t capacity)
{
    for (;;) {
        ssize_t count = buffer == NULL ? stream_fill(s) : stream_read(s, buffer, capacity);

        if (count == 0)
            return -ECONNRESET;
        if (count == -EAGAIN)
            count = stream_wait(s, IO_READ);
        else if (count > 0)
            return count;
        if (count < 0)
            return count;
    }
}

/* Up to capacity bytes of data of which `left` remain: buffered ones, else from the socket. */
static ssize_t take(struct connection_stream *s, void *buffer, size_t capacity, uint64_t left)
{
    size_t buffered = s->end - s->start;
    size_t count = left < capacity ? (size_t)left : capacity;

    if (buffered == 0)
        return read_more(s, buffer, count);
    if (count > buffered)
        count = buffered;
    memcpy(buffer, s->io->in + s->start, count);
    s->start += count;
    return (ssize_t)count;
}

/* Reads framing up to the next data or the end. Returns 1, 0 at the end, or a negative errno. */
static int next_chunk(struct connection_stream *s)
{
    for (;;) {
        size_t used;
        enum chunked_event event =
            chunked_next(&s->chunked, s->io->in + s->start, s->end - s->start, &used);
        ssize_t count;

        s->start += used;
        switch (event) {
        case CHUNKED_DATA:
            return s->chunked.data > s->config->max_body ? -EMSGSIZE : 1;
        case CHUNKED_END:
            s->body_done = true;
            return 0;
        case CHUNKED_BAD:
            return -EBADMSG;
        case CHUNKED_MORE:
            break;
        }
        count = read_more(s, NULL, 0);
        if (count < 0)
            return (int)count;
    }
}

int body_init_chunked(struct connection_stream *s)
{
    const char *p = s->io->in + s->start, *end = s->io->in + s->end;
    enum chunked_event event = CHUNKED_DATA;
    struct chunked chunked;

    chunked_init(&s->chunked);
    chunked = s->chunked;
    while (event == CHUNKED_DATA && p < end) {
        size_t used, data;

        event = chunked_next(&chunked, p, (size_t)(end - p), &used);
        if (event == CHUNKED_BAD)
            return -EBADMSG;
        if (chunked.data > s->config->max_body)
            return -EMSGSIZE;
        p += used;
        data = (size_t)(end - p) < chunked.left ? (size_t)(end - p) : (size_t)chunked.left;
        chunked_take(&chunked, data);
        p += data;
    }
    return 0;
}

static ssize_t read_some(struct connection_stream *s, void *buffer, size_t capacity)
{
    ssize_t count;

    if (!s->body_chunked) {
        count = take(s, buffer, capacity, s->body_left);
        if (count > 0)
            s->body_left -= (uint64_t)count;
        s->body_done = s->body_left == 0;
        return count;
    }
    if (s->chunked.left == 0) {
        count = next_chunk(s);
        if (count <= 0)
            return count;
    }
    count = take(s, buffer, capacity, s->chunked.left);
    if (count > 0)
        chunked_take(&s->chunked, (uint64_t)count);
    return count;
}

ssize_t http_read_body(struct http_exchange *x, void *buffer, size_t capacity)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct connection_stream *s = x->stream;
    ssize_t count;

    if (s->body_error != 0)
        return s->body_error;
    if (s->body_done || capacity == 0)
        return 0;
    if (s->continue_due) {
        s->continue_due = false;
        if (s->start == s->end && x->status == 0) { /* none of the body has come yet */
            int result = stream_put(s, CONTINUE, sizeof CONTINUE - 1);

            if (result == 0)
                result = stream_flush(s, false);
            if (result < 0)
                return s->body_error = result;
        }
    }
    count = read_some(s, buffer, capacity);
    if (count < 0)
        s->body_error = (int)count;
    else
        s->body_read += (uint64_t)count;
    return count;
}

bool body_discard(struct http_exchange *x)
{
    char scrap[2048];
    struct connection_stream *s = x->stream;
    uint64_t dropped = 0;

    while (!s->body_done && dropped <= BODY_DISCARD_LIMIT) {
        ssize_t count = http_read_body(x, scrap, sizeof scrap);

        if (count < 0)
            return false;
        dropped += (uint64_t)count;
    }
    return s->body_done;
}
