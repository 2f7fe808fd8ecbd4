/* SPDX-License-Identifier: MIT
 *
 * latch.h: readable once it is set, and then for all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/latch.h"

static bool is_set(int fd)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    return poll(&readable, 1, 0) == 1;
}

static void it_stays_set_for_every_process(void **state)
{
    int fd = latch_new(), status;
    pid_t pid;

    (void)state;
    assert_true(fd >= 0);
    assert_false(is_set(fd));
    pid = fork();
    if (pid == 0) {
        latch_set(fd);
        _exit(is_set(fd) ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(is_set(fd));
    assert_true(is_set(fd)); /* whoever looked */
    close(fd);
}

/* As the one that wakes the master. */
static void one_that_was_seen_can_be_set_anew(void **state)
{
    int fd = latch_new();

    (void)state;
    latch_set(fd);
    latch_set(fd);
    latch_unset(fd);
    assert_false(is_set(fd));
    latch_unset(fd); /* does not wait */
    latch_set(fd);
    assert_true(is_set(fd));
    close(fd);
}

static void it_ends_with_the_program(void **state)
{
    int fd = latch_new();

    (void)state;
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
}

static void without_descriptors_there_is_none(void **state)
{
    struct rlimit before, none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(latch_new(), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_stays_set_for_every_process),
        cmocka_unit_test(one_that_was_seen_can_be_set_anew),
        cmocka_unit_test(it_ends_with_the_program),
        cmocka_unit_test(without_descriptors_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
