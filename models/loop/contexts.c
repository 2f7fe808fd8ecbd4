/* SPDX-License-Identifier: MIT
 *
 * The pool of coroutines of one loop, and the line of connections that wait for one.
 *
 * Coroutines are made when there is no idle one, and ended when they were idle for a whole tick,
 * down to a few; the last to become idle is the first to be taken, as its stack is the warmest.
 *
 * With --pool=none no coroutine is ever idle: one is made for each request, or connection, with its
 * stack and buffers, and all of that is freed when it ends. It shows what the pool is worth.
 */
#include <errno.h>
#include <stdlib.h>

#include "expect.h"
#include "models/loop/loop.h"
#include "server.h"
#include "shortage.h"

enum { IDLE_KEPT = 16 }; /* idle coroutines kept even when none was needed of late */

void loop_free_context(struct loop_context *x)
{
    free(x->io.in);
    free(x->io.out);
    free(x);
}

struct loop_context *loop_new_context(struct loop_process *p)
{
    struct loop_context *x = calloc(1, sizeof *x);

    if (x == NULL)
        return NULL;
    x->process = p;
    x->io = p->loop_io;
    x->io.ops = p->ops;
    x->io.context = ++p->contexts;
    coro_sem_init(&x->resumed, 0);
    x->io.in = malloc(x->io.in_size);
    x->io.out = malloc(x->io.out_size);
    if (x->io.in != NULL && x->io.out != NULL)
        x->task = coro_spawn(p->loop, p->run, x, "request");
    if (x->task == NULL) {
        loop_free_context(x);
        return NULL;
    }
    return x;
}

void loop_let_go(struct loop_process *p, struct loop_conn *c)
{
    struct loop_context *x = c->keeper;

    c->keeper = NULL;
    if (p->stopping)
        return; /* it ends by itself, or has */
    expect(x->job == NULL, "coroutine %u of loop %u is let go while it serves descriptor %d",
           x->io.context, p->worker, c->conn.fd);
    shared_context_leave(p->server->shared, p->stats);
    if (p->anew)
        coro_unpark(x->task); /* without a job: it ends */
    else
        loop_keep_context(x);
}

void loop_trim_contexts(struct loop_process *p)
{
    unsigned excess = p->idle_least > IDLE_KEPT ? p->idle_least - IDLE_KEPT : 0;

    while (excess-- > 0 && p->idle != NULL)
        coro_resume_now(loop_take_context(p)->task); /* without a job: it ends */
    p->idle_least = p->idle_count;
}

__attribute__((cold)) void loop_enqueue(struct loop_process *p, struct loop_conn *c)
{
    expect(c->open && c->busy == NULL && !c->queued,
           "descriptor %d is to stand in line in loop %u: open %d, served %d, in line %d",
           c->conn.fd, p->worker, c->open, c->busy != NULL, c->queued);
    if (!p->stopping)
        shortage_report(p->server, "no coroutine", ENOMEM);
    coro_watch_stop(p->loop, &c->watch);
    c->queued = true;
    c->next = NULL;
    *p->queue_end = c;
    p->queue_end = &c->next;
}

struct loop_conn *loop_next_job(struct loop_process *p)
{
    struct loop_conn *c = p->queue;

    if (c != NULL) {
        p->queue = c->next;
        c->queued = false;
        if (p->queue == NULL)
            p->queue_end = &p->queue;
    }
    return c;
}
