/* SPDX-License-Identifier: MIT
 *
 * Serving a connection in a coroutine: one of the pool is taken and switched to at once; it serves
 * what is ready, puts the connection back and switches back, or waits meanwhile: no queue, no
 * timer, no allocation.
 */
#include "expect.h"
#include "http/connection.h"
#include "models/loop/loop.h"

/* Serves what is ready on x's connection and puts it back. Returns whether x keeps it. */
static bool serve_job(struct loop_process *p, struct loop_context *x)
{
    struct loop_conn *c = x->job;
    enum conn_next next;
    bool keeps;

    if (c->keeper == NULL)
        shared_context_enter(p->server->shared, p->stats);
    next = connection_serve(&c->conn, &x->io);
    keeps = next == CONN_PARK && p->keeps && !p->stopping;
    c->keeper = keeps ? x : NULL;
    x->job = NULL;
    if (!keeps)
        shared_context_leave(p->server->shared, p->stats);
    p->put_back(p, c, next);
    return keeps;
}

void *loop_run_context(void *arg)
{
    struct loop_context *x = arg;
    struct loop_process *p = x->process;

    if (x->job == NULL) /* set aside: it waits for one */
        (void)!coro_park(CORO_FOREVER);
    while (x->job != NULL) {
        if (!serve_job(p, x)) {
            x->job = p->queue != NULL ? loop_next_job(p) : NULL;
            if (x->job != NULL) {
                x->job->busy = x;
                continue;
            }
            if (p->stopping || p->anew)
                break; /* nothing is looked up in `idle` any more */
            loop_keep_context(x);
        }
        if (coro_park(CORO_FOREVER) < 0)
            break;
    }
    loop_free_context(x);
    return NULL;
}

/* Switches to x, which is to serve c; back when that is done or waits. */
static inline void switch_to(struct loop_context *x, struct loop_conn *c)
{
    expect(c->busy == NULL, "descriptor %d is to be served by coroutine %u, but is by %u",
           c->conn.fd, x->io.context, c->busy->io.context);
    x->job = c;
    c->busy = x;
    coro_resume_now(x->task);
}

void loop_serve(struct loop_process *p, struct loop_conn *c)
{
    struct loop_context *x = NULL;

    if (!p->stopping)
        x = c->keeper != NULL ? c->keeper : loop_take_context(p);
    if (x != NULL)
        switch_to(x, c);
    else
        loop_enqueue(p, c);
}

void loop_serve_queue(struct loop_process *p)
{
    while (p->queue != NULL && !p->stopping) {
        struct loop_context *x = loop_take_context(p);

        if (x == NULL)
            return;
        switch_to(x, loop_next_job(p));
    }
}

void loop_stop(struct loop_process *p, int64_t grace_ms)
{
    p->stopping = true;
    p->idle = NULL;
    p->idle_count = p->idle_least = 0;
    coro_loop_stop(p->loop, grace_ms);
}
