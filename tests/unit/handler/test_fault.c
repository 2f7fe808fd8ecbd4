/* SPDX-License-Identifier: MIT
 *
 * fault.c: each fault ends the process that serves it in its own way; of others it says that there
 * are none.
 */
#include "serving.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* How a child ends that serves target, which may not end otherwise. */
static int ended_by(const char *target)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        struct fake fake;

        setrlimit(RLIMIT_CORE, &no_core);
        for (int number = 1; number < NSIG; number++)
            signal(number, SIG_DFL); /* not a sanitizer's, nor cmocka's */
        fake_init(&fake, HTTP_METHOD_GET, "GET", target, 1);
        fake.config.enable_fault_routes = true;
        serve(&fake);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void each_ends_the_process(void **state)
{
    int status;

    (void)state;
    status = ended_by("/fault/segv");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = ended_by("/fault/overflow");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = ended_by("/fault/abort");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    status = ended_by("/fault/exit");
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
}

static void others_are_none(void **state)
{
    struct fake fake;

    (void)state;
    fake_init(&fake, HTTP_METHOD_GET, "GET", "/fault/other", 1);
    fake.config.enable_fault_routes = true;
    assert_int_equal(serve(&fake), 0);
    assert_text(&fake, 404, "no such fault: overflow, segv, abort or exit\n");
    fake_term(&fake);
}

static void without_the_option_there_is_no_such_route(void **state)
{
    struct fake fake;

    (void)state;
    get(&fake, "/fault/exit");
    assert_int_equal(fake.status, 404);
    fake_term(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_ends_the_process),
        cmocka_unit_test(others_are_none),
        cmocka_unit_test(without_the_option_there_is_no_such_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
