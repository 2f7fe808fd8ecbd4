/* SPDX-License-Identifier: MIT
 *
 * The only file that reads from and writes to client sockets: short counts, EINTR
 * and EAGAIN are dealt with here and nowhere else. Sockets are non-blocking; the
 * kernel is asked first, and waited for only when it has nothing.
 */
#include "http/stream.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "server.h"

enum {
    MAX_SENDFILE = 1024 * 1024, /* in one call: in quarters, they cost nearly twice as much */
    LOOK_MS = 1000, /* between looks at what a client that cannot be sent more has taken */
};

void stream_open(struct connection_stream *s, struct conn *c, struct io *io)
{
    s->io = io;
    s->conn = c;
    s->config = io->server->config;
    s->start = 0;
    s->end = c->spilled;
    s->floor = 0;
    s->drained = false;
    s->out_length = 0;
    s->pace = (struct client_pace){0};
    s->turn_ms = 0;
    s->moved = 0;
    s->sent = 0;
    s->given_up = false;
    s->answer_from = 0;
    c->untaken_kb = 0;
    s->ahead = (struct ahead){0};
    s->body_done = true;
    s->body_chunked = s->continue_due = false;
    s->body_error = 0;
    s->body_left = s->body_read = 0;
    if (c->spilled > 0)
        memcpy(io->in, c->spill, c->spilled);
}

__attribute__((cold, noinline)) static void end_turn(struct connection_stream *s)
{
    s->moved = 0;
    io_pause(s->io);
}

/* To be called before up to count bytes are moved for the client. After a share, and before a call
 * that moves more, others have their turn: one with a full pipe cannot keep a loop to itself. */
static inline void take_turn(struct connection_stream *s, size_t count)
{
    if (s->moved >= FAIR_SHARE || count > FAIR_SHARE)
        end_turn(s);
}

/* The client has sent count bytes. */
static inline void received_bytes(struct connection_stream *s, size_t count)
{
    pace_moved(&s->pace, count);
    s->moved += count;
}

/* Moves unread input to the front of the buffer's free part, to read on behind it. */
static void make_room(struct connection_stream *s)
{
    if (s->start > s->floor) {
        memmove(s->io->in + s->floor, s->io->in + s->start, s->end - s->start);
        s->end -= s->start - s->floor;
        s->start = s->floor;
    }
}

static inline ssize_t read_once(struct connection_stream *s, void *buffer, size_t capacity)
{
    ssize_t count;

    if (s->ahead.size > 0) {
        s->drained = false;
        return (ssize_t)ahead_take(&s->ahead, s->io, buffer, capacity);
    }
    take_turn(s, 0);
    do
        count = recv(s->conn->fd, buffer, capacity, 0);
    while (count < 0 && errno == EINTR);
    s->drained = count < (ssize_t)capacity;
    if (count < 0)
        return -errno;
    stats_add(&s->io->stats->bytes_in, (uint64_t)count);
    received_bytes(s, (size_t)count);
    return count;
}

ssize_t stream_read(struct connection_stream *s, void *buffer, size_t capacity)
{
    return read_once(s, buffer, capacity);
}

ssize_t stream_fill(struct connection_stream *s)
{
    ssize_t count;

    if (s->start == s->end)
        s->start = s->end = s->floor;
    if (s->end == s->io->in_size)
        make_room(s);
    if (s->end == s->io->in_size)
        return -ENOBUFS;
    count = read_once(s, s->io->in + s->end, s->io->in_size - s->end);
    if (count > 0)
        s->end += (size_t)count;
    return count;
}

uint32_t stream_untaken(const struct conn *c)
{
    int count;

    return ioctl(c->fd, SIOCOUTQ, &count) < 0 ? 0 : (uint32_t)count;
}

/* Waits for the client until the deadline, at which it has been silent for too long. Returns as
 * io_wait_client(), or 0 when it has taken something though there is not room enough yet. */
static int wait_silence(struct connection_stream *s, int events, int64_t deadline_ms)
{
    bool looks = events & IO_WRITE;
    int64_t before = looks ? stream_untaken(s->conn) : 0, taken = 0;
    int64_t from = io_now_ms(), now = from, began, until;
    int result;

    do {
        began = now;
        until = looks && deadline_ms - now > LOOK_MS ? now + LOOK_MS : deadline_ms;
        result =
            io_wait_client(s->io, s->conn->fd, events, until, pace_slow_ms(&s->pace) + now - from);
        if (looks)
            taken = before - stream_untaken(s->conn);
        now = io_now_ms(); /* as before: a context that must not wait has not done so */
    } while (result == -ETIMEDOUT && taken <= 0 && until < deadline_ms && now > began);
    pace_waited(&s->pace, now - from);
    if (taken <= 0)
        return result;
    pace_moved(&s->pace, (uint64_t)taken);
    return result == -ETIMEDOUT || result == -EBUSY ? 0 : result;
}

static int64_t silence_limit_ms(const struct connection_stream *s, int events)
{
    int64_t body_ms = events & IO_READ ? s->config->body_timeout_ms : 0;
    int64_t write_ms = events & IO_WRITE ? s->config->write_timeout_ms : 0;

    return body_ms > write_ms ? body_ms : write_ms;
}

int stream_wait(struct connection_stream *s, int events)
{
    int64_t limit_ms = silence_limit_ms(s, events), patience_ms;
    int result;

    if (events == IO_READ) { /* what the client may be waiting for must not wait with us */
        result = stream_flush(s, false);
        if (result < 0)
            return result;
        if (s->ahead.size > 0) /* it came while the flush waited */
            return IO_READ;
    }
    do {
        patience_ms = pace_patience_ms(&s->pace, limit_ms);
        result = patience_ms > 0 ? wait_silence(s, events, io_now_ms() + patience_ms) : -ETIMEDOUT;
    } while (result == 0);
    if ((events & IO_WRITE) && (result == -ETIMEDOUT || result == -EBUSY))
        s->given_up = true;
    return result;
}

/* How much of the request body may still be read ahead: what is left of a Content-Length; with
 * chunks no end is known, and what lies behind it is served later all the same. */
static uint64_t readable_ahead(const struct connection_stream *s)
{
    uint64_t have = s->end - s->start + s->ahead.end - s->ahead.start;

    if (s->body_done || s->continue_due || s->body_error != 0)
        return 0;
    if (s->body_chunked)
        return s->config->max_body > have ? s->config->max_body - have : 0;
    return s->body_left > have ? s->body_left - have : 0;
}

/* Waits until output can be sent. A client that sends its whole body before it reads is read from
 * meanwhile, or neither side would ever go on. */
static int wait_to_send(struct connection_stream *s)
{
    for (;;) {
        uint64_t limit = readable_ahead(s);
        int result = stream_wait(s, limit > 0 ? IO_READ | IO_WRITE : IO_WRITE);
        ssize_t count;

        if (result < 0 || (result & IO_WRITE))
            return result < 0 ? result : 0;
        count = ahead_fill(&s->ahead, s->io, s->conn->fd, limit);
        if (count <= 0) {
            result = stream_wait(s, IO_WRITE); /* ended, failed or no memory: no more of it */
            return result < 0 ? result : 0;
        }
        received_bytes(s, (size_t)count);
    }
}

/* Drops `sent` bytes from the front of iov; returns the number of entries left. */
static int advance(struct iovec **iov, int count, size_t sent)
{
    while (count > 0 && sent >= (*iov)->iov_len) {
        sent -= (*iov)->iov_len;
        ++*iov;
        count--;
    }
    if (count > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + sent;
        (*iov)->iov_len -= sent;
    }
    return count;
}

static inline void sent_bytes(struct connection_stream *s, size_t count)
{
    stats_add(&s->io->stats->bytes_out, count);
    s->sent += count;
    s->moved += count;
}

static int send_all(struct connection_stream *s, struct iovec *iov, int count, int flags)
{
    while (count > 0) {
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};
        ssize_t sent;

        take_turn(s, 0);
        sent = sendmsg(s->conn->fd, &message, flags);
        if (sent >= 0) {
            sent_bytes(s, (size_t)sent);
            count = advance(&iov, count, (size_t)sent);
        } else if (errno == EAGAIN) {
            int result = wait_to_send(s);

            if (result < 0)
                return result;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int stream_flush(struct connection_stream *s, bool more)
{
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    struct iovec iov = {s->io->out, s->out_length};
    ssize_t sent;

    if (iov.iov_len == 0)
        return 0;
    s->out_length = 0;
    sent = send(s->conn->fd, iov.iov_base, iov.iov_len, flags); /* nearly always all of it */
    if (sent > 0) {
        sent_bytes(s, (size_t)sent);
        if ((size_t)sent == iov.iov_len)
            return 0;
        iov.iov_base = (char *)iov.iov_base + sent;
        iov.iov_len -= (size_t)sent;
    }
    return send_all(s, &iov, 1, flags);
}

int stream_put(struct connection_stream *s, const void *data, size_t length)
{
    size_t before = s->out_length;

    if (length <= s->io->out_size - before) {
        memcpy(s->io->out + before, data, length);
        s->out_length = before + length;
        return 0;
    }
    s->out_length = 0;
    return send_all(s, (struct iovec[]){{s->io->out, before}, {(void *)(uintptr_t)data, length}}, 2,
                    MSG_NOSIGNAL);
}

/* For a file that sendfile() does not serve: through the output buffer, which is empty. */
static int copy_file(struct connection_stream *s, int fd, off_t at, uint64_t length)
{
    while (length > 0) {
        size_t most = length < s->io->out_size ? (size_t)length : s->io->out_size;
        ssize_t count = pread(fd, s->io->out, most, at);
        struct iovec iov = {s->io->out, (size_t)count};
        int result = count == 0 ? -EIO : 0;

        if (count < 0)
            result = errno == EINTR ? 0 : -errno;
        else if (count > 0)
            result = send_all(s, &iov, 1, MSG_NOSIGNAL);
        if (result < 0)
            return result;
        if (count > 0) {
            at += count;
            length -= (uint64_t)count;
        }
    }
    return 0;
}

int stream_send_file(struct connection_stream *s, int fd, uint64_t offset, uint64_t length)
{
    off_t at = (off_t)offset;
    int result = stream_flush(s, true);

    while (result == 0 && length > 0) {
        size_t count = length < MAX_SENDFILE ? (size_t)length : MAX_SENDFILE;
        ssize_t sent;

        take_turn(s, count);
        sent = sendfile(s->conn->fd, fd, &at, count);
        if (sent > 0) {
            sent_bytes(s, (size_t)sent);
            length -= (uint64_t)sent;
        } else if (sent == 0) {
            result = -EIO;
        } else if (errno == EAGAIN) {
            result = wait_to_send(s);
        } else if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM) {
            return copy_file(s, fd, at, length); /* its file system, or a sandbox, has none */
        } else if (errno != EINTR) {
            result = -errno;
        }
    }
    return result;
}
