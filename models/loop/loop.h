/* SPDX-License-Identifier: MIT
 *
 * One loop process of the coro model, as its three files share it: coro.c (serving,
 * time, start and end), accept.c (where connections come from) and io.c
 * (how a request waits). Everything here is touched by the loop's one thread only.
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
#include "http.h"
#include "http/conn.h"
#include "io.h"
#include "http/rush.h"
#include "server.h"

struct loop_context;

/* A connection's record, and its place in the loop. Indexed by descriptor. */
struct loop_conn {
    struct conn conn;
    struct coro_watch watch;
    bool open;
    bool waiting;              /* `busy` waits for the connection to be readable */
    bool queued;               /* in loop_process.queue */
    struct loop_context *busy; /* serves it; NULL while parked */
    struct loop_conn *next;    /* in loop_process.queue or .unwatched */
};

/* A coroutine of the pool with its buffers, or one job of a gather (buffers NULL). */
struct loop_context {
    struct io io; /* first: the io functions below are given this */
    struct loop_process *process;
    struct coro_task *task;
    struct coro_sem resumed;   /* what io_suspend() waits for */
    struct loop_conn *job;     /* NULL when idle */
    struct loop_context *next; /* in loop_process.idle */
};

/* What is known here of another loop. */
struct loop_rival {
    uint64_t looks; /* of its worker_stats, when last compared with */
    bool absent;    /* it did not come for connections left to it, and has not looked since */
};

/* One worker process. */
struct loop_process {
    struct server *server;
    struct worker_stats *stats;
    struct coro_loop *loop;
    unsigned worker;
    struct worker_control *control;
    struct loop_conn *conns;         /* server->descriptors of them; untouched ones cost nothing */
    unsigned high;                   /* one more than the highest descriptor used */
    unsigned open;                   /* connections */
    char *spill;                     /* spill_size bytes for each descriptor; behind it, conns */
    size_t mapped;                   /* bytes of both */
    size_t spill_size;               /* connection_spill_size() */
    struct loop_context *idle;       /* last in, first out: the warmest stack first */
    unsigned idle_count, idle_least; /* now, and the fewest since the last trim */
    unsigned contexts;               /* numbered so far */
    struct loop_conn *queue, **queue_end;         /* readable, but no coroutine can be had */
    struct loop_conn *unwatched, **unwatched_end; /* see leave_unwatched() */
    unsigned unwatched_count;
    struct rush rush;       /* of connections that end by agreement */
    struct coro_sem movers; /* of 1: who moves much goes on when it has this; see io.c */
    struct io loop_io;      /* of the loop itself: never waits; its clock is that of all contexts */
    struct coro_watch listener, stop;
    struct coro_timer tick, retry;
    bool blocked; /* accepting has stopped for want of room: closing a connection may make some */
    int64_t looked_ms;         /* when it last came for connections */
    int64_t left_since_ms;     /* connections are left to others since then; 0: they are not */
    struct loop_rival *rivals; /* of the other loops, by number; accept.c's own */
    bool draining;             /* the stop descriptor was seen */
    bool stopping;             /* coro_loop_stop() was called: nothing is served any more */
};

/* ---- coro.c ---- */

/* Serves c, which is open and has no coroutine: switches to one, and back when it is done or
 * waits. Queues c when no coroutine can be had. */
void loop_serve(struct loop_process *p, struct loop_conn *c);

/* Makes the record of a socket just accepted, and counted. serve: what has come on it, at once. */
void loop_open_conn(struct loop_process *p, int fd, const struct in6_addr *client, bool serve);

/* ---- accept.c ---- */

/* Starts accepting; stops it for good; accepts all that waited to be, after that; or lets it go on
 * now that a connection has closed, if it had to stop because there were too many. */
int loop_accept_start(struct loop_process *p); /* 0 or -ENOMEM */
void loop_accept_end(struct loop_process *p);
bool loop_accept_rest(struct loop_process *p); /* false: for want of room some still wait */
void loop_accept_resume(struct loop_process *p);

/* ---- io.c ---- */

/* How contexts of this model wait. The struct io given to these is the first member of a
 * struct loop_context. */
extern const struct io_ops loop_io_ops;

#endif
