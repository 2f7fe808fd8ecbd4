/* SPDX-License-Identifier: MIT
 *
 * Blocking calls on a small pool of threads, while the task that wants them waits.
 */
#ifndef CORO_OFFLOAD_H
#define CORO_OFFLOAD_H

#include <stdint.h>

/* Runs fn(arg) on the loop's thread pool and waits for it; *result (may be NULL) is set to what
 * it returned. fn runs with all signals blocked and must not call anything of this library.
 * 0; fn will not run: -ETIMEDOUT or -ECANCELED: the deadline passed, or the task was cancelled,
 * before it had begun (once begun it is waited for, and a cancellation is told at the next wait);
 * -EAGAIN: no thread could be started. In a task. */
int coro_offload(void *(*fn)(void *), void *arg, void **result, int64_t deadline_ms)
    __attribute__((warn_unused_result));

/* ---- for run.c ------------------------------------------------------------------------- */

struct coro_loop;
struct coro_offload;

/* Of at most `threads` threads, each started when it is first needed. NULL: no memory. */
struct coro_offload *coro_offload_new(struct coro_loop *loop, unsigned threads);
void coro_offload_free(struct coro_offload *offload); /* waits for jobs that run */

#endif
