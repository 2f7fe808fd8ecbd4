/* SPDX-License-Identifier: MIT
 *
 * Permits: how more worker processes than connections share them.
 *
 * A connection's handle is memory of one process and cannot be handed to another. What is lent is
 * the right to have a connection open. A process keeps its permit, and its connection, from one
 * request to the next for a tenure (DB_PERMIT_TENURE_MS) even while others wait in line, since
 * opening a connection costs the database's side about as much as a hundred small queries;
 * then the first in line has it. An idle permit can be taken from its holder at any
 * time: whoever takes it shuts the holder's socket down, so that the database never sees more
 * connections than there are permits, and the holder finds out when it next wants it.
 *
 * That needs one descriptor table for all (io_shares_descriptors()); where every process has its
 * own, a socket is closed at the end of each request instead.
 *
 * All in memory that the processes share, and without a lock: each word is changed by
 * compare-and-swap and names its owner. A process may be killed at any point. What that leaves, and
 * what puts it right (db_permits_died(), called by the master before it closes what the dead had
 * open):
 *
 *     in line                             its place is taken away, the first is woken
 *     BUSY, IDLE                          the permit is freed; its socket is closed next
 *     IDLE, and another is taking it      the taker has it, or finds it freed; it never uses the
 *                                         number of the dead, but a copy
 *     has copied an idle owner's socket   the copy is recorded (io_hold()) and closed; the permit
 *                                         is its owner's as before
 *     REVOKING, the socket still open     the master shuts it down through the copy; the permit is
 *                                         freed
 *     BUSY since, the copy not closed     as BUSY; the copy is closed as what it held
 *     has given one back, woken nobody    who waits looks again by itself, within a second
 */
#ifndef DB_PERMITS_H
#define DB_PERMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "io.h"

enum {
    DB_PERMIT_TENURE_MS = 250,
    DB_PERMIT_IDLE_MS = 5, /* an idle permit is not taken sooner, or a busy holder would lose it */
};

struct db_permits;
struct kept;

/* Makes that many permits for that many processes (to be called before they are forked). NULL with
 * errno. */
struct db_permits *db_permits_new(unsigned count, unsigned processes);
void db_permits_free(struct db_permits *permits);

/* Adds the descriptors that db_permits_new() opened. */
void db_permits_keep(const struct db_permits *permits, struct kept *kept);

/* A process's own view; at most one permit each, used by one context at a time. Zero `slot` is
 * "none". */
struct db_borrower {
    struct db_permits *permits; /* NULL: nothing has to be borrowed */
    unsigned process;
    unsigned slot; /* number of the permit held, from 1; 0: none */
};

/*
 * Takes a permit, waiting in line for it until the deadline. *kept: it is the one this process gave
 * back last, and nobody had it in between.
 * Returns 0, -ETIMEDOUT, -ECANCELED, or what io_wait() gave; nothing is held then.
 */
int db_permit_take(struct db_borrower *b, struct io *io, int64_t deadline_ms, bool *kept)
    __attribute__((warn_unused_result));

/* Whether the permit held may stay with this process while idle, its connection (fd; -1: none that
 * counts) open. If not, the connection is to be closed before db_permit_give(). */
bool db_permit_may_stay(const struct db_borrower *b, const struct io *io, int fd);

/* Gives the permit back: stay as db_permit_may_stay() said, with the descriptor of the connection
 * that stays open; or for good. */
void db_permit_give(struct db_borrower *b, int fd, bool stay);

/* How many processes wait in line. */
unsigned db_permits_waiting(const struct db_permits *permits);

/* A process has died; to be called before what it had open is closed. */
void db_permits_died(struct db_permits *permits, unsigned process);

#endif
