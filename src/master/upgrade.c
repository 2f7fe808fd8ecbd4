/* SPDX-License-Identifier: MIT
 *
 * Both sides of an upgrade.
 */
#include "master/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "io.h"
#include "log.h"
#include "master/process.h"
#include "master/settings.h"
#include "system/notify.h"
#include "server.h"

static const char VARIABLE[] = "SERVER_UPGRADE";

enum { VALUE_SIZE = 300, EXIT_NOT_EXECUTED = 127 };

/* In the child. */
static void execute(const struct command *command, const struct server *server, int ready_fd,
                    const sigset_t *mask)
{
    char value[VALUE_SIZE], more[20] = "";

    /* Older programs, which would leave the others unattended, do not understand it. */
    if (server->config->accept == ACCEPT_REUSEPORT)
        snprintf(more, sizeof more, "+%u", server->more_listeners);
    snprintf(value, sizeof value, "%d:%d%s:%d:%s", ready_fd, server->listen_fd, more,
             server->listen_shared, server->config->listen);
    for (int k = 1; k <= (int)server->more_listeners; k++)
        fcntl(server->listen_fd + k, F_SETFD, 0);
    if (setenv(VARIABLE, value, 1) == 0 && notify_pass_watchdog() == 0 &&
        fcntl(ready_fd, F_SETFD, 0) == 0 && fcntl(server->listen_fd, F_SETFD, 0) == 0) {
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(command->argv[0], command->argv);
    }
    log_line(LOG_ERROR, "upgrade: cannot execute %s: %s", command->argv[0], strerror(errno));
    _exit(EXIT_NOT_EXECUTED);
}

int upgrade_start(struct upgrade *u, const struct command *command, const struct server *server,
                  const sigset_t *mask, int64_t timeout_ms)
{
    int ends[2], result = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -errno;
    u->pid = fork();
    if (u->pid == 0)
        execute(command, server, ends[1], mask);
    if (u->pid < 0) {
        result = -errno;
        u->pid = 0;
        close(ends[0]);
    } else {
        u->ready_fd = ends[0];
        u->end_ms = io_now_ms() + timeout_ms;
    }
    close(ends[1]);
    return result;
}

static void forget(struct upgrade *u, pid_t child)
{
    close(u->ready_fd);
    u->ready_fd = -1;
    u->pid = 0;
    u->ended = false;
    u->child = child;
}

void upgrade_note_end(struct upgrade *u, pid_t pid, int status)
{
    if (pid == u->child)
        u->child = 0;
    if (pid != u->pid)
        return;
    u->ended = true;
    u->status = status;
}

enum upgrade_state upgrade_look(struct upgrade *u)
{
    char answer;
    ssize_t count;
    bool late;

    expect(u->pid != 0, "no new server is starting: %d serves", (int)u->successor);
    count = u->ended ? 0 : read(u->ready_fd, &answer, 1); /* nobody serves, whatever it said */
    late = count < 0 && io_now_ms() >= u->end_ms;
    if (late) {
        shutdown(u->ready_fd, SHUT_RD);
        count = read(u->ready_fd, &answer, 1);
    }
    if (count == 1) {
        u->adopted = answer == UPGRADE_ADOPTED;
        u->successor = u->pid;
        forget(u, 0); /* its end is nothing to this server any more */
        return UPGRADE_READY;
    }
    if (count < 0)
        return UPGRADE_PENDING;
    if (late)
        snprintf(u->why, sizeof u->why, "was not ready within --start-timeout");
    if (!u->ended)
        kill(u->pid, SIGKILL); /* it may have closed its end and live on */
    while (!u->ended && waitpid(u->pid, &u->status, 0) < 0 && errno == EINTR)
        ;
    if (!late)
        process_describe_end(u->why, sizeof u->why, u->status);
    forget(u, 0);
    return UPGRADE_FAILED;
}

void upgrade_cancel(struct upgrade *u)
{
    if (u->pid == 0)
        return;
    kill(u->pid, SIGTERM);
    forget(u, u->pid);
}

bool upgrade_is_gone(const struct upgrade *u)
{
    return u->child == 0;
}

void upgrade_end(const struct upgrade *u)
{
    if (!upgrade_is_gone(u))
        kill(u->child, SIGKILL);
}

/* A descriptor at the beginning of *text, ended by a colon; -1. more: it may be followed by "+" and
 * how many come behind it, all open; else unchanged. */
static int read_descriptor(const char **text, struct inherited *more)
{
    char *end;
    long fd = strtol(*text, &end, 10), count = 0;

    if (more != NULL && end != *text && *end == '+') {
        count = strtol(end + 1, &end, 10);
        more->reuseport = true;
    }
    if (end == *text || *end != ':' || fd <= STDERR_FILENO || count < 0 ||
        count >= CONFIG_MAX_WORKERS)
        return -1;
    for (int k = 0; k <= (int)count; k++)
        if (fcntl((int)fd + k, F_GETFD) < 0)
            return -1;
    if (more != NULL)
        more->more_listeners = (unsigned)count;
    *text = end + 1;
    return (int)fd;
}

/* "0:" or "1:" at the beginning of *text. */
static bool read_flag(const char **text, bool *flag)
{
    if (((*text)[0] != '0' && (*text)[0] != '1') || (*text)[1] != ':')
        return false;
    *flag = (*text)[0] == '1';
    *text += 2;
    return true;
}

struct inherited upgrade_inherit(const char *listen)
{
    struct inherited inherited = {.ready_fd = -1, .listen_fd = -1};
    const char *value = getenv(VARIABLE);
    const char *text = value;
    bool understood;

    if (value == NULL)
        return inherited;
    inherited.ready_fd = read_descriptor(&text, NULL);
    if (inherited.ready_fd >= 0)
        inherited.listen_fd = read_descriptor(&text, &inherited);
    understood = inherited.listen_fd >= 0 && read_flag(&text, &inherited.listen_shared);
    if (!understood) {
        char shown[100];

        log_escape(shown, sizeof shown, value, strlen(value));
        log_line(LOG_WARN, "%s=%s ignored: it does not come from a server", VARIABLE, shown);
        inherited = (struct inherited){.ready_fd = -1, .listen_fd = -1};
    } else {
        fcntl(inherited.ready_fd, F_SETFD, FD_CLOEXEC);
        for (int k = 0; k <= (int)inherited.more_listeners; k++)
            fcntl(inherited.listen_fd + k, F_SETFD, FD_CLOEXEC);
    }
    if (understood && !inherited.listen_shared && strcmp(text, listen) != 0) {
        for (int k = 0; k <= (int)inherited.more_listeners; k++)
            close(inherited.listen_fd + k);
        inherited.listen_fd = -1;
    }
    unsetenv(VARIABLE);
    return inherited;
}

bool upgrade_commit(struct inherited *inherited)
{
    char answer = inherited->listen_fd >= 0 ? UPGRADE_ADOPTED : UPGRADE_OPENED;
    bool sent, waits = false;

    if (inherited->ready_fd < 0)
        return true;
    sent = write(inherited->ready_fd, &answer, 1) == 1;
    if (!sent) /* the end of one that has died is closed in both directions */
        waits = read(inherited->ready_fd, &answer, 1) < 0 && errno == EAGAIN;
    close(inherited->ready_fd);
    inherited->ready_fd = -1;
    if (waits)
        log_line(LOG_ERROR, "upgrade: the server that started this one has given it up");
    else if (!sent)
        log_line(LOG_WARN, "the server that started this one is gone");
    return !waits;
}
