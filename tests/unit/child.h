/* SPDX-License-Identifier: MIT
 *
 * What changes a process for good, such as its limits or its user, is done in a child, which says
 * what came of it by its exit status: 0, or the line of the first thing that did not hold.
 * Included by test programs.
 */
#ifndef CHILD_H
#define CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: ends it here unless the condition holds. */
#define CHILD_EXPECT(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(__LINE__ % 256 != 0 ? __LINE__ % 256 : 1);                                       \
    } while (0)

/* Runs part(arg) in a child, which is to return. */
static inline void in_child(void (*part)(void *arg), void *arg)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        part(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status))
        fail_msg("the child was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        fail_msg("line %d of the child (modulo 256)", WEXITSTATUS(status));
}

#endif
