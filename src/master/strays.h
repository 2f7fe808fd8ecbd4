/* SPDX-License-Identifier: MIT
 *
 * Stray descriptors: open in a descriptor table that processes share, and nobody's.
 *
 * A killed process leaves open what it had opened and not recorded yet. Nobody but the kernel knows
 * the number, so after such a death the master looks at its table, the shared one, and closes what
 * no record names. That must never hit what a living worker is about to record. So each announces,
 * in worker_stats.changing, the times in which what it has open may differ from what is recorded:
 *
 *     cloned ──────────────── SHARED_PASSING ───────────────► ready
 *     in a request            SHARED_CHANGING: open, record   (io_hold(); pool.c for connections)
 *                             SHARED_CHANGING: give the record up, close
 *     told to finish ──────── SHARED_PASSING ───────────────► reaped
 *
 * On the way in and out libraries may open what they like; a leak check does. Outside of these
 * times a worker opens nothing: tests/faults/test_announced.py holds that. What follows:
 *
 *  - A worker killed outside of them has left no stray; nobody looks for one.
 *  - One killed in them may have: between opening and recording, or between giving the record up
 *    and closing; before, the record is released as the dead worker's (pool_release()).
 *  - The look closes a number only if it was open and nobody's at a moment when no worker was in
 *    such a time, and none began or ended meanwhile. No living worker has just opened it, then; and
 *    as no call returns a number that is open, nobody will have it before it is closed. While a
 *    worker is on its way in or out, or a library resolves a name, the look waits.
 *  - Standard input, output and error are never looked at: something is open there from the start.
 *  - What was open before there were workers is known by number and inode, so that a connection
 *    which gets the number of a log file closed since is not taken for it.
 */
#ifndef MASTER_STRAYS_H
#define MASTER_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct server_shared;

/* True when fd is open for good reason: of the master's own, or because a record names it. */
typedef bool strays_owned(const void *arg, int fd);

struct strays_known {
    int fd;
    ino_t inode;
};

struct strays {
    struct strays_known
        *known; /* open before there were workers; NULL: not looked yet, or no /proc */
    size_t known_count;
};

/* Notes what is open, before any worker shares the table; again does nothing. Where that cannot be
 * found out, which is logged (but for a machine without /proc), strays_close() does nothing: a leak
 * is better than closing what is in use. */
void strays_init(struct strays *strays);
void strays_term(struct strays *strays);

/* One look, if shared->strays says that there is reason: closes what is certainly stray. To be
 * called by the master now and then. */
void strays_close(const struct strays *strays, struct server_shared *shared, strays_owned *owned,
                  const void *arg);

#endif
