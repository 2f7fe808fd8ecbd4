/* SPDX-License-Identifier: MIT
 *
 * Waiting for models whose contexts may block: in the kernel. The struct io of
 * prefork and threads is built on these.
 */
#ifndef MODELS_POOL_BLOCKING_H
#define MODELS_POOL_BLOCKING_H

#include "io.h"

struct server;

/* Members of struct io_ops; see io.h. gather runs its jobs one after another, offload its call on
 * the spot. */
int blocking_wait(struct io *io, int fd, int events, int64_t deadline_ms);
int blocking_sleep(struct io *io, int64_t ms);
int blocking_suspend(struct io *io, int64_t deadline_ms);
void blocking_resume(struct io *io);
int blocking_gather(struct io *io, io_job *job, void *args, size_t arg_size, size_t count);
int blocking_offload(struct io *io, void (*call)(void *arg), void *arg);

/* For a context that must not wait at all, such as a master expiring connections: every wait has
 * timed out. */
extern const struct io_ops blocking_never_ops;

/*
 * Makes io the context of a worker: its buffers (allocated), clock and counters.
 * Returns 0 or -ENOMEM. blocking_io_term() frees the buffers.
 */
int blocking_io_init(struct io *io, const struct io_ops *ops, struct server *server,
                     unsigned worker) __attribute__((warn_unused_result));
void blocking_io_term(struct io *io);

/* Makes a stack overflow of the calling process or thread, or of a generator it runs, reported as
 * such before it ends the process; kind ("process", "thread") and number name it there. */
void blocking_report_overflows(const char *kind, unsigned number);

#endif
