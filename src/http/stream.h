/* SPDX-License-Identifier: MIT
 *
 * A connection while it is being served: its socket seen through the context's
 * two buffers, and the waiting for a client that is slow either way.
 *
 * Everything here lives in the context that serves (on its stack and in its io's
 * scratch) and is gone when the connection is parked.
 */
#ifndef HTTP_STREAM_H
#define HTTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "http/ahead.h"
#include "http/chunked.h"
#include "http/conn.h"
#include "http/pace.h"
#include "io.h"

enum {
    FAIR_SHARE = 256 * 1024, /* bytes moved for one client before others get their turn */
};

struct connection_stream {
    struct io *io;
    struct conn *conn;
    const struct config *config;

    size_t start, end; /* unread input is io->in[start, end) */
    size_t floor;      /* io->in[0, floor) is in use (the head being served) */
    bool drained;      /* the last read came back short: no more input is there now */
    size_t out_length; /* unsent output is io->out[0, out_length) */
    struct client_pace pace;
    size_t moved;         /* bytes since others last had their turn */
    uint64_t sent;        /* bytes of answers that the kernel has taken */
    bool given_up;        /* its client did not take what it was sent */
    uint64_t answer_from; /* of the bytes sent: where the answer to the last request begins */
    int64_t turn_ms;      /* when this client's turn was last looked at; 0: not yet */
    struct ahead ahead;   /* input behind io->in, read while output could not be sent */

    /* The body of the request being served. */
    bool body_chunked;
    bool body_done;     /* read to its end */
    bool continue_due;  /* the client waits for 100 Continue */
    int body_error;     /* what http_read_body() keeps returning once it failed */
    uint64_t body_left; /* of a Content-Length */
    uint64_t body_read;
    struct chunked chunked;
};

/* Begins to serve c in the context of io: the bytes in its spill are unread input. */
void stream_open(struct connection_stream *s, struct conn *c, struct io *io);

/* Frees what the stream holds. Unread input and unsent output are lost. */
static inline void stream_close(struct connection_stream *s)
{
    if (s->ahead.size > 0)
        ahead_term(&s->ahead, s->io);
}

/* Reads once, without waiting, behind the unread input, making room when needed.
 * Returns the count, 0 at end of input, -EAGAIN, -ENOBUFS when the buffer is full, or the
 * socket's error. */
ssize_t stream_fill(struct connection_stream *s);

/* Reads once, without waiting, straight into buffer. Returns as stream_fill(). */
ssize_t stream_read(struct connection_stream *s, void *buffer, size_t capacity);

/* Waits until the client has sent more (IO_READ alone: sends all output first), or can be sent more
 * (IO_WRITE). Returns the ready events, -ETIMEDOUT when it fell below its pace or was silent for
 * too long, -EBUSY when it is to give way to others, or -ECANCELED. Silent is who neither sends
 * what is waited for nor acknowledges: a full socket is ready only when a third of it is free
 * again, which takes a steady reader long. */
int stream_wait(struct connection_stream *s, int events);

/* What the client has not taken yet of all that was sent: not acknowledged, or on a Unix socket not
 * read (there in memory used, a little more than the bytes). */
uint32_t stream_untaken(const struct conn *c);

/* Adds to the output: copies what fits, else sends all of it at once. */
int stream_put(struct connection_stream *s, const void *data, size_t length);

/* Sends all output. `more` announces that more follows at once (MSG_MORE). Returns 0, or the
 * socket's negative errno, or what stream_wait() returned. */
int stream_flush(struct connection_stream *s, bool more);

/* Notes that an answer begins here, so that it can be taken back. */
static inline void stream_begin_answer(struct connection_stream *s)
{
    s->answer_from = s->sent + s->out_length;
}

/* Drops the output since stream_begin_answer(). False: some of it has left, or what comes before it
 * could not be sent. */
static inline bool stream_take_back(struct connection_stream *s)
{
    uint64_t before = s->answer_from - s->sent; /* unsent; beyond any length if it has left */

    if (before > s->out_length)
        return false;
    s->out_length = (size_t)before;
    return true;
}

/* Makes sure that count bytes (at most HTTP_OUT_SIZE) fit behind io->out + out_length; sends what
 * is there if they do not. Returns as stream_flush(). */
static inline int stream_reserve(struct connection_stream *s, size_t count)
{
    return count <= s->io->out_size - s->out_length ? 0 : stream_flush(s, true);
}

/* Sends length bytes of file fd from offset, after the output. -EIO: the file was shorter. */
int stream_send_file(struct connection_stream *s, int fd, uint64_t offset, uint64_t length);

#endif
