/* SPDX-License-Identifier: MIT
 *
 * That a broken expectation (expect.h) ends the process, with words. Included after cmocka.h.
 */
#ifndef UNIT_ABORTS_H
#define UNIT_ABORTS_H

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child whose standard error is `to`, which is to die. */
static inline void aborts_prepare(int to)
{
    const struct rlimit no_core = {0, 0};

    signal(SIGABRT, SIG_DFL); /* cmocka's own handler says more */
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(to, STDERR_FILENO);
}

static inline void aborts_judge(pid_t child, int from, const char *words)
{
    char said[2000] = "";
    int status = 0;

    assert_true(child > 0);
    assert_true(read(from, said, sizeof said - 1) >= 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strstr(said, words) == NULL)
        fail_msg("\"%s\" was expected, with an abort: \"%s\", status %#x", words, said,
                 (unsigned)status);
}

/* A child that executes the statement aborts and says the words. */
#define assert_aborts(words, statement)                                                            \
    do {                                                                                           \
        int aborts_ends[2];                                                                        \
        pid_t aborts_child;                                                                        \
        assert_int_equal(pipe(aborts_ends), 0);                                                    \
        aborts_child = fork();                                                                     \
        if (aborts_child == 0) {                                                                   \
            aborts_prepare(aborts_ends[1]);                                                        \
            statement;                                                                             \
            _exit(0);                                                                              \
        }                                                                                          \
        close(aborts_ends[1]);                                                                     \
        aborts_judge(aborts_child, aborts_ends[0], words);                                         \
        close(aborts_ends[0]);                                                                     \
    } while (0)

#endif
