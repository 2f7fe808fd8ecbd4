/* SPDX-License-Identifier: MIT
 *
 * agents.c, remote.c and agent.c against agents that are shell scripts: LOAD_SSH="sh -c" runs what
 * stands for the host. What the program itself does as an agent is for tests/load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load/agent.h"
#include "load/agents.h"
#include "load/remote.h"
#include "load/wire.h"

/* A sound agent: waits for the start, then tells what stands between. */
#define SOUND(lines) "echo ready 1 $(date +%s.%N); read word when; echo \"" lines "\"; echo end"

static char *const arguments[] = {"--rate=10", "--", "http://it's/", NULL};

/* In one process: these signals are for agents_run() to see. */
static int set_up(void **state)
{
    sigset_t signals;

    (void)state;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &signals, NULL) != 0 || setenv("LOAD_SSH", "sh  -c", 1) != 0;
}

static struct agents *made(const struct agents_order *order)
{
    struct agents *agents;

    assert_int_equal(agents_new(order, &agents), 0);
    return agents;
}

static struct agents_order order_of(const char *hosts)
{
    return (struct agents_order){.hosts = hosts,
                                 .arguments = arguments,
                                 .version = "1",
                                 .seed = 42,
                                 .rate = 10,
                                 .connections = 11,
                                 .seconds = 20};
}

/* Runs agents that shall all fail to begin, for a reason in the first of them that matches. */
static void expect_failure(const char *hosts, const char *failure)
{
    struct agents_order order = order_of(hosts);
    struct agents *agents = made(&order);
    const struct report_agent *each;
    size_t count;

    assert_int_equal(agents_run(agents, NULL, NULL), -ECHILD);
    each = agents_each(agents, &count);
    assert_null(each[0].figures);
    if (fnmatch(failure, each[0].failure, 0) != 0)
        fail_msg("%s: not %s", each[0].failure, failure);
    agents_free(agents);
}

static void test_hosts_that_are_none(void **state)
{
    static const char *const hosts[] = {"", ",", "a,", ",a", "a,,b", "-oProxyCommand=x", "a,-b"};

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct agents_order order = order_of(hosts[i]);
        struct agents *agents = NULL;

        assert_int_equal(agents_new(&order, &agents), -EINVAL);
        assert_null(agents);
    }
}

static void test_each_has_a_name_and_its_part(void **state)
{
    struct agents_order order = order_of("local,a,local");
    struct agents *agents = made(&order);
    const struct report_agent *each;
    size_t count;

    (void)state;
    each = agents_each(agents, &count);
    assert_int_equal(count, 3);
    assert_string_equal(each[0].host, "local 1");
    assert_string_equal(each[1].host, "a");
    assert_string_equal(each[2].host, "local 3");
    assert_int_equal(each[0].connections, 4);
    assert_int_equal(each[1].connections, 4);
    assert_int_equal(each[2].connections, 3);
    assert_true(each[2].rate > 3.3 && each[2].rate < 3.4);
    agents_free(agents);
}

static void test_what_they_tell_is_added_up(void **state)
{
    struct agents_order order = order_of(SOUND("requests 5\nbusy 0.5") "," SOUND("requests 7"));
    struct agents *agents = made(&order);
    const struct report_agent *each;
    size_t count;

    (void)state;
    assert_int_equal(agents_run(agents, NULL, NULL), 0);
    assert_int_equal(agents_figures(agents)->requests, 12);
    assert_int_equal(agents_figures(agents)->stopped, FIGURES_NOT_STOPPED);
    each = agents_each(agents, &count);
    assert_int_equal(each[0].figures->requests, 5);
    assert_int_equal(each[1].figures->requests, 7);
    assert_null(each[1].failure);
    assert_true(agents_started(agents) > 1.7e9);
    agents_free(agents);
}

/* The host of a remote shell is "$0" of its command; what follows comes from the agents' order. */
static void test_what_they_are_asked(void **state)
{
    struct agents_order order =
        order_of("echo ready 1 $(date +%s.%N); read word when; echo \"$0\" >&2; exit 3");
    struct agents *agents = made(&order);
    const struct report_agent *each;
    size_t count;

    (void)state;
    assert_int_equal(agents_run(agents, NULL, NULL), -ECHILD);
    each = agents_each(agents, &count);
    assert_non_null(strstr(each[0].failure, "exec '/"));
    assert_non_null(strstr(each[0].failure,
                           "test_agents' '--rate=10' '--agent' '--seed=42' "
                           "'--share=0/1' '--connections=11' '--' 'http://it'\\''s/'"));
    agents_free(agents);
}

static void test_why_one_does_not_begin(void **state)
{
    (void)state;
    expect_failure("echo no route >&2; exit 255", "no route");
    expect_failure("exit 127", "ended with exit status 127 and told no figures");
    expect_failure("kill -9 $$", "killed by signal 9 (Killed)");
    expect_failure("echo ready 2 0; read word", "its program is of version 2, this one of 1");
    expect_failure("echo ready 1; read word", "its program is of version 1, this one of 1");
    expect_failure("echo ready 1 $(($(date +%s) - 9000)); read word",
                   "its clock is [89]??? s behind: *");
    expect_failure("echo ready 1 $(($(date +%s) + 9000)); read word",
                   "its clock is [89]??? s ahead: *");
    expect_failure("printf 'first\\nlast\\r\\n' >&2; exit 1," SOUND(""), "last");
    assert_int_equal(setenv("LOAD_SSH", "/nonexistent/shell", 1), 0);
    expect_failure("a", "could not be started: No such file or directory");
    assert_int_equal(setenv("LOAD_SSH", "sh -c", 1), 0);
}

/* What the other one measured is kept, and void. */
static void expect_void(const char *hosts, const char *wanted)
{
    struct agents_order order = order_of(hosts);
    struct agents *agents = made(&order);
    struct reasons reasons = {0};

    assert_int_equal(agents_run(agents, NULL, NULL), 0);
    assert_int_equal(agents_figures(agents)->requests, 5);
    assert_int_equal(agents_void(agents, &reasons), 0);
    assert_int_equal(reasons.count, 1);
    if (strstr(reasons.words[0], wanted) == NULL)
        fail_msg("%s: no %s", reasons.words[0], wanted);
    reasons_free(&reasons);
    agents_free(agents);
}

static void test_one_that_dies_makes_it_void(void **state)
{
    (void)state;
    expect_void(SOUND("due 5\nrequests 5") ",echo ready 1 $(date +%s.%N); read word; kill -9 $$",
                "failed: killed by signal 9 (Killed)");
    expect_void(
        SOUND("due 5\nrequests 5") ",echo ready 1 $(date +%s.%N); read word; echo requests 7",
        "failed: ended with exit status 0 and told no figures");
    expect_void(SOUND("due 5\nrequests 5") ",echo ready 1 $(date +%s.%N); read word; echo "
                                           "nonsense; read word",
                "failed: told what are no figures: nonsense");
    expect_void(SOUND("due 5\nrequests 5") "," SOUND("due 0") "; echo requests 7",
                "failed: told what are no figures: requests 7");
}

static void test_each_says_why_it_is_void(void **state)
{
    struct agents_order order =
        order_of(SOUND("due 9\nrequests 8") "," SOUND("due 1000000\nrequests 1000000"));
    struct agents *agents = made(&order);
    struct reasons reasons = {0};

    (void)state;
    assert_int_equal(agents_run(agents, NULL, NULL), 0);
    assert_int_equal(agents_void(agents, &reasons), 0);
    assert_int_equal(reasons.count, 1);
    assert_memory_equal(reasons.words[0], "agent echo ready 1", 18);
    assert_non_null(strstr(reasons.words[0], ": offered 8 requests where 9 were due"));
    reasons_free(&reasons);
    agents_free(agents);
}

/* Sends a signal when both agents have said how things stand. */
static void interrupt(void *context, const struct progress_now *now)
{
    struct progress_now *seen = context;

    *seen = *now;
    if (now->answered == 12)
        kill(getpid(), SIGTERM);
}

static void test_a_signal_stops_all_and_keeps_what_they_measured(void **state)
{
    struct agents_order order =
        order_of("echo ready 1 $(date +%s.%N); read start when; echo progress 5 1000 3; read word; "
                 "echo requests 5; echo stopped 1; echo end,"
                 "echo ready 1 $(date +%s.%N); read start when; echo progress 7 900 4; read word; "
                 "[ $word = stop ] && echo requests 6; echo end");
    struct agents *agents = made(&order);
    struct progress_now seen = {0};

    (void)state;
    assert_int_equal(agents_run(agents, interrupt, &seen), 0);
    assert_int_equal(seen.connections, 7);
    assert_int_equal(seen.oldest_ns, 1000);
    assert_int_equal(agents_figures(agents)->requests, 11);
    assert_int_equal(agents_figures(agents)->stopped, FIGURES_SIGTERM);
    agents_free(agents);
}

/* It is sent again a second later, as they have not ended. */
static void test_a_second_signal_does_not_wait(void **state)
{
    struct agents_order order = order_of("echo ready 1 $(date +%s.%N); read start when; "
                                         "echo progress 12 0 0; read word; exec sleep 100");
    struct agents *agents = made(&order);
    struct progress_now seen = {0};
    const struct report_agent *each;
    size_t count;

    (void)state;
    assert_int_equal(agents_run(agents, interrupt, &seen), -ECHILD);
    each = agents_each(agents, &count);
    assert_string_equal(each[0].failure, "was not waited for");
    agents_free(agents);
}

static void test_one_that_gives_up_stops_all(void **state)
{
    struct agents_order order =
        order_of(SOUND("stopped 3") ","
                                    "echo ready 1 $(date +%s.%N); read start when; read word; "
                                    "[ $word = stop ] && echo requests 6; echo end");
    struct agents *agents = made(&order);

    (void)state;
    assert_int_equal(agents_run(agents, NULL, NULL), 0);
    assert_int_equal(agents_figures(agents)->requests, 6);
    assert_int_equal(agents_figures(agents)->stopped, FIGURES_GIVE_UP);
    agents_free(agents);
}

/* Sends a signal, and tells the agents of it, when one has said how things stand. */
static void interrupt_once(void *context, const struct progress_now *now)
{
    int *told = context;

    if (now->answered != 12 || *told < 0)
        return;
    kill(getpid(), SIGTERM);
    close(*told);
    *told = -1;
}

/* The other one has been told to stop, and goes on until the signal was sent. */
static void test_the_first_signal_after_that_is_not_a_second(void **state)
{
    struct agents_order order =
        order_of(SOUND("stopped 3") ","
                                    "echo ready 1 $(date +%s.%N); read start when; read word; "
                                    "echo progress 12 0 0; read word <&9; echo requests 6; "
                                    "echo end");
    struct agents *agents = made(&order);
    int told[2];

    (void)state;
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    assert_int_equal(dup2(told[0], 9), 9);
    assert_int_equal(agents_run(agents, interrupt_once, &told[1]), 0);
    assert_int_equal(agents_figures(agents)->requests, 6);
    assert_int_equal(agents_figures(agents)->stopped, FIGURES_GIVE_UP);
    agents_free(agents);
    close(told[0]);
    close(9);
}

static void test_words_for_a_shell(void **state)
{
    static const char *const words[][2] = {
        {"", "''"}, {"a b", "'a b'"}, {"it's", "'it'\\''s'"}, {"'", "''\\'''"}, {"$(x)", "'$(x)'"}};

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *quoted = remote_quoted(words[i][0]);

        assert_non_null(quoted);
        assert_string_equal(quoted, words[i][1]);
        free(quoted);
    }
}

/* What agent_ready() says and returns in a process with that as its input; interrupted: it then got
 * a SIGINT. Exit statuses are its own. */
static void agent_told(const char *input, int expected_error, bool interrupted)
{
    int to[2], from[2], status;
    char said[64] = "";
    sigset_t signals;
    pid_t pid;

    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        double start_at = 0;
        int error, number;

        if (dup2(to[0], 0) < 0 || dup2(from[1], 1) < 0)
            _exit(100);
        close(to[1]);
        error = agent_ready("1.0", &start_at);
        if (error == 0 && (start_at < 1764424000.2 || start_at > 1764424000.3))
            _exit(101);
        if (interrupted && (sigwait(&signals, &number) != 0 || number != SIGINT))
            _exit(102);
        _exit(-error);
    }
    close(to[0]);
    close(from[1]);
    assert_int_equal(write(to[1], input, strlen(input)), strlen(input));
    close(to[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(read(from[0], said, sizeof said - 1) > 0);
    assert_int_equal(fnmatch("ready 1.0 1?????????.???\n", said, 0), 0);
    close(from[0]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), -expected_error);
}

static void test_what_an_agent_is_told(void **state)
{
    (void)state;
    agent_told("start 1764424000.25\nstop\n", 0, true);
    agent_told("start 1764424000.25\n", 0, true); /* nobody is there any more */
    agent_told("stop\n", -ECANCELED, false);
    agent_told("", -ECANCELED, false);
    agent_told("start 17644", -ECANCELED, false);
    agent_told("start soon\n", -EPROTO, false);
    agent_told("start \n", -EPROTO, false);
    agent_told("begin 1764424000.25\n", -EPROTO, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts_that_are_none),
        cmocka_unit_test(test_each_has_a_name_and_its_part),
        cmocka_unit_test(test_what_they_tell_is_added_up),
        cmocka_unit_test(test_what_they_are_asked),
        cmocka_unit_test(test_why_one_does_not_begin),
        cmocka_unit_test(test_one_that_dies_makes_it_void),
        cmocka_unit_test(test_each_says_why_it_is_void),
        cmocka_unit_test(test_a_signal_stops_all_and_keeps_what_they_measured),
        cmocka_unit_test(test_a_second_signal_does_not_wait),
        cmocka_unit_test(test_one_that_gives_up_stops_all),
        cmocka_unit_test(test_the_first_signal_after_that_is_not_a_second),
        cmocka_unit_test(test_words_for_a_shell),
        cmocka_unit_test(test_what_an_agent_is_told),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
