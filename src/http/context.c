/* SPDX-License-Identifier: MIT */
#include "http/context.h"

#include <errno.h>
#include <stdlib.h>

#include "http.h"
#include "http/connection.h"
#include "server.h"

int context_init(struct io *io, const struct io_ops *ops, struct server *server, unsigned worker)
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
    context_term(io);
    return -ENOMEM;
}

void context_term(struct io *io)
{
    free(io->clock);
    free(io->in);
    free(io->out);
    io->clock = NULL;
    io->in = io->out = NULL;
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

const struct io_ops context_never_waits = {
    .model = "master",
    .context_is = "process",
    .gather_how = "not at all",
    .wait = never_wait,
    .sleep = never_sleep,
    .suspend = never_suspend,
};
