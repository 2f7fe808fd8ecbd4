/* SPDX-License-Identifier: MIT
 *
 * Running out of something: descriptors, memory, coroutines, disk. It neither ends
 * the server nor fills its log: whoever is short waits, and says so here.
 */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include <stdbool.h>

struct server;

/* True for a positive errno that says the system or this process is short of something and may have
 * it again later. */
bool shortage_is(int error);

/*
 * Logs "what: reason; connections wait until there is room", at most once a second for all workers
 * together. Safe in any process, thread or coroutine; does not suspend.
 */
void shortage_report(struct server *server, const char *what, int error);

/* A line of the access log could not be written (error: a positive errno): counts it, and logs it
 * if lines were not being lost already. */
void shortage_log_line_lost(struct server *server, int error);

/* One was written. If lines were lost until a second ago or more, says how many in all. */
void shortage_log_line_written(struct server *server);

#endif
