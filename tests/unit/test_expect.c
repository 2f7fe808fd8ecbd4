/* SPDX-License-Identifier: MIT
 *
 * expect.h: what holds costs no word, and what does not ends the process with one line that says
 * where, what and of whom.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "expect.h"

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void what_holds_is_silent(void **state)
{
    (void)state;
    expect(evaluated == 0, "evaluated %d times", evaluate());
    assert_int_equal(evaluated, 0);
}

static void what_does_not_hold_aborts_with_words(void **state)
{
    const struct rlimit no_core = {0, 0};
    char said[2000] = "", *end;
    ssize_t length;
    int ends[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka's own handler says more */
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], STDERR_FILENO);
        expect(evaluate() == 2, "record %d of %s", 7, "worker 3");
        _exit(0);
    }
    close(ends[1]);
    length = read(ends[0], said, sizeof said - 1);
    assert_true(length > 0);
    end = strstr(said, ": expected evaluate() == 2: record 7 of worker 3\n");
    assert_non_null(end);
    assert_memory_equal(said, "error: tests/unit/test_expect.c:", 32);
    assert_int_equal(read(ends[0], said, sizeof said), 0); /* nothing more was said */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_holds_is_silent),
        cmocka_unit_test(what_does_not_hold_aborts_with_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
