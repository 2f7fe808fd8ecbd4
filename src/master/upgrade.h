/* SPDX-License-Identifier: MIT
 *
 * Replacing the program while it serves (SIGUSR2).
 *
 * The master starts the program anew: the path and arguments it was started with, its
 * environment, and beside that one variable, SERVER_UPGRADE=READY:LISTEN:SHARED:TEXT:
 *
 *     READY    descriptor of a stream socket: to be written to once the new server can serve
 *     LISTEN   descriptor of the listening socket
 *     SHARED   1: a service manager has that socket too, so it is never shut; 0: nobody else
 *     TEXT     the --listen that it was opened for
 *
 * A new server whose --listen is TEXT goes on with that socket, any other opens its own.
 * Once all its workers can serve it writes one byte to READY, UPGRADE_ADOPTED or
 * UPGRADE_OPENED, and the old one finishes as after SIGTERM, but that it leaves the socket, and
 * a Unix socket's path, to the new one. READY closed before, or a time without an
 * answer, means failure: the new server is killed and the old one goes on.
 *
 * The byte decides, for both: before it the new server accepts nobody and neither writes the pid
 * file nor tells a service manager of itself. An old one that has waited long enough shuts READY
 * for reading, after which no byte can be sent, and takes the one that came just before.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct command;
struct server;

enum { UPGRADE_ADOPTED = 'a', UPGRADE_OPENED = 'o' };

/* ---- the old server ---- */

struct upgrade {
    pid_t pid;  /* of the new server; 0: none is being started */
    bool ended; /* it has ended, with this status */
    int status;
    pid_t child;     /* of one that was told to stop and has not ended yet; 0: none */
    int ready_fd;    /* its end of READY; -1 */
    int64_t end_ms;  /* when it has taken too long */
    pid_t successor; /* once it serves: it is its own master now */
    bool adopted;    /* and serves this server's socket */
    char why[80];    /* it failed: a few words */
};

enum upgrade_state { UPGRADE_PENDING, UPGRADE_READY, UPGRADE_FAILED };

/* Starts the new server. mask: the signal mask it is to have. Returns 0 or a negative errno; that
 * the program cannot be executed is seen later, as a failure. */
int upgrade_start(struct upgrade *u, const struct command *command, const struct server *server,
                  const sigset_t *mask, int64_t timeout_ms);

/* Takes note that a child of the master has ended: perhaps that one. */
void upgrade_note_end(struct upgrade *u, pid_t pid, int status);

/* How the one that was started is getting on; does not wait. FAILED: it was reaped. */
enum upgrade_state upgrade_look(struct upgrade *u);

/* The old server is being stopped, so the new one is told to stop too. It may have served by then:
 * upgrade_is_gone() says whether it has ended, upgrade_end() kills it. */
void upgrade_cancel(struct upgrade *u);
bool upgrade_is_gone(const struct upgrade *u);
void upgrade_end(const struct upgrade *u);

/* ---- the new server ---- */

struct inherited {
    int ready_fd;  /* -1: not started by an upgrade */
    int listen_fd; /* -1: none, or not for this configuration */
    bool listen_shared;
    bool reuseport; /* it is the first of consecutive ones, for --accept=reuseport */
    unsigned more_listeners;
};

/* Reads the variable and takes it out of the environment; a variable that makes no sense is
 * ignored with a warning. listen: this server's --listen. */
struct inherited upgrade_inherit(const char *listen);

/* Tells the old server, if there is one, that this one serves from now on. False: that one has
 * given it up, and goes on itself. */
bool upgrade_commit(struct inherited *inherited);

#endif
