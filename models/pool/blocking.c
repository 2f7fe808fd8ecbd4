/* SPDX-License-Identifier: MIT
 *
 * poll() and clock_nanosleep() behind io.h.
 */
#include "models/pool/blocking.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "coro/overflow.h"
#include "http.h"
#include "http/connection.h"
#include "log.h"
#include "server.h"

int blocking_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    struct pollfd poll_fd = {.fd = fd};

    (void)io;
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

int blocking_sleep(struct io *io, int64_t ms)
{
    struct timespec until;

    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
    return 0;
}

/* Contexts that resume each other share their memory, so the futex is private to the process. */
int blocking_suspend(struct io *io, int64_t deadline_ms)
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

void blocking_resume(struct io *io)
{
    atomic_store(&io->resumed, 1);
    syscall(SYS_futex, &io->resumed, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int blocking_gather(struct io *io, io_job *job, void *args, size_t arg_size, size_t count)
{
    int first = 0;

    for (size_t i = 0; i < count; i++) {
        int result = job(io, (char *)args + i * arg_size);

        if (first == 0)
            first = result;
    }
    return first;
}

int blocking_offload(struct io *io, void (*call)(void *arg), void *arg)
{
    (void)io;
    call(arg);
    return 0;
}

static int never_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    (void)io;
    (void)fd;
    (void)events;
    (void)deadline_ms;
    return -ETIMEDOUT;
}

static int never_sleep(struct io *io, int64_t ms)
{
    (void)io;
    (void)ms;
    return -ECANCELED;
}

static int never_suspend(struct io *io, int64_t deadline_ms)
{
    (void)io;
    (void)deadline_ms;
    return -ETIMEDOUT;
}

const struct io_ops blocking_never_ops = {
    .wait = never_wait,
    .sleep = never_sleep,
    .suspend = never_suspend,
    .resume = blocking_resume,
    .gather = blocking_gather,
    .offload = blocking_offload,
    .model = "master",
    .gather_how = "not at all",
    .context_is = "process",
};

int blocking_io_init(struct io *io, const struct io_ops *ops, struct server *server,
                     unsigned worker)
{
    *io = (struct io){
        .ops = ops,
        .server = server,
        .stats = shared_stats(server->shared, worker),
        .worker = worker,
        .context = worker + 1,
        .in_size = connection_in_size(server->config),
        .out_size = HTTP_OUT_SIZE,
    };
    io->clock = calloc(1, sizeof *io->clock);
    io->in = malloc(io->in_size);
    io->out = malloc(io->out_size);
    if (io->clock != NULL && io->in != NULL && io->out != NULL)
        return 0;
    blocking_io_term(io);
    return -ENOMEM;
}

void blocking_io_term(struct io *io)
{
    free(io->clock);
    free(io->in);
    free(io->out);
    io->clock = NULL;
    io->in = io->out = NULL;
}

void blocking_report_overflows(const char *kind, unsigned number)
{
    char name[32];
    int result = coro_overflow_report_install();

    snprintf(name, sizeof name, "%s %u", kind, number);
    if (result == 0)
        result = coro_overflow_register_self(name);
    if (result < 0)
        log_line(LOG_WARN, "%s: a stack overflow will not be reported: %s", name,
                 strerror(-result));
}
