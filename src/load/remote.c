/* SPDX-License-Identifier: MIT
 *
 * posix_spawn() with three pipes.
 */
#include "load/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_SHELL "ssh"

/* Words, ended by NULL, each by malloc(). */
struct words {
    char **word;
    size_t count;
};

/* Takes the word over, which is NULL where there was no memory for it. 0 or -ENOMEM. */
static int add(struct words *words, char *word)
{
    char **longer =
        word == NULL ? NULL : reallocarray(words->word, words->count + 2, sizeof *longer);

    if (longer == NULL) {
        free(word);
        return -ENOMEM;
    }
    longer[words->count++] = word;
    longer[words->count] = NULL;
    words->word = longer;
    return 0;
}

static void free_words(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->word[i]);
    free(words->word);
}

char *remote_quoted(const char *word)
{
    size_t quotes = 0;
    char *quoted, *at;

    for (const char *c = word; *c != '\0'; c++)
        quotes += *c == '\'';
    quoted = malloc(strlen(word) + 3 * quotes + 3);
    if (quoted == NULL)
        return NULL;
    at = quoted;
    *at++ = '\'';
    for (const char *c = word; *c != '\0'; c++) {
        if (*c == '\'') {
            memcpy(at, "'\\''", 4);
            at += 4;
        } else {
            *at++ = *c;
        }
    }
    *at++ = '\'';
    *at = '\0';
    return quoted;
}

/* "exec 'PROGRAM' 'ARGUMENT' ...", for the shell of the host. NULL without memory. */
static char *shell_command(const char *program, char *const *arguments)
{
    char *command = strdup("exec");

    for (size_t i = 0; command != NULL && (i == 0 || arguments[i - 1] != NULL); i++) {
        char *quoted = remote_quoted(i == 0 ? program : arguments[i - 1]);
        size_t length = strlen(command), more = quoted == NULL ? 0 : strlen(quoted);
        char *longer = quoted == NULL ? NULL : realloc(command, length + more + 2);

        if (longer == NULL) {
            free(quoted);
            free(command);
            return NULL;
        }
        command = longer;
        command[length] = ' ';
        memcpy(command + length + 1, quoted, more + 1);
        free(quoted);
    }
    return command;
}

/* LOAD_SSH's words, the host, the command. */
static int remote_words(struct words *words, const char *host, const char *program,
                        char *const *arguments)
{
    const char *shell = getenv("LOAD_SSH");
    char *copy = strdup(shell != NULL && *shell != '\0' ? shell : DEFAULT_SHELL);
    char *rest = copy, *word;
    int error = copy == NULL ? -ENOMEM : 0;

    while (error == 0 && (word = strsep(&rest, " ")) != NULL)
        if (*word != '\0')
            error = add(words, strdup(word));
    free(copy);
    if (error == 0 && words->count == 0)
        error = -EINVAL;
    if (error == 0)
        error = add(words, strdup(host));
    return error != 0 ? error : add(words, shell_command(program, arguments));
}

static int local_words(struct words *words, const char *program, char *const *arguments)
{
    int error = add(words, strdup(program));

    for (size_t i = 0; error == 0 && arguments[i] != NULL; i++)
        error = add(words, strdup(arguments[i]));
    return error;
}

/* Starts the words with these three descriptors, 0 or -errno. */
static int spawn(pid_t *pid, char *const *words, const int fds[3])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int error;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return -error;
    error = posix_spawnattr_init(&attributes);
    if (error != 0)
        goto without_attributes;
    for (int fd = 0; error == 0 && fd < 3; fd++)
        error = posix_spawn_file_actions_adddup2(&actions, fds[fd], fd);
    if (error == 0)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                          POSIX_SPAWN_SETSIGDEF);
    if (error == 0)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(&attributes, &defaults);
    if (error == 0)
        error = posix_spawnp(pid, words[0], &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
without_attributes:
    posix_spawn_file_actions_destroy(&actions);
    return -error;
}

/* Three pipes, each {to read, to write}. 0 or -errno, then none is open. */
static int open_pipes(int pipes[3][2])
{
    for (int i = 0; i < 3; i++) {
        int error;

        if (pipe2(pipes[i], O_CLOEXEC) == 0)
            continue;
        error = -errno;
        while (--i >= 0) {
            close(pipes[i][0]);
            close(pipes[i][1]);
        }
        return error;
    }
    return 0;
}

int remote_start(struct remote *remote, const char *host, char *const *arguments)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    struct words words = {0};
    int pipes[3][2], error;

    *remote = (struct remote){.in = -1, .out = -1, .err = -1};
    if (length < 0)
        return -errno;
    program[length] = '\0';
    error = strcmp(host, "local") == 0 ? local_words(&words, program, arguments)
                                       : remote_words(&words, host, program, arguments);
    if (error == 0)
        error = open_pipes(pipes);
    if (error != 0)
        goto done;
    error = spawn(&remote->pid, words.word, (int[3]){pipes[0][0], pipes[1][1], pipes[2][1]});
    close(pipes[0][0]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    remote->in = pipes[0][1];
    remote->out = pipes[1][0];
    remote->err = pipes[2][0];
    if (error == 0 && (fcntl(remote->out, F_SETFL, O_NONBLOCK) < 0 ||
                       fcntl(remote->err, F_SETFL, O_NONBLOCK) < 0))
        error = -errno;
    if (error != 0)
        remote_end(remote, 0);
done:
    free_words(&words);
    return error;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A child: ended, or the time is over. */
static void wait_for_end(pid_t pid, int within_ms)
{
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};

    (void)poll(&end, 1, within_ms);
    close_one(&end.fd);
}

int remote_end(struct remote *remote, int within_ms)
{
    int status = 0;

    close_one(&remote->in);
    close_one(&remote->out);
    close_one(&remote->err);
    if (remote->pid <= 0)
        return 0;
    if (within_ms > 0)
        wait_for_end(remote->pid, within_ms);
    if (waitpid(remote->pid, &status, WNOHANG) == 0) {
        kill(remote->pid, SIGKILL);
        while (waitpid(remote->pid, &status, 0) < 0 && errno == EINTR)
            ;
        status = -1;
    }
    remote->pid = 0;
    return status;
}
