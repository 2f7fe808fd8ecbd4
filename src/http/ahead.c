/* SPDX-License-Identifier: MIT
 *
 * One growing buffer for each connection that needs it. What it may grow by is
 * taken from the server's total first, and counted for the worker too, so that the
 * master can return what a killed worker held.
 */
#include "http/ahead.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server.h"

static void give_back(struct io *io, size_t bytes)
{
    atomic_fetch_sub_explicit(&io->server->shared->read_ahead, (int64_t)bytes,
                              memory_order_relaxed);
    stats_add(&io->stats->read_ahead, (uint64_t)0 - bytes);
}

static bool reserve(struct io *io, size_t bytes)
{
    int64_t total = atomic_fetch_add_explicit(&io->server->shared->read_ahead, (int64_t)bytes,
                                              memory_order_relaxed);

    stats_add(&io->stats->read_ahead, bytes);
    if (total + (int64_t)bytes <= AHEAD_TOTAL)
        return true;
    give_back(io, bytes);
    return false;
}

/* Reserves what to grow by for limit more bytes of input: as much as there is, or what is needed
 * for that if it is less, or what the server has left. 0: nothing is left. */
static size_t reserve_more(const struct ahead *ahead, struct io *io, uint64_t limit)
{
    uint64_t needed = (limit + AHEAD_STEP - 1) / AHEAD_STEP * AHEAD_STEP;
    size_t more = ahead->size > 0 ? ahead->size : AHEAD_STEP;

    if (more > needed)
        more = (size_t)needed;
    while (more > 0 && !reserve(io, more))
        more = more / 2 / AHEAD_STEP * AHEAD_STEP;
    return more;
}

/* Makes room for more behind end; false when there is none to be had. */
static bool grow(struct ahead *ahead, struct io *io, uint64_t limit)
{
    size_t more;
    char *data;

    if (ahead->start > 0) {
        memmove(ahead->data, ahead->data + ahead->start, ahead->end - ahead->start);
        ahead->end -= ahead->start;
        ahead->start = 0;
        if (ahead->end < ahead->size)
            return true;
    }
    more = reserve_more(ahead, io, limit);
    if (more == 0)
        return false;
    data = realloc(ahead->data, ahead->size + more);
    if (data == NULL) {
        give_back(io, more);
        return false;
    }
    ahead->data = data;
    ahead->size += more;
    return true;
}

ssize_t ahead_fill(struct ahead *ahead, struct io *io, int fd, uint64_t limit)
{
    size_t room;
    ssize_t count;

    if (ahead->end == ahead->size && !grow(ahead, io, limit))
        return -ENOBUFS;
    room = ahead->size - ahead->end;
    if (room > limit)
        room = (size_t)limit;
    do
        count = recv(fd, ahead->data + ahead->end, room, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    ahead->end += (size_t)count;
    stats_add(&io->stats->bytes_in, (uint64_t)count);
    return count;
}

size_t ahead_take(struct ahead *ahead, struct io *io, void *buffer, size_t capacity)
{
    size_t count = ahead->end - ahead->start;

    if (count > capacity)
        count = capacity;
    memcpy(buffer, ahead->data + ahead->start, count);
    ahead->start += count;
    if (ahead->start == ahead->end)
        ahead_term(ahead, io);
    return count;
}

void ahead_term(struct ahead *ahead, struct io *io)
{
    if (ahead->size > 0)
        give_back(io, ahead->size);
    free(ahead->data);
    *ahead = (struct ahead){0};
}
