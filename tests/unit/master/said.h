/* SPDX-License-Identifier: MIT
 *
 * What is said on standard error between said_begin() and said_end(), for a test to judge
 * afterwards. No assertion in between: its words would be lost among them.
 */
#ifndef TESTS_UNIT_MASTER_SAID_H
#define TESTS_UNIT_MASTER_SAID_H

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct said {
    int was, file;
    char text[4000];
};

static inline void said_begin(struct said *said)
{
    said->was = dup(STDERR_FILENO);
    said->file = memfd_create("said", MFD_CLOEXEC);
    if (said->was < 0 || said->file < 0 || dup2(said->file, STDERR_FILENO) < 0)
        abort();
}

/* What was said, which stays in *said. */
static inline const char *said_end(struct said *said)
{
    ssize_t length = pread(said->file, said->text, sizeof said->text - 1, 0);

    said->text[length > 0 ? length : 0] = '\0';
    dup2(said->was, STDERR_FILENO);
    close(said->was);
    close(said->file);
    return said->text;
}

/* What a process says that runs that and aborts; "" where it does not. */
static inline const char *said_aborting(struct said *said, void (*run)(void *arg), void *arg)
{
    const struct rlimit no_core = {0, 0};
    int status = 0;
    pid_t pid;

    said_begin(said);
    pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL); /* not cmocka's handler */
        setrlimit(RLIMIT_CORE, &no_core);
        run(arg);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    said_end(said);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? said->text : "";
}

#endif
