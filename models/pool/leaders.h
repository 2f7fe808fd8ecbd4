/* SPDX-License-Identifier: MIT
 *
 * Which workers of a pool look for work, and which stand by.
 *
 * A pool has many workers so that many requests can wait at a time; how many can compute is
 * up to the cores. If all idle workers waited for connections, the kernel would wake one for each
 * event, though the worker that runs is about to take that event itself. Soon nearly all would
 * stand in the run queue, and one that is preempted in the middle of a request would come back when
 * all others have had a time slice.
 *
 * So only a few workers lead: each holds one of `limit` places and waits in the epoll set. The
 * others stand by, each asleep on a word of its own. A worker that is about to wait inside its
 * handler gives its place up and wakes one that stands by; back from the handler it leads
 * again if a place is free, and else looks once before it stands by, since it runs and the leader
 * may still be waiting for the core. (Known as leader and followers; the limit is what the
 * concurrency value is to an I/O completion port.)
 *
 * A leader that computes, or waits in a call that does not say so, keeps its place. So one of those
 * who stand by keeps the time: every millisecond it looks how far the leaders have come. It raises
 * the limit if none has come any further, or if all are slow and leave the cores time to spare, as
 * they wait; without need the limit falls again. (Leaders that are slow as each computes short
 * requests would only be slower if there were more.) Where connections wait and nobody takes
 * them, as the leaders were stopped (SIGSTOP) or have no core, others get their places. Where
 * nothing goes on it rests too.
 *
 * All this lies in memory that the workers share, and a worker process may be killed between any
 * two instructions. What it may leave, and leaders_release() puts right:
 *
 *     killed                          leaves                           put right by
 *     leading                         a place held by nobody           freeing it, waking one
 *     having given up its place       a free place, and all asleep     waking one
 *     having summoned another         one asleep, waited for in vain   summoning anew
 *     having changed another's state  one asleep, though told to work  waking all that are to work
 *     standing by, keeping the time   its mark, its name               clearing them, waking one
 */
#ifndef MODELS_POOL_LEADERS_H
#define MODELS_POOL_LEADERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server.h"

/*
 * What a worker does, in worker_control.state. Only a compare-and-swap from the state seen changes
 * it, so that a dismissed worker either serves the event it has already got or never gets one: an
 * event taken along unserved would be lost, as the kernel tells of a connection once.
 *
 *     STANDBY ◄───► BUSY ◄───► IDLE     by the worker, around its sleep and around epoll_wait();
 *        │           │          │       STANDBY to BUSY by whoever wakes it, too
 *        └───────────┼──────────┘       by the master:
 *                    ▼
 *                DISMISSED              it returns when it next looks; seen after an event,
 *                                       that is served
 */
enum leaders_state { LEADERS_BUSY, LEADERS_IDLE, LEADERS_DISMISSED, LEADERS_STANDBY };

/* Where one worker leads. */
struct leaders_place {
    _Atomic uint32_t holder;  /* worker + 1; 0: the place is free */
    _Atomic uint32_t watched; /* the keeper's: holder at its last look */
    _Atomic uint32_t seen;    /* and how many events that had taken by then */
};

struct leaders {
    struct server_shared *shared;
    int work_fd;               /* the epoll set: readable while a connection waits; not owned */
    unsigned cores;            /* that the workers may use; the least limit */
    unsigned most;             /* places there are; the greatest limit */
    _Atomic unsigned limit;    /* places in use, the first ones */
    _Atomic uint32_t keeper;   /* worker + 1 of who keeps the time; 0: nobody stands by */
    _Atomic uint32_t summoned; /* worker + 1 of who was woken and has not looked for a place yet */
    _Atomic bool resting;      /* the keeper sleeps until an event is taken */
    /* The keeper's, and for a moment also those of one whose part was given to another. */
    _Atomic unsigned calm, quiet; /* ticks without need for the limit; without event */
    _Atomic unsigned ignored;     /* without event, though connections wait */
    _Atomic int64_t used_ns;      /* CPU time of the leaders, all slow, as measured ... */
    _Atomic int64_t measured_ns;  /* at this time (io_now_ns()); 0: some were not slow */
    uint64_t taken;               /* leaders_watch()'s: events taken so far, by all */
    bool killed;                  /* leaders_died()'s: one was, since leaders_release() */
    _Atomic uint64_t *marks;      /* a bit for each worker that stands by, but for the keeper */
    _Atomic uint64_t *members;    /* a bit for each worker there is */
    struct leaders_place place[];
};

/* Bytes that leaders of up to `most` workers take: whole cache lines. */
size_t leaders_size(unsigned most);

/* In zeroed memory of leaders_size(most) bytes that all workers share; work_fd is set by the
 * caller. */
void leaders_init(struct leaders *leaders, struct server_shared *shared, unsigned most,
                  unsigned cores);

/* A worker begins; its state is BUSY. */
void leaders_enter(struct leaders *leaders, unsigned worker);

/* How a worker is to look for work: by these as time-out of epoll_wait(), but for the last. */
enum leaders_way { LEADERS_WAIT = -1, LEADERS_LOOK = 0, LEADERS_RETURN = -2 };

/* LEADERS_WAIT: the worker leads, and has perhaps stood by until it did. LEADERS_LOOK: it does not,
 * but is back from a wait, so it runs anyway and may take what is there. LEADERS_RETURN: it was
 * dismissed. */
enum leaders_way leaders_join(struct leaders *leaders, unsigned worker);

/* The worker, which leads, has taken an event. */
void leaders_note(struct leaders *leaders, unsigned worker);

/* The worker is about to wait for something, or to end: if it leads, another may. */
void leaders_quit(struct leaders *leaders, unsigned worker);

/* Whether a connection waits for a worker, as far as can be seen at the moment. */
bool leaders_work_waits(const struct leaders *leaders);

/* To be called a few times a second, by one that is no worker: lets the limit fall where all lead;
 * where connections wait and nothing was taken since the last call, another is to keep the time. */
void leaders_watch(struct leaders *leaders);

/* A worker process has ended and was reaped; killed: perhaps between any two words. After the last
 * of those that ended together, leaders_release() puts right what they left. */
void leaders_died(struct leaders *leaders, unsigned worker, bool killed);
void leaders_release(struct leaders *leaders);

/* Changes a worker's state; false where it was not `from`. */
bool leaders_change(struct worker_control *control, enum leaders_state from, enum leaders_state to);

/* Tells a worker to return when it has finished what it serves. True if it was IDLE: then it waits
 * in epoll_wait(), or is about to, and must be interrupted by a signal, again and again until it
 * has gone, as one sent before the call has no effect on it. */
bool leaders_dismiss(struct worker_control *control);

#endif
