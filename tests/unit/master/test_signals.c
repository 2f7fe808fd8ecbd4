/* SPDX-License-Identifier: MIT
 *
 * signals.h: which signals the master reads, and that none of them acts on it otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/signals.h"

static const int TAKEN[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};

static sigset_t before;

static int begin(void **state)
{
    static int fd;

    sigfillset(&before);
    *state = &fd;
    fd = signals_take(&before);
    return fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    const int *fd = *state;

    close(*fd);
    return sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The next that has come; 0: none. */
static uint32_t next(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof info) == sizeof info ? info.ssi_signo : 0;
}

static void each_is_read(void **state)
{
    const int *fd = *state;

    for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++) {
        assert_int_equal(next(*fd), 0); /* and does not wait */
        raise(TAKEN[i]);
        assert_int_equal(next(*fd), TAKEN[i]);
    }
}

static void others_are_not_blocked(void **state)
{
    sigset_t now;

    (void)state;
    sigprocmask(SIG_SETMASK, NULL, &now);
    for (int number = 1; number < SIGRTMIN; number++) {
        int taken = 0;

        for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++)
            taken |= number == TAKEN[i];
        assert_int_equal(sigismember(&now, number), taken);
    }
    assert_false(sigismember(&before, SIGTERM)); /* as it was */
}

/* A peer that is gone, a file that may not grow, a terminal in the background: each is an error of
 * the call. */
static void what_would_kill_or_stop_is_ignored(void **state)
{
    static const int IGNORED[] = {SIGPIPE, SIGXFSZ, SIGTTOU};
    struct sigaction action;

    (void)state;
    for (size_t i = 0; i < sizeof IGNORED / sizeof IGNORED[0]; i++) {
        sigaction(IGNORED[i], NULL, &action);
        assert_true(action.sa_handler == SIG_IGN);
    }
}

/* Whoever started the server may have ignored SIGCHLD, and children then leave no status. */
static void deaths_are_told(void **state)
{
    const int *fd = *state;
    sigset_t mask;
    int status, again;
    pid_t pid;

    signal(SIGCHLD, SIG_IGN);
    again = signals_take(&mask);
    assert_true(again >= 0);
    pid = fork();
    if (pid == 0)
        _exit(3);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_int_equal(next(*fd), SIGCHLD);
    close(again);
}

static void it_is_not_passed_to_other_programs(void **state)
{
    const int *fd = *state;

    assert_int_equal(fcntl(*fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void being_told_to_stop_is_seen_before_it_is_read(void **state)
{
    const int *fd = *state;

    assert_false(signals_told_to_stop());
    raise(SIGHUP);
    assert_false(signals_told_to_stop());
    raise(SIGTERM);
    assert_true(signals_told_to_stop());
    while (next(*fd) != 0)
        ;
    assert_false(signals_told_to_stop());
    raise(SIGINT);
    assert_true(signals_told_to_stop());
    next(*fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_is_read),
        TEST(others_are_not_blocked),
        TEST(what_would_kill_or_stop_is_ignored),
        TEST(deaths_are_told),
        TEST(it_is_not_passed_to_other_programs),
        TEST(being_told_to_stop_is_seen_before_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
