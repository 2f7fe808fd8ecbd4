/* SPDX-License-Identifier: MIT
 *
 * This very program, started once more: here, or on another host by way of a remote shell. Each has
 * a process group and session of its own, so that what a terminal sends on Ctrl-C does not reach
 * it.
 */
#ifndef LOAD_REMOTE_H
#define LOAD_REMOTE_H

#include <sys/types.h>

struct remote {
    pid_t pid;        /* of the process, or of the remote shell; 0: none runs */
    int in, out, err; /* pipes to and from it, those from it not blocking; -1: closed */
};

/*
 * Starts it with these arguments, ended by NULL, which do not include its name. host: "local", or
 * one that LOAD_SSH (see agents.h) knows. 0 or -errno; then nothing runs and nothing is open.
 * SIGPIPE should be ignored.
 */
int remote_start(struct remote *remote, const char *host, char *const *arguments)
    __attribute__((warn_unused_result));

/* Closes the pipes and waits for the end, which the end of its input brings about, but no longer
 * than so many milliseconds: then kills it (of a remote shell that is the local half). Returns
 * waitpid()'s status, -1 of one that had to be killed, 0 of none. */
int remote_end(struct remote *remote, int within_ms);

/* A word as a shell reads it, in quotes; to be freed by the caller, NULL without memory. */
char *remote_quoted(const char *word) __attribute__((warn_unused_result));

#endif
