/* SPDX-License-Identifier: MIT
 *
 * Whether a worker process that lives also moves.
 *
 * Two things are watched, because two can be told from honest work:
 *
 *  - A process that a signal has stopped. The kernel reports it to the master
 *    (waitpid() with WUNTRACED). A debugger's stop is not reported, so a worker may be traced.
 *  - A loop, or the first thread of a thread pool, that neither turns nor answers. When it turns,
 *    a few times a second, it stamps worker_control.beat_ms. Before it does a loop serves all who
 *    have asked, and that may take longer than any one request.
 *
 * A blocking worker in a long handler is neither: it may take as long as its request does.
 * Time is counted by looks of the master, so that a master which did not run itself (Ctrl-Z
 * stops all of its group) draws no conclusion from the gap.
 */
#ifndef MASTER_HEARTBEAT_H
#define MASTER_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct worker_stats;

struct heartbeat {
    bool stopped;       /* by a signal, as last reported */
    bool warned;        /* it was said that the loop does not turn */
    int64_t stopped_ms; /* how long both have been seen so far */
    int64_t still_ms;
    int64_t last_beat_ms; /* as last seen, both */
    uint64_t last_answered;
    int64_t looked_ms; /* 0: not yet */
};

enum heart {
    HEART_BEATS,
    HEART_SLOW,    /* has not turned for a while: once, to be said */
    HEART_AGAIN,   /* turns again, after HEART_SLOW */
    HEART_STOPPED, /* stopped for longer than --stopped-timeout: to be killed */
    HEART_STILL,   /* has not turned for --heartbeat-timeout: to be killed */
};

void heartbeat_init(struct heartbeat *heart);

/* The process was reported stopped (or continued). */
void heartbeat_report(struct heartbeat *heart, bool stopped);

/* One look at time now_ms, to be taken several times a second. beat: worker_control.beat_ms;
 * answered: how many requests the loop has, 0 where others do that. */
enum heart heartbeat_look(struct heartbeat *heart, int64_t beat, uint64_t answered,
                          const struct config *config, int64_t now_ms);

#endif
