/* SPDX-License-Identifier: MIT
 *
 * Running out of something: descriptors, memory, coroutines, disk. It neither ends
 * the server nor fills its log: whoever is short waits, and says so here.
 */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include <stdbool.h>

struct server;

/* Why no process or thread could be made, in words, for a positive errno of fork(), clone() or
 * pthread_create(): names the limits that it may be. */
const char *shortage_of_tasks(int error);

/*
 * Logs "what: reason; connections wait until it can be done", at most once a second for all workers
 * together. Safe in any process, thread or coroutine; does not suspend.
 */
void shortage_report(struct server *server, const char *what, int error);

/* What is to be done when accept(2) has failed. */
enum accept_failure {
    ACCEPT_NEXT,  /* that one is gone: accept the next */
    ACCEPT_NONE,  /* nobody waits */
    ACCEPT_SHUT,  /* the socket was shut down for draining: accept no more */
    ACCEPT_LATER, /* look away for a moment, or the socket that stays readable would never rest */
};

/* Judges its errno, a positive one. Whatever is not known to pass by itself, and at once, is LATER
 * and reported: a shortage, but also what a firewall or a filter of system calls forbids. */
enum accept_failure shortage_of_accept(struct server *server, int error);

/* A line of the access log could not be written (error: a positive errno): counts it, and logs it
 * if lines were not being lost already. */
void shortage_log_line_lost(struct server *server, int error);

/* One was written. If lines were lost until a second ago or more, says how many in all. */
void shortage_log_line_written(struct server *server);

#endif
