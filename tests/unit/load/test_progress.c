/* SPDX-License-Identifier: MIT
 *
 * When a line is written and what it says, where standard error is no terminal.
 */
#include "load/progress.h"

#include "tests/unit/scratch.h"

static int kept_stderr;

static void catch_stderr(void)
{
    int fd = open("said", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    kept_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
    close(fd);
}

static const char *said(void)
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    return scratch_read("said");
}

static void a_line_comes_every_ten_seconds(void **state)
{
    struct progress p;

    (void)state;
    catch_stderr();
    progress_begin(&p, 25);
    for (int second = 0; second <= 20; second++) {
        const struct progress_now now = {.passed_s = second + 0.001,
                                         .answered = (uint64_t)second * 50,
                                         .oldest_ns = 1500000,
                                         .connections = 7};

        progress_say(&p, &now);
    }
    progress_end(&p);
    assert_string_equal(said(), "load: 10 s, 15 s left: 50 answers a second, 7 connections, the "
                                "oldest request 1.50 ms old\n"
                                "load: 20 s, 5 s left: 50 answers a second, 7 connections, the "
                                "oldest request 1.50 ms old\n");
}

/* Its schedule lies ahead (--start-at). */
static void before_the_beginning_nothing_is_said(void **state)
{
    const struct progress_now now = {.passed_s = -20};
    struct progress p;

    (void)state;
    catch_stderr();
    progress_begin(&p, 25);
    progress_say(&p, &now);
    progress_end(&p);
    assert_string_equal(said(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_line_comes_every_ten_seconds),
        IN_SCRATCH(before_the_beginning_nothing_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
