/* SPDX-License-Identifier: MIT
 *
 * The waits of io.h, where the model has no way of its own: in the kernel.
 */
#include "io.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

static void begin_to_block(struct io *io)
{
    if (io->ops->blocks != NULL)
        io->ops->blocks(io);
}

static void go_on(struct io *io)
{
    if (io->ops->goes_on != NULL)
        io->ops->goes_on(io);
}

static int wait_ready(int fd, int events, int64_t deadline_ms)
{
    struct pollfd poll_fd = {.fd = fd};

    if (events & IO_READ)
        poll_fd.events |= POLLIN;
    if (events & IO_WRITE)
        poll_fd.events |= POLLOUT;
    for (;;) {
        int64_t left = deadline_ms == IO_FOREVER ? -1 : deadline_ms - io_now_ms();
        int ready;

        if (deadline_ms != IO_FOREVER && left < 0)
            left = 0;
        ready = poll(&poll_fd, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (ready > 0) {
            int result = 0;

            if (poll_fd.revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
                result |= events & IO_READ;
            if (poll_fd.revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
                result |= events & IO_WRITE;
            return result;
        }
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (deadline_ms != IO_FOREVER && io_now_ms() >= deadline_ms)
            return -ETIMEDOUT;
    }
}

int io_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    int result;

    if (io->ops->wait != NULL)
        return io->ops->wait(io, fd, events, deadline_ms);
    begin_to_block(io);
    result = wait_ready(fd, events, deadline_ms);
    go_on(io);
    return result;
}

int io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms)
{
    int result;

    if (io->ops->wait_client == NULL)
        return io_wait(io, fd, events, deadline_ms);
    begin_to_block(io);
    result = io->ops->wait_client(io, fd, events, deadline_ms, spent_ms);
    go_on(io);
    return result;
}

int io_sleep(struct io *io, int64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    if (io->ops->sleep != NULL)
        return io->ops->sleep(io, ms);
    begin_to_block(io);
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
    go_on(io);
    return 0;
}

/* Contexts that resume each other share their memory, so the futex is private to the process. */
static int wait_resumed(struct io *io, int64_t deadline_ms)
{
    const struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                                   .tv_nsec = (long)(deadline_ms % 1000) * 1000000};

    while (atomic_exchange(&io->resumed, 0) == 0) {
        long result = syscall(SYS_futex, &io->resumed, FUTEX_WAIT_BITSET_PRIVATE, 0,
                              deadline_ms == IO_FOREVER ? NULL : &until, NULL,
                              FUTEX_BITSET_MATCH_ANY); /* until: CLOCK_MONOTONIC, absolute */

        if (result < 0 && errno == ETIMEDOUT)
            return -ETIMEDOUT;
        if (result < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
    }
    return 0;
}

int io_suspend(struct io *io, int64_t deadline_ms)
{
    int result;

    if (io->ops->suspend != NULL)
        return io->ops->suspend(io, deadline_ms);
    begin_to_block(io);
    result = wait_resumed(io, deadline_ms);
    go_on(io);
    return result;
}

void io_resume(struct io *io)
{
    if (io->ops->resume != NULL) {
        io->ops->resume(io);
        return;
    }
    atomic_store(&io->resumed, 1);
    syscall(SYS_futex, &io->resumed, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int io_gather(struct io *io, io_job *job, void *args, size_t arg_size, size_t count)
{
    int first = 0;

    if (io->ops->gather != NULL)
        return io->ops->gather(io, job, args, arg_size, count);
    for (size_t i = 0; i < count; i++) {
        int result = job(io, (char *)args + i * arg_size);

        if (first == 0)
            first = result;
    }
    return first;
}

int io_offload(struct io *io, void (*call)(void *arg), void *arg, int64_t deadline_ms)
{
    if (io->ops->offload != NULL)
        return io->ops->offload(io, call, arg, deadline_ms);
    begin_to_block(io);
    call(arg);
    go_on(io);
    return 0;
}
