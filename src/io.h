/* SPDX-License-Identifier: MIT
 *
 * The second seam: how code inside a request waits.
 *
 * Handler and HTTP code is plain, synchronous C. Wherever it must wait it calls
 * a function of this file, and the running model decides what waiting means: the
 * pools block the worker in the kernel, coro and stealing suspend the coroutine while
 * its loop serves others. Nothing else in src/http or src/handler may block, sleep
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

/* Of workers that share a descriptor table: see io_opening(). */
struct io_sharing {
    void (*opening)(struct io *io);
    void (*hold)(struct io *io, int fd);
    void (*unhold)(struct io *io, int fd);
    void (*close)(struct io *io, int fd);
};

/* What a model supplies. Any function may be NULL, for what is said at it. */
struct io_ops {
    const char *model;      /* "prefork", "threads", "coro", "stealing" */
    const char *context_is; /* "process", "thread" or "coroutine" */
    const char *gather_how; /* of gather; NULL: "one after another" */

    /* How a context waits that is not a process or thread to itself. NULL, all six of them: it
     * blocks in the kernel; gathered jobs run one after another, offloaded calls on the spot. */
    int (*wait)(struct io *io, int fd, int events, int64_t deadline_ms);
    int (*sleep)(struct io *io, int64_t ms);
    int (*suspend)(struct io *io, int64_t deadline_ms);
    void (*resume)(struct io *io);
    int (*gather)(struct io *io, io_job *job, void *args, size_t arg_size, size_t count);
    int (*offload)(struct io *io, void (*call)(void *arg), void *arg, int64_t deadline_ms);

    /* Around whatever blocks, wait_client too. */
    void (*blocks)(struct io *io);
    void (*goes_on)(struct io *io);
    int (*wait_client)(struct io *io, int fd, int events, int64_t deadline_ms,
                       int64_t spent_ms); /* NULL: as wait */

    void (*pause)(struct io *io);    /* NULL, here and below: there is nothing to be done */
    bool (*give_way)(struct io *io); /* NULL: false */
    void (*checkpoint)(struct io *io);
    void (*begin)(struct io *io); /* handler code starts */
    void (*end)(struct io *io);   /* handler code has ended */
    const struct io_sharing *sharing;
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
    unsigned context;           /* from 1: a coroutine's within its worker, else in the server */
    struct http_clock *clock;   /* the worker's cached Date; shared by its coroutines */
    _Atomic uint32_t resumed;   /* a resume by another thread that nobody has taken yet */

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
int io_wait(struct io *io, int fd, int events, int64_t deadline_ms);

/*
 * As io_wait(), for the client of the request being served, which has kept the server waiting for
 * spent_ms milliseconds more than a client of good pace already. May also return -EBUSY: too many
 * contexts wait for their clients, and this client is to be given up in favour of others.
 */
int io_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms);

/* Waits for ms milliseconds (0 or more), never less. Returns 0, -ECANCELED or -ENOMEM. */
int io_sleep(struct io *io, int64_t ms);

/*
 * Waits until another context of the same process calls io_resume() on this io, or the deadline
 * has passed: what waiting lines are made of. A resume that comes first is remembered (one, not a
 * count). It may also end for a resume that was meant for an earlier wait, so the caller looks
 * at its condition again. Returns 0, -ETIMEDOUT or -ECANCELED.
 */
int io_suspend(struct io *io, int64_t deadline_ms);
void io_resume(struct io *io);

/*
 * Runs job(io, args + i * arg_size) for i in 0 .. count - 1 and waits for all of
 * them: concurrently where the model can, one after another where it cannot (see
 * io_gather_how()). Each job gets an io of its own for waiting; it must not
 * touch the connection. Returns 0, or the first error after all have ended; -ENOMEM: none was run,
 * or not all.
 */
int io_gather(struct io *io, io_job *job, void *args, size_t arg_size, size_t count);

/* How gathered jobs run, for the answer of /fanout: "concurrently". */
static inline const char *io_gather_how(const struct io *io)
{
    return io->ops->gather_how != NULL ? io->ops->gather_how : "one after another";
}

/*
 * Runs call(arg) where its blocking stalls nobody but this request: on the spot
 * in the pools, on a helper thread in coro and stealing. call must not use any io_ function,
 * but for io_opening(), io_hold(), io_unhold() and io_close().
 * arg must stay valid until io_offload() returns; it always does so after call
 * has ended, or without its having begun. The deadline is for beginning. Returns 0, -ETIMEDOUT,
 * -ECANCELED or -ENOMEM (call was not run).
 */
int io_offload(struct io *io, void (*call)(void *arg), void *arg, int64_t deadline_ms);

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
 * where handler code shares a lock (--gil), or a thread (coro with --slice), this is where others
 * get their turn. In coro it may return in another turn of the loop, as a wait does. */
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
    if (io->ops->sharing != NULL)
        io->ops->sharing->opening(io);
}
static inline void io_hold(struct io *io, int fd)
{
    if (io->ops->sharing != NULL)
        io->ops->sharing->hold(io, fd);
}
static inline void io_unhold(struct io *io, int fd)
{
    if (io->ops->sharing != NULL)
        io->ops->sharing->unhold(io, fd);
}

/* True where that is needed: what this context opens is open in other processes too, which may
 * use its number, and file locks that belong to a process belong to all of them together. */
static inline bool io_shares_descriptors(const struct io *io)
{
    return io->ops->sharing != NULL;
}
static inline void io_close(struct io *io, int fd)
{
    if (io->ops->sharing != NULL)
        io->ops->sharing->close(io, fd);
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
