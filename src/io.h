/* SPDX-License-Identifier: MIT
 *
 * The second seam: how code inside a request waits.
 *
 * Handler and HTTP code is plain, synchronous C. Wherever it must wait it calls
 * a function of this file, and the running model decides what waiting means: the
 * pools block the worker in the kernel, coro suspends the coroutine while its
 * loop serves others. Nothing else in src/http or src/handler may block, sleep
 * or ask which model is running.
 *
 * Every function takes the struct io of the context (process, thread or
 * coroutine) that runs the request, and may be called in that context only.
 * Deadlines are absolute, in milliseconds of CLOCK_MONOTONIC (io_now_ms()), or
 * IO_FOREVER. A wait that ends because the server is being stopped returns
 * -ECANCELED; the caller then gives up the request and returns.
 */
#ifndef IO_H
#define IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

struct server;
struct worker_stats;
struct http_clock;
struct io;

#define IO_FOREVER ((int64_t)-1)

enum { IO_READ = 1, IO_WRITE = 2 };

/* One of the concurrent jobs of io_gather(); returns 0 or a negative errno. */
typedef int io_job(struct io *io, void *arg);

/* What a model supplies. A NULL optional member means "nothing to do". */
struct io_ops {
    int (*wait)(struct io *io, int fd, int events, int64_t deadline_ms);
    int (*wait_client)(struct io *io, int fd, int events, int64_t deadline_ms,
                       int64_t spent_ms); /* optional: as wait */
    int (*sleep)(struct io *io, int64_t ms);
    int (*suspend)(struct io *io, int64_t deadline_ms);
    void (*resume)(struct io *io);
    int (*gather)(struct io *io, io_job *job, void *args, size_t arg_size, size_t count);
    int (*offload)(struct io *io, void (*call)(void *arg), void *arg);
    void (*pause)(struct io *io);          /* optional */
    bool (*give_way)(struct io *io);       /* optional: false */
    void (*checkpoint)(struct io *io);     /* optional */
    void (*begin)(struct io *io);          /* optional: handler code starts */
    void (*end)(struct io *io);            /* optional: handler code has ended */
    void (*opening)(struct io *io);        /* optional: see io_hold() */
    void (*hold)(struct io *io, int fd);   /* optional */
    void (*unhold)(struct io *io, int fd); /* optional */
    void (*close)(struct io *io, int fd);  /* optional: close(2) */

    const char *model;      /* "prefork", "threads", "coro" */
    const char *gather_how; /* how gathered jobs run, for the answer of /fanout */
    const char *context_is; /* "process", "thread" or "coroutine" */
};

/*
 * One execution context. Made by the model, one for each process, thread or
 * coroutine that serves requests; it and its buffers belong to that context alone.
 */
struct io {
    const struct io_ops *ops;
    struct server *server;
    struct worker_stats *stats; /* the counters of the worker this runs in */
    unsigned worker;            /* index of that worker, from 0 */
    unsigned context;           /* number of this context within the server, from 1 */
    struct http_clock *clock;   /* the worker's cached Date; shared by its coroutines */
    _Atomic uint32_t resumed;   /* for io_ops.suspend: a resume that nobody has taken yet */

    char *in;        /* scratch for one request head and some of its body */
    size_t in_size;  /* bytes: connection_in_size() */
    char *out;       /* scratch for answers on their way out */
    size_t out_size; /* bytes: HTTP_OUT_SIZE */
};

/* CLOCK_MONOTONIC in milliseconds, to the kernel's tick (1 to 10 ms); no system call. */
int64_t io_now_ms(void);

/* The same to the nanosecond's resolution, for measuring; no system call. */
int64_t io_now_ns(void);

/*
 * Waits until fd is ready for one of events (IO_READ, IO_WRITE or both).
 * Returns the ready events (> 0; errors and hang-ups count as ready for what was
 * asked), -ETIMEDOUT when deadline_ms has passed, -ECANCELED, or -ENOMEM.
 */
static inline int io_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    return io->ops->wait(io, fd, events, deadline_ms);
}

/*
 * As io_wait(), for the client of the request being served, which has kept the server waiting for
 * spent_ms milliseconds more than a client of good pace already. May also return -EBUSY: too many
 * contexts wait for their clients, and this client is to be given up in favour of others.
 */
static inline int io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms,
                                 int64_t spent_ms)
{
    if (io->ops->wait_client != NULL)
        return io->ops->wait_client(io, fd, events, deadline_ms, spent_ms);
    return io->ops->wait(io, fd, events, deadline_ms);
}

/* Waits for ms milliseconds (0 or more), never less. Returns 0, -ECANCELED or -ENOMEM. */
static inline int io_sleep(struct io *io, int64_t ms)
{
    return io->ops->sleep(io, ms);
}

/*
 * Waits until another context of the same process calls io_resume() on this io, or the deadline
 * has passed: what waiting lines are made of. A resume that comes first is remembered (one, not a
 * count). It may also end for a resume that was meant for an earlier wait, so the caller looks
 * at its condition again. Returns 0, -ETIMEDOUT or -ECANCELED.
 */
static inline int io_suspend(struct io *io, int64_t deadline_ms)
{
    return io->ops->suspend(io, deadline_ms);
}
static inline void io_resume(struct io *io)
{
    io->ops->resume(io);
}

/*
 * Runs job(io, args + i * arg_size) for i in 0 .. count - 1 and waits for all of
 * them: concurrently where the model can, one after another where it cannot (see
 * io_ops.gather_how). Each job gets an io of its own for waiting; it must not
 * touch the connection. Returns 0, or the first error after all have ended.
 */
static inline int io_gather(struct io *io, io_job *job, void *args, size_t arg_size, size_t count)
{
    return io->ops->gather(io, job, args, arg_size, count);
}

/*
 * Runs call(arg) where its blocking stalls nobody but this request: on the spot
 * in the pools, on a helper thread in coro. call must not use any io_ function,
 * but for io_opening(), io_hold(), io_unhold() and io_close().
 * arg must stay valid until io_offload() returns; it always does so after call
 * has ended, or without its having begun. Returns 0, -ECANCELED or -ENOMEM
 * (call was not run).
 */
static inline int io_offload(struct io *io, void (*call)(void *arg), void *arg)
{
    return io->ops->offload(io, call, arg);
}

/* Lets other requests that could go on have their turn, where they share this one's thread. */
static inline void io_pause(struct io *io)
{
    if (io->ops->pause != NULL)
        io->ops->pause(io);
}

/*
 * Between two requests of one client that has sent many: lets others have their turn. Returns true
 * where that takes this context itself, because others wait for one: the caller is then to give it
 * back, with the connection parked.
 */
static inline bool io_give_way(struct io *io)
{
    return io->ops->give_way != NULL && io->ops->give_way(io);
}

/* To be called now and then (about every 100 µs) by a handler that computes for long:
 * where handler code shares a lock (--gil) this is where others get their turn. */
static inline void io_checkpoint(struct io *io)
{
    if (io->ops->checkpoint != NULL)
        io->ops->checkpoint(io);
}

/*
 * Where workers share one descriptor table, what a killed worker had open outlives it and its
 * master closes it. For that, whatever is opened inside a request (a file, a database socket)
 * is announced: io_opening(), then the call that opens, then at once io_hold() with the
 * descriptor, or with -1 when there is none; and it is closed with io_close().
 *
 * A library that closes descriptors itself, or one and opens another, is called between
 * io_unhold(), in place of io_opening(), and io_hold() with what is open afterwards (or -1).
 */
static inline void io_opening(struct io *io)
{
    if (io->ops->opening != NULL)
        io->ops->opening(io);
}
static inline void io_hold(struct io *io, int fd)
{
    if (io->ops->hold != NULL)
        io->ops->hold(io, fd);
}
static inline void io_unhold(struct io *io, int fd)
{
    if (io->ops->unhold != NULL)
        io->ops->unhold(io, fd);
}

/* True where that is needed: what this context opens is open in other processes too, which may
 * use its number, and file locks that belong to a process belong to all of them together. */
static inline bool io_shares_descriptors(const struct io *io)
{
    return io->ops->hold != NULL;
}
static inline void io_close(struct io *io, int fd)
{
    if (io->ops->close != NULL)
        io->ops->close(io, fd);
    else
        close(fd);
}

/* Called by the HTTP code around every run of handler code. */
static inline void io_begin(struct io *io)
{
    if (io->ops->begin != NULL)
        io->ops->begin(io);
}
static inline void io_end(struct io *io)
{
    if (io->ops->end != NULL)
        io->ops->end(io);
}

#endif
