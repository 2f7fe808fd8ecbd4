/* SPDX-License-Identifier: MIT
 *
 * kept.h: what is kept and what is closed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "system/kept.h"

enum { FIRST = 60, LAST = 70, DESCRIPTORS = 100 };

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* In a process of its own, with FIRST to LAST open: closes all but those, and returns a bit for
 * each that is open then. */
static unsigned left_of(struct kept kept)
{
    unsigned left = 0;
    int ends[2], status;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    kept_add(&kept, ends[1]);
    pid = fork();
    if (pid == 0) {
        for (int fd = FIRST; fd <= LAST; fd++)
            dup2(STDERR_FILENO, fd);
        kept_close_others(&kept, DESCRIPTORS);
        for (int fd = FIRST; fd <= LAST; fd++)
            left |= (unsigned)is_open(fd) << (fd - FIRST);
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
            if (!is_open(fd))
                _exit(EXIT_FAILURE);
        if (is_open(ends[0]) || write(ends[1], &left, sizeof left) != sizeof left)
            _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &left, sizeof left), sizeof left);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return left;
}

static void all_others_are_closed(void **state)
{
    struct kept kept = {.count = 0};

    (void)state;
    assert_int_equal(left_of(kept), 0);
    kept_add(&kept, FIRST + 1);
    assert_int_equal(left_of(kept), 1U << 1);
    kept_add(&kept, LAST);
    kept_add(&kept, FIRST + 4);
    assert_int_equal(left_of(kept), 1U << 1 | 1U << 4 | 1U << (LAST - FIRST));
    kept_add(&kept, FIRST + 5); /* nothing lies between */
    kept_add(&kept, FIRST + 4); /* and of one twice nothing either */
    kept_add(&kept, FIRST);
    assert_int_equal(left_of(kept), 3U | 3U << 4 | 1U << (LAST - FIRST));
    kept_add_some(&kept, FIRST + 1, 3); /* some in a row */
    assert_int_equal(left_of(kept), 0xfU | 3U << 4 | 1U << (LAST - FIRST));
    assert_true(kept_has(&kept, FIRST + 2) && kept_has(&kept, FIRST + 3));
    assert_false(kept_has(&kept, FIRST + 6));
}

static void none_is_not_added(void **state)
{
    struct kept kept = {.count = 0};

    (void)state;
    kept_add(&kept, -1);
    assert_int_equal(kept.count, 0);
    assert_false(kept_has(&kept, -1));
    assert_false(kept_has(&kept, 0));
    kept_add(&kept, 7);
    kept_add(&kept, 5);
    assert_true(kept_has(&kept, 7));
    assert_true(kept_has(&kept, 5));
    assert_false(kept_has(&kept, 6));
}

static void standard_descriptors_may_be_named(void **state)
{
    struct kept kept = {.count = 0};

    (void)state;
    kept_add(&kept, STDIN_FILENO);
    kept_add(&kept, FIRST);
    assert_int_equal(left_of(kept), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_others_are_closed),
        cmocka_unit_test(none_is_not_added),
        cmocka_unit_test(standard_descriptors_may_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
