/* SPDX-License-Identifier: MIT
 *
 * The part of a program that another one started (agents.h) and talks to by its standard input and
 * output, a line each:
 *
 *   agent says    ready VERSION UNIXTIME    it knows the server's address and could begin
 *   is told       start UNIXTIME            when the schedule begins
 *                 stop                      end now and tell what was measured
 *   agent says    progress ANSWERED OLDEST_NS CONNECTIONS    about once a second
 *                 the lines of wire.h                        at the end
 *
 * The end of its input is as good as "stop": so no agent goes on when who asked is gone.
 */
#ifndef LOAD_AGENT_H
#define LOAD_AGENT_H

#include "load/figures.h"
#include "load/progress.h"

/*
 * Says that all is ready and waits for the time to start. From then on the process gets a SIGINT
 * when it is told to stop, by way of a thread that this function starts: call it where SIGINT is
 * blocked or handled as it shall be. version: of this program. 0 and the Unix time in seconds;
 * -ECANCELED: told to stop, or nobody is there any more; -EPROTO: told something else; other -errno
 * of the thread.
 */
int agent_ready(const char *version, double *start_at) __attribute__((warn_unused_result));

/* Tells how things stand. */
void agent_progress(const struct progress_now *now);

/* Tells what was measured. 0 or -errno. */
int agent_tell(const struct figures *figures) __attribute__((warn_unused_result));

#endif
