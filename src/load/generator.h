/* SPDX-License-Identifier: MIT
 *
 * One loop that makes its share of the schedule. A task, the dispatcher, takes each request up when
 * it is due and gives it to a connection, or lets it wait for one. Shortly before the next one,
 * and after one, it spins, one turn of the loop after the other, so that neither the timer's nor
 * the scheduler's delay makes a request late, and fast answers are read at once; in between it
 * sleeps.
 *
 * It says what it could not do: figures.h has its lag and what it used of its core. Turns in which
 * there was nothing to do are not counted as used.
 */
#ifndef LOAD_GENERATOR_H
#define LOAD_GENERATOR_H

#include <stdatomic.h>
#include <stdint.h>

#include "coro/run.h"
#include "coro/timer.h"
#include "load/connection.h"
#include "load/cpu_time.h"
#include "load/figures.h"
#include "load/options.h"
#include "load/requests.h"
#include "load/target.h"

/* Shared by all generators of a process and whoever ends them. */
struct generator_control {
    atomic_int stop;     /* an enum figures_stop: the window ends now */
    atomic_bool at_once; /* and nothing is waited for any more */
};

/* What a generator tells of itself while it runs, some ten milliseconds old. */
struct generator_gauge {
    atomic_uint_fast64_t answered;
    atomic_int_fast64_t oldest_ns;
    atomic_int shortage; /* errno of what there was too little of to open a connection, or 0 */
    atomic_uint connections;
};

struct generator {
    /* The caller's. */
    const struct options *options;
    const struct target *target;
    struct generator_control *control;
    unsigned share, shares; /* of the schedule */
    unsigned first;         /* connections that generators before this one may have */
    unsigned connections;   /* at most */
    int64_t start_ns;       /* of the schedule, on coro_now_ns()'s clock */
    struct figures *figures;
    struct generator_gauge gauge;
    /* Private. */
    struct coro_loop *loop;
    struct coro_task *dispatcher;
    struct coro_timer wake, tick;
    struct requests requests;
    struct connections all;
    int64_t window_ns, end_ns; /* of the window */
    int64_t late_ns;           /* what is due in the window is taken up until then */
    int64_t spin_ns;           /* before a request is due, and after one */
    int64_t second_ns;         /* when the next second of the window ends */
    struct cpu_time before;    /* the window */
    int64_t sent_ns;           /* when the last request was taken up */
    int64_t idle_ns;           /* spun in vain since it began */
    bool measuring;            /* the window has begun */
    bool draining;             /* it has ended */
    int error;
};

/* Runs it in the calling thread, from the start of the schedule to its end. 0 or -errno: nothing
 * was measured. */
int generator_run(struct generator *generator) __attribute__((warn_unused_result));

#endif
