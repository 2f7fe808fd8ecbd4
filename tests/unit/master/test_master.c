/* SPDX-License-Identifier: MIT
 *
 * master.h, and with it actions.c: a server's life over a model that only answers with a digit.
 * Starts that fail, stops, reloads and upgrades, and each of them while another is going on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_server.h"

static const char SELF[] = "/proc/self/exe";

static int begin(void **state)
{
    static struct fake_server server;

    fake_orders_reset();
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* a successor outlives who started it */
    server = (struct fake_server){.pid = 0};
    *state = &server;
    return 0;
}

static int end(void **state)
{
    const struct fake_server *s = *state;
    pid_t left;

    if (s->said != NULL)
        fclose(s->said);
    do /* what was a killed worker's is ours by now: a leak check's helper */
        left = waitpid(-1, NULL, WNOHANG);
    while (left > 0);
    if (left < 0)
        return 0;
    fake_signal(s->pid, SIGKILL); /* the test has failed */
    fake_signal(s->successor, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    return -1;
}

/* ---- what all tests do ---- */

static void start(struct fake_server *s, const char *program, const char *const *options)
{
    *s = fake_start(program, options);
}

/* It does so, and not the other before. */
static void says_without(struct fake_server *s, const char *text, const char *unwanted)
{
    if (!fake_says(s, text, unwanted))
        fail_msg("it did not say: %s; the last was: %s", text, s->line);
}

static void says(struct fake_server *s, const char *text)
{
    says_without(s, text, NULL);
}

/* It says both, in either order; s->line is the first. */
static void says_both(struct fake_server *s, const char *first, const char *second)
{
    char line[sizeof s->line] = "";
    bool also = false;

    while (line[0] == '\0' || !also) {
        says(s, "");
        if (strstr(s->line, first) != NULL)
            memcpy(line, s->line, sizeof line);
        also |= strstr(s->line, second) != NULL;
    }
    memcpy(s->line, line, sizeof line);
}

/* Starts one that serves. */
static void serve(struct fake_server *s, const char *program, const char *const *options)
{
    const char *port;

    start(s, program, options);
    says(s, "ready model=fake workers=2 listen=127.0.0.1:");
    port = strstr(s->line, "127.0.0.1:") + strlen("127.0.0.1:");
    s->port = (uint16_t)strtoul(port, NULL, 10);
    assert_int_equal(fake_ask(s), '1');
}

/* It ends with that status, and neither says `unwanted` before nor leaves a socket. */
static void ends(struct fake_server *s, int status, const char *unwanted)
{
    assert_false(fake_says(s, "no such line", unwanted));
    assert_true(feof(s->said));
    assert_int_equal(fake_ended(s), W_EXITCODE(status, 0));
    assert_int_equal(fake_ask(s), '\0');
}

/* ---- start ---- */

static void it_starts_serves_and_stops(void **state)
{
    struct fake_server *s = *state;

    serve(s, SELF, NULL);
    fake_signal(s->pid, SIGTERM);
    says(s, "worker of 1 finishes");
    says(s, "worker of 1 finishes");
    ends(s, 0, "worker process"); /* they ended in good order */
}

static void a_worker_that_ends_at_its_start_fails_the_start(void **state)
{
    struct fake_server *s = *state;
    int starts = 0, ends = 0;

    fake_orders->fail = true;
    start(s, SELF, NULL);
    while (fake_says(s, "", "cannot start")) { /* the reason was said */
        starts += strstr(s->line, "worker of 1 starts") != NULL;
        ends += strstr(s->line, "exited with status 1 while starting") != NULL;
    }
    assert_true(feof(s->said));
    assert_int_equal(fake_ended(s), W_EXITCODE(1, 0));
    assert_true(ends > 0);
    assert_true(starts <= FAKE_WORKERS); /* none is replaced */
}

static void a_stop_ends_it_before_it_has_served(void **state)
{
    struct fake_server *s = *state;

    fake_orders->wait = true;
    start(s, SELF, NULL);
    says(s, "worker of 1 starts");
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, "ready model");
}

static void what_is_wanted_before_it_serves_is_done_then(void **state)
{
    struct fake_server *s = *state;

    fake_orders->wait = true;
    start(s, SELF, NULL);
    says(s, "worker of 1 starts");
    says(s, "worker of 1 starts");
    fake_signal(s->pid, SIGHUP);
    fake_let_go();
    says(s, "ready model");
    says(s, "reloaded: model=fake workers=2 listen=127.0.0.1:");
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
}

/* ---- stop ---- */

static void a_second_signal_ends_it_at_once(void **state)
{
    struct fake_server *s = *state;

    fake_orders->hold = true;
    serve(s, SELF, NULL);
    fake_signal(s->pid, SIGTERM);
    says(s, "worker of 1 finishes");
    says(s, "worker of 1 finishes");
    fake_signal(s->pid, SIGHUP);
    says(s, "warning: SIGHUP ignored: this server is finishing");
    fake_signal(s->pid, SIGUSR2);
    says(s, "warning: SIGUSR2 ignored: this server is finishing");
    fake_signal(s->pid, SIGINT);
    ends(s, 0, "worker process");
}

static void workers_that_do_not_finish_are_killed_in_time(void **state)
{
    static const char *const options[] = {"--shutdown-timeout=0.1", NULL};
    struct fake_server *s = *state;

    fake_orders->hold = true;
    serve(s, SELF, options);
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
}

/* ---- workers ---- */

static void a_killed_worker_is_replaced(void **state)
{
    struct fake_server *s = *state;
    pid_t worker;

    start(s, SELF, NULL);
    says(s, "worker of 1 starts as ");
    worker = atoi(strstr(s->line, "as ") + 3);
    says(s, "ready model");
    fake_signal(worker, SIGKILL);
    says(s, "was killed by signal 9 (Killed)");
    assert_non_null(strstr(s->line, "replacing it"));
    says(s, "worker of 1 starts as ");
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, "while starting");
}

/* ---- reload ---- */

static void a_reload_makes_a_generation_and_sees_the_last_one_out(void **state)
{
    struct fake_server *s = *state;

    serve(s, SELF, NULL);
    for (int next = 2; next <= 3; next++) {
        char finishes[40];

        snprintf(finishes, sizeof finishes, "worker of %d finishes", next - 1);
        fake_signal(s->pid, SIGHUP);
        says_both(s, "reloaded: model=fake workers=2 listen=127.0.0.1:", finishes);
        assert_int_equal(strtoul(strstr(s->line, "127.0.0.1:") + 10, NULL, 10), s->port);
        assert_int_equal(fake_ask(s), '0' + next);
    }
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, "worker of 4");
}

static void settings_that_are_refused_leave_all_as_it_was(void **state)
{
    char file[] = "/tmp/test_master.XXXXXX", option[60];
    const char *const options[] = {option, NULL};
    struct fake_server *s = *state;
    int fd = mkstemp(file);

    snprintf(option, sizeof option, "--config=%s", file);
    serve(s, SELF, options);
    assert_int_equal(write(fd, "nonsense\n", 9), 9);
    fake_signal(s->pid, SIGHUP);
    says(s, "error: reload: ");
    assert_non_null(strstr(s->line, "; the server goes on as it was"));
    assert_int_equal(ftruncate(fd, 0), 0);
    fake_signal(s->pid, SIGHUP);
    says(s, "reloaded: ");
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
    close(fd);
    unlink(file);
}

static void a_reload_that_fails_leaves_all_as_it_was(void **state)
{
    struct fake_server *s = *state;

    serve(s, SELF, NULL);
    fake_orders->fail = true;
    fake_signal(s->pid, SIGHUP);
    for (int i = 0; i < 3; i++)
        says(s, "exited with status 1 while starting");
    says(s, "error: reload: its worker processes do not start; the server goes on as it was");
    assert_int_equal(fake_ask(s), '1');
    fake_orders->fail = false; /* and the next may succeed */
    fake_signal(s->pid, SIGHUP);
    says(s, "reloaded: ");
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
}

static void a_reload_that_is_late_is_given_up(void **state)
{
    static const char *const options[] = {"--start-timeout=0.001", NULL};
    struct fake_server *s = *state;

    serve(s, SELF, options); /* the first may take its time */
    fake_orders->wait = true;
    fake_signal(s->pid, SIGHUP);
    says(s, "error: reload: the new workers were not ready within --start-timeout; "
            "the server goes on as it was");
    fake_signal(s->pid, SIGTERM);
    says(s, "worker of 1 finishes");
    ends(s, 0, "worker of 2 finishes");
}

static void a_stop_overrides_a_reload(void **state)
{
    struct fake_server *s = *state;

    serve(s, SELF, NULL);
    fake_orders->wait = true;
    fake_signal(s->pid, SIGHUP);
    says(s, "worker of 2 starts");
    fake_signal(s->pid, SIGHUP); /* waits, and is forgotten */
    fake_signal(s->pid, SIGTERM);
    says(s, "worker of 1 finishes");
    ends(s, 0, "worker of 3");
}

/* ---- upgrade ---- */

static void another_program_takes_over(void **state)
{
    struct fake_server *s = *state;

    serve(s, SELF, NULL);
    fake_signal(s->pid, SIGUSR2);
    says(s, "upgrade: starting /proc/self/exe as process ");
    s->successor = atoi(strstr(s->line, "process ") + 8);
    says_without(s, "this one finishes what it has begun", "under way");
    assert_int_equal(fake_ended(s), 0);
    assert_int_equal(fake_ask(s), '2');
    s->pid = s->successor;
    fake_signal(s->pid, SIGTERM);
    says(s, "worker of 2 finishes");
    ends(s, 0, NULL);
}

static void the_path_of_a_socket_passes_to_it(void **state)
{
    char folder[] = "/tmp/test_master.XXXXXX", option[60];
    const char *const options[] = {option, NULL}, *path = option + strlen("--listen=unix:");
    struct fake_server *s = *state;

    assert_non_null(mkdtemp(folder));
    snprintf(option, sizeof option, "--listen=unix:%s/socket", folder);
    start(s, SELF, options);
    says(s, "ready model");
    fake_signal(s->pid, SIGUSR2);
    says(s, "upgrade: starting ");
    s->successor = atoi(strstr(s->line, "process ") + 8);
    says(s, "this one finishes what it has begun");
    assert_int_equal(fake_ended(s), 0);
    assert_int_equal(access(path, F_OK), 0);
    s->pid = s->successor;
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(folder), 0);
}

static void one_that_does_not_stop_is_killed_in_time(void **state)
{
    static const char *const options[] = {"--shutdown-timeout=0.1", NULL};
    struct fake_server *s = *state;

    serve(s, SELF, options);
    fake_orders->wait = true;
    fake_signal(s->pid, SIGUSR2);
    says(s, "upgrade: starting ");
    s->successor = atoi(strstr(s->line, "process ") + 8);
    says(s, "worker of 2 starts");
    fake_signal(s->successor, SIGSTOP);
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
    s->pid = s->successor;
    assert_int_equal(fake_ended(s), SIGKILL);
    while (waitpid(-1, NULL, 0) > 0) /* and its workers with it */
        ;
}

static void one_that_fails_changes_nothing(void **state)
{
    struct fake_server *s = *state;

    serve(s, "/nonexistent/server", NULL);
    fake_signal(s->pid, SIGUSR2);
    says(s, "upgrade: the new server exited with status 127; this one goes on");
    assert_int_equal(fake_ask(s), '1');
    fake_signal(s->pid, SIGHUP); /* nothing is under way any more */
    says(s, "reloaded: ");
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
}

static void a_reload_that_is_wanted_meanwhile_becomes_the_successors(void **state)
{
    struct fake_server *s = *state;

    serve(s, SELF, NULL);
    fake_orders->wait = true;
    fake_signal(s->pid, SIGUSR2);
    says(s, "upgrade: starting ");
    s->successor = atoi(strstr(s->line, "process ") + 8);
    says(s, "worker of 2 starts");
    fake_signal(s->pid, SIGHUP);
    fake_signal(s->pid, SIGUSR2);
    says(s, "upgrade: one is under way already"); /* so it has read both */
    fake_let_go();
    says_both(s, "this one finishes what it has begun", "reloaded: ");
    assert_int_equal(fake_ended(s), 0);
    assert_int_equal(fake_ask(s), '3');
    s->pid = s->successor;
    fake_signal(s->pid, SIGTERM);
    ends(s, 0, NULL);
}

static void while_one_starts_there_is_no_second_and_no_reload(void **state)
{
    struct fake_server *s = *state;

    serve(s, SELF, NULL);
    fake_orders->wait = true;
    fake_signal(s->pid, SIGUSR2);
    says(s, "worker of 2 starts");
    fake_signal(s->pid, SIGHUP);
    fake_signal(s->pid, SIGUSR2);
    says(s, "warning: upgrade: one is under way already");
    fake_signal(s->pid, SIGTERM);
    says(s, "worker of 1 finishes");
    ends(s, 0, "worker of 3");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_starts_serves_and_stops, begin, end),
        cmocka_unit_test_setup_teardown(a_worker_that_ends_at_its_start_fails_the_start, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_stop_ends_it_before_it_has_served, begin, end),
        cmocka_unit_test_setup_teardown(what_is_wanted_before_it_serves_is_done_then, begin, end),
        cmocka_unit_test_setup_teardown(a_second_signal_ends_it_at_once, begin, end),
        cmocka_unit_test_setup_teardown(workers_that_do_not_finish_are_killed_in_time, begin, end),
        cmocka_unit_test_setup_teardown(a_killed_worker_is_replaced, begin, end),
        cmocka_unit_test_setup_teardown(a_reload_makes_a_generation_and_sees_the_last_one_out,
                                        begin, end),
        cmocka_unit_test_setup_teardown(settings_that_are_refused_leave_all_as_it_was, begin, end),
        cmocka_unit_test_setup_teardown(a_reload_that_fails_leaves_all_as_it_was, begin, end),
        cmocka_unit_test_setup_teardown(a_reload_that_is_late_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(a_stop_overrides_a_reload, begin, end),
        cmocka_unit_test_setup_teardown(another_program_takes_over, begin, end),
        cmocka_unit_test_setup_teardown(the_path_of_a_socket_passes_to_it, begin, end),
        cmocka_unit_test_setup_teardown(one_that_does_not_stop_is_killed_in_time, begin, end),
        cmocka_unit_test_setup_teardown(one_that_fails_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_reload_that_is_wanted_meanwhile_becomes_the_successors,
                                        begin, end),
        cmocka_unit_test_setup_teardown(while_one_starts_there_is_no_second_and_no_reload, begin,
                                        end),
    };

    if (argc > 1)
        return fake_server_main(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
