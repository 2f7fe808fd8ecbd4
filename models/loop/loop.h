/* SPDX-License-Identifier: MIT
 *
 * A loop process of the coro model, or one thread's part of a process of the stealing model. coro.c
 * and stealing.c say when what is done; the files of this folder do it. Everything here is touched
 * by the loop's one thread only.
 *
 * In stealing the connections are the team's (steal/lot.c): lot.c and its fields are not used, nor
 * is `open`; no coroutine keeps a connection. team.watch is such a struct without a loop.
 */
#ifndef MODELS_LOOP_LOOP_H
#define MODELS_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coro/loop.h"
#include "coro/run.h"
#include "coro/sync.h"
#include "coro/task.h"
#include "coro/timer.h"
#include "coro/wait.h"
#include "expect.h"
#include "http.h"
#include "http/conn.h"
#include "io.h"
#include "http/rush.h"
#include "server.h"

/* Coroutines of a loop for gathered waits, beside one for each connection. */
static inline unsigned loop_max_gathered(const struct server *server)
{
    return server->process_connections + 16384;
}

struct loop_conn;
struct loop_context;
struct loop_process;

/* c was served: it is parked or closed, and may be another thread's by the time this returns. */
typedef void loop_put_back_fn(struct loop_process *p, struct loop_conn *c, enum conn_next next);

/* at_once: what has come on it is served before this returns. */
typedef void loop_admit(struct loop_process *p, int fd, const struct in6_addr *client,
                        bool at_once);

/* A connection's record, and its place in the loop. Indexed by descriptor. */
struct loop_conn {
    struct conn conn;
    struct coro_watch watch;
    bool open;
    bool waiting;              /* `busy` waits for the connection to be readable */
    bool queued;               /* in loop_process.queue */
    struct loop_context *busy; /* serves it; NULL while parked */
    /* With --dispatch=connection the one that serves it for its life, parked when it is; NULL: none
     * does yet. Of no use once the process is `stopping`: it may have ended. */
    struct loop_context *keeper;
    struct loop_conn *next; /* in loop_process.queue or .unwatched */
};

/* A coroutine of the pool with its buffers, or one job of a gather (buffers NULL). */
struct loop_context {
    struct io io; /* first: the io functions below are given this */
    struct loop_process *process;
    struct coro_task *task;
    struct coro_sem resumed;    /* what io_suspend() waits for */
    struct loop_conn *job;      /* NULL when idle */
    struct loop_context *next;  /* in loop_process.idle */
    int64_t slice_from_ns;      /* with --slice: when its handler began, or last gave way */
    struct coro_link suspended; /* stealing.c's own: in its thread's list */
};

/* What is known here of another loop. */
struct loop_rival {
    uint64_t looks; /* of its worker_stats, when last compared with */
    bool absent;    /* it did not come for connections left to it, and has not looked since */
};

/* One loop, with what it serves. */
struct loop_process {
    struct server *server;
    struct worker_stats *stats;
    struct coro_loop *loop;
    unsigned worker;
    struct worker_control *control;
    unsigned open;                        /* connections */
    struct loop_context *idle;            /* last in, first out: the warmest stack first */
    unsigned idle_count, idle_least;      /* now, and the fewest since the last trim */
    unsigned contexts;                    /* numbered so far */
    unsigned gathered;                    /* jobs under way, loop_max_gathered() at most */
    void *(*run)(void *context);          /* what they run */
    const struct io_ops *ops;             /* how they wait */
    loop_put_back_fn *put_back;           /* what becomes of what they have served */
    bool keeps;                           /* one that has served a connection stays with it */
    bool anew;                            /* --pool=none: one that has served ends */
    struct loop_conn *queue, **queue_end; /* readable, but no coroutine can be had */
    struct coro_sem movers; /* of 1: who moves much goes on when it has this; see io.c */
    struct io loop_io;      /* of the loop itself: never waits; its clock is that of all contexts */
    struct coro_watch stop;
    struct coro_timer tick;
    bool draining; /* the stop descriptor was seen */
    bool stopping; /* coro_loop_stop() was called: nothing is served any more */

    /* accept.c's own: */
    loop_admit *admit;
    bool fair; /* loops end up with equal shares: who has more leaves newcomers to others */
    struct coro_watch listener;
    struct coro_timer retry;
    bool blocked;          /* it has stopped for want of room: closing a connection may make some */
    int64_t looked_ms;     /* when it last came for connections */
    int64_t left_since_ms; /* connections are left to others since then; 0: they are not */
    struct loop_rival *rivals; /* of the other loops, by number */

    /* lot.c's own: */
    struct loop_conn *conns; /* server->descriptors of them; untouched ones cost nothing */
    unsigned high;           /* one more than the highest descriptor used */
    char *spill;             /* spill_size bytes for each descriptor; behind it, conns */
    size_t mapped;           /* bytes of both */
    size_t spill_size;       /* connection_spill_size() */
    struct loop_conn *unwatched, **unwatched_end; /* see leave_unwatched() */
    unsigned unwatched_count;
    struct rush rush; /* of connections that end by agreement */
};

/* ---- accept.c ---- */

/* Starts accepting: each connection, counted, is given to admit, which serves what has come on it
 * at once or later. Returns 0 or -ENOMEM; loop_accept_free() in either case. */
int loop_accept_start(struct loop_process *p, loop_admit *admit)
    __attribute__((warn_unused_result));
void loop_accept_free(struct loop_process *p);

/* Stops it for good; accepts all that waited to be, after that; or lets it go on now that a
 * connection has closed, if it had to stop because there were too many. */
void loop_accept_end(struct loop_process *p);
bool loop_accept_rest(struct loop_process *p); /* false: for want of room some still wait */
void loop_accept_resume(struct loop_process *p);

/* ---- lot.c ---- */

/* Makes the records. Returns 0 or -ENOMEM; loop_close_lot() in either case. */
int loop_open_lot(struct loop_process *p) __attribute__((warn_unused_result));
void loop_close_lot(struct loop_process *p);

/* The record of a socket just accepted, and counted; its watch is the caller's to make. */
struct loop_conn *loop_open_conn(struct loop_process *p, int fd, const struct in6_addr *client);

loop_put_back_fn loop_put_back;

/* Ends what has expired; while draining also what is idle. Serves, by `serve`, what cannot be
 * watched. */
void loop_sweep(struct loop_process *p, void (*serve)(struct loop_process *p, struct loop_conn *c));

/* ---- contexts.c ---- */

/* A new coroutine, which runs p->run; NULL: none can be had. */
__attribute__((cold)) struct loop_context *loop_new_context(struct loop_process *p);

/* An idle one, or else a new one. */
static inline struct loop_context *loop_take_context(struct loop_process *p)
{
    struct loop_context *x = p->idle;

    if (x == NULL)
        return loop_new_context(p);
    expect(x->job == NULL, "coroutine %u of loop %u is taken while it serves descriptor %d",
           x->io.context, p->worker, x->job->conn.fd);
    p->idle = x->next;
    if (--p->idle_count < p->idle_least)
        p->idle_least = p->idle_count;
    return x;
}

/* x, which serves nothing, is idle from now on; or ends. */
static inline void loop_keep_context(struct loop_context *x)
{
    x->next = x->process->idle;
    x->process->idle = x;
    x->process->idle_count++;
}
void loop_free_context(struct loop_context *x);

/* c, parked, is closed: who kept it is idle from now on, or ends. */
void loop_let_go(struct loop_process *p, struct loop_conn *c);

/* Ends coroutines that were idle all the time since the last call. */
void loop_trim_contexts(struct loop_process *p);

/* No coroutine can be had: c waits for one in line. The first in line, or NULL. */
void loop_enqueue(struct loop_process *p, struct loop_conn *c);
struct loop_conn *loop_next_job(struct loop_process *p);

/* ---- serve.c ---- */

/* c, which is open and nobody serves, is served until that is done or waits: by the coroutine that
 * keeps it, or by another; for want of one it stands in line. On the loop's stack. */
void loop_serve(struct loop_process *p, struct loop_conn *c);

/* The same for those in line, when no coroutine is busy that would take them on. */
void loop_serve_queue(struct loop_process *p);

/* What coroutines of the pool run, arg: the context. Serves one connection after another, or the
 * same time and again, until resumed without a job; begun without a job, it first waits for one. */
void *loop_run_context(void *arg);

/* Cancels all that has not finished, and ends the loop within grace_ms. */
void loop_stop(struct loop_process *p, int64_t grace_ms);

/* ---- io.c ---- */

/* How contexts of this model wait. The struct io given to these is the first member of a
 * struct loop_context. */
extern const struct io_ops loop_io_ops;

#endif
