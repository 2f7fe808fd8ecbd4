/* SPDX-License-Identifier: MIT
 *
 * What the master and a worker process say to each other.
 *
 * They talk through the worker's control block, in memory they share (shared.h), and three
 * descriptors that become readable (system/latch.h): its generation's gate and stop descriptor, and
 * the master's own, which wakes it. Each fact has a word of its own which one side writes, so
 * nothing is counted and nothing can be taken for another's.
 *
 *     master                                worker
 *       reset control, fork   ───────────►    set up
 *       (all of a generation ready?)  ◄────   ready
 *       open the gate         ───────────►    accept and serve
 *                                  ◄───────   spent: has served --max-requests
 *       start another; when that is ready,
 *       draining, stop descriptor ───────►    accept no more (take_backlog: but what waits,
 *                                  ◄───────   then backlog_taken); finish, exit 0
 *       deadline passed: SIGKILL
 *
 * The worker reads its orders by server_told_to_finish() and what stands beside it in server.h.
 */
#ifndef WORKER_H
#define WORKER_H

struct server;

/* What a worker process is given. */
struct worker_process {
    unsigned first; /* slot of its first worker; the others follow */
    int stop_fd;    /* readable: all of its generation finish. Not used by those of a shared pool */
    int gate_fd;    /* worker_ready()'s */
};

/* Says that the calling process can serve. Returns when it may begin to. */
void worker_ready(const struct server *server, const struct worker_process *self);

/* Says that it was told to finish and has accepted what waited to be. */
void worker_backlog_taken(const struct server *server);

/* If the workers in `count` slots from `first` have served --max-requests between them, says that
 * the process wants to be replaced; once. Any thread. */
void worker_look_spent(const struct server *server, unsigned first, unsigned count);

#endif
