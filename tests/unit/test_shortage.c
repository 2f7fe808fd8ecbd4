/* SPDX-License-Identifier: MIT
 *
 * shortage.h: what is said of a shortage and how often, what is done after a failed accept(2), and
 * how the loss of log lines begins and ends.
 */
#include "tests/unit/capture.h"
#include "tests/unit/http/clocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "shortage.h"

static struct server_shared shared;
static struct server server = {.shared = &shared};
static char line[1000];

static int begin(void **state)
{
    memset(&shared, 0, sizeof shared);
    return capture_start(state);
}

static void assert_said(struct capture *capture, const char *expected)
{
    captured(capture, line, sizeof line);
    assert_string_equal(line, expected);
}

static void it_is_said_once_a_second(void **state)
{
    shortage_report(&server, "accept", EMFILE);
    assert_said(*state,
                "warning: accept: Too many open files; connections wait until it can be done\n");
    clocks_advance(999);
    shortage_report(&server, "clone", ENOMEM);
    assert_said(*state, "");
    clocks_advance(1);
    shortage_report(&server, "clone", ENOMEM);
    assert_said(*state,
                "warning: clone: Cannot allocate memory; connections wait until it can be done\n");
}

static void what_a_failed_accept_means(void **state)
{
    static const struct {
        int error;
        enum accept_failure failure;
        bool said;
    } rows[] = {
        {EAGAIN, ACCEPT_NONE, false},  {EINVAL, ACCEPT_SHUT, false},
        {EINTR, ACCEPT_NEXT, false},   {ECONNABORTED, ACCEPT_NEXT, false},
        {EMFILE, ACCEPT_LATER, true},  {EPERM, ACCEPT_LATER, true},
        {ENOBUFS, ACCEPT_LATER, true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clocks_advance(1000);
        assert_int_equal(shortage_of_accept(&server, rows[i].error), rows[i].failure);
        assert_int_equal(captured(*state, line, sizeof line) > 0, rows[i].said);
    }
}

static void limits_are_named_where_it_may_be_one(void **state)
{
    (void)state;
    assert_non_null(strstr(shortage_of_tasks(EAGAIN), "ulimit -u"));
    assert_non_null(strstr(shortage_of_tasks(EAGAIN), "pids.max"));
    assert_string_equal(shortage_of_tasks(ENOMEM), strerror(ENOMEM));
}

static void a_lossy_log_is_said_at_both_ends(void **state)
{
    shortage_log_line_written(&server);
    assert_said(*state, "");
    shortage_log_line_lost(&server, ENOSPC);
    assert_said(*state, "error: cannot write the access log: No space left on device; serving goes "
                        "on, lines are dropped and counted\n");
    clocks_advance(5000);
    shortage_log_line_lost(&server, ENOSPC);
    shortage_log_line_lost(&server, EAGAIN);
    assert_said(*state, "");
    clocks_advance(999); /* a short line may fit between two that do not */
    shortage_log_line_written(&server);
    assert_said(*state, "");
    clocks_advance(1);
    shortage_log_line_written(&server);
    assert_said(*state, "info: the access log is written again; lines lost so far: 3\n");
    shortage_log_line_written(&server);
    assert_said(*state, "");
    shortage_log_line_lost(&server, EAGAIN);
    assert_said(*state, "error: cannot write the access log: its reader does not keep up; serving "
                        "goes on, lines are dropped and counted\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_said_once_a_second, begin, capture_stop),
        cmocka_unit_test_setup_teardown(what_a_failed_accept_means, begin, capture_stop),
        cmocka_unit_test(limits_are_named_where_it_may_be_one),
        cmocka_unit_test_setup_teardown(a_lossy_log_is_said_at_both_ends, begin, capture_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
