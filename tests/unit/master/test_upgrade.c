/* SPDX-License-Identifier: MIT
 *
 * upgrade.h: what a new server makes of the variable, how the two agree who serves, and what the
 * old one makes of a new one that ends, is late or is told to stop.
 *
 * Where a new server is started it is this program once more, see be_successor().
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io.h"
#include "master/settings.h"
#include "master/upgrade.h"
#include "said.h"
#include "server.h"

static const char VARIABLE[] = "SERVER_UPGRADE", LISTEN[] = "127.0.0.1:8080";

enum { PLENTY_MS = 600000, EXIT_REFUSED = 3 };

/* ---- what a new server inherits ---- */

/* What an old server passes. */
struct passed {
    int ready, listen;
    int peer; /* the old server's end of ready */
};

static struct passed pass(void)
{
    struct passed passed;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    passed = (struct passed){.ready = ends[0], .peer = ends[1]};
    passed.listen = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(passed.listen >= 0);
    return passed;
}

static void take_back(const struct passed *passed)
{
    close(passed->ready);
    close(passed->peer);
    close(passed->listen);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static bool ends_at_exec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/* Sets the variable to the text, in which R and L stand for the two descriptors. */
static void set_variable(const struct passed *passed, const char *text)
{
    char value[200];
    size_t length = 0;

    value[0] = '\0';
    for (; *text != '\0'; text++)
        length += (size_t)snprintf(value + length, sizeof value - length,
                                   *text == 'R' || *text == 'L' ? "%d" : "%c",
                                   *text == 'R'   ? passed->ready
                                   : *text == 'L' ? passed->listen
                                                  : *text);
    setenv(VARIABLE, value, 1);
}

static void without_the_variable_nothing_is_inherited(void **state)
{
    struct inherited inherited;

    (void)state;
    unsetenv(VARIABLE);
    inherited = upgrade_inherit(LISTEN);
    assert_int_equal(inherited.ready_fd, -1);
    assert_int_equal(inherited.listen_fd, -1);
    assert_true(upgrade_commit(&inherited)); /* nobody has to be told */
}

static void the_socket_is_taken_where_listen_is_the_same(void **state)
{
    struct passed passed = pass();
    struct inherited inherited;

    (void)state;
    set_variable(&passed, "R:L:0:127.0.0.1:8080");
    inherited = upgrade_inherit(LISTEN);
    assert_int_equal(inherited.ready_fd, passed.ready);
    assert_int_equal(inherited.listen_fd, passed.listen);
    assert_false(inherited.listen_shared);
    assert_true(ends_at_exec(passed.ready));
    assert_true(ends_at_exec(passed.listen));
    assert_null(getenv(VARIABLE));
    take_back(&passed);
}

static void those_behind_it_come_with_it(void **state)
{
    struct passed passed = pass();
    int second = dup3(passed.listen, passed.listen + 1, 0);
    struct inherited inherited;

    (void)state;
    set_variable(&passed, "R:L+1:0:127.0.0.1:8080");
    inherited = upgrade_inherit(LISTEN);
    assert_int_equal(inherited.listen_fd, passed.listen);
    assert_true(inherited.reuseport);
    assert_int_equal(inherited.more_listeners, 1);
    assert_true(ends_at_exec(passed.listen) && ends_at_exec(second));
    set_variable(&passed, "R:L+1:0:127.0.0.1:8081");
    assert_int_equal(upgrade_inherit(LISTEN).listen_fd, -1);
    assert_false(is_open(passed.listen) || is_open(second));
    take_back(&passed);
}

static void with_another_listen_it_is_closed(void **state)
{
    struct passed passed = pass();
    struct inherited inherited;

    (void)state;
    set_variable(&passed, "R:L:0:127.0.0.1:8081");
    inherited = upgrade_inherit(LISTEN);
    assert_int_equal(inherited.ready_fd, passed.ready);
    assert_int_equal(inherited.listen_fd, -1);
    assert_false(is_open(passed.listen));
    take_back(&passed);
}

static void a_service_managers_socket_is_taken_in_any_case(void **state)
{
    struct passed passed = pass();
    struct inherited inherited;

    (void)state;
    set_variable(&passed, "R:L:1:127.0.0.1:8081");
    inherited = upgrade_inherit(LISTEN);
    assert_int_equal(inherited.listen_fd, passed.listen);
    assert_true(inherited.listen_shared);
    take_back(&passed);
}

static void what_makes_no_sense_is_ignored_and_said(void **state)
{
    /* Nothing is open at 999. */
    static const char *const texts[] = {
        "",        "x",        "R",           "R:",        "R:L",        "R:L:",    "R:L:2:a",
        "R:L:0",   "R:L+:0",   "R:L+999:0:a", "R+0:L:0:a", "R:L+-1:0:a", "R:x:0:a", "x:L:0:a",
        "R L 0:a", "-1:L:0:a", "999:L:0:a",   "R:999:0:a", "2:L:0:a",    "R:2:0:a",
    };
    struct passed passed = pass();

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct inherited inherited;
        struct said said;
        char expected[200];

        set_variable(&passed, texts[i]);
        snprintf(expected, sizeof expected,
                 "warning: %s=%s ignored: it does not come from a server\n", VARIABLE,
                 getenv(VARIABLE));
        said_begin(&said);
        inherited = upgrade_inherit("a");
        assert_string_equal(said_end(&said), expected);
        assert_int_equal(inherited.ready_fd, -1);
        assert_int_equal(inherited.listen_fd, -1);
        assert_null(getenv(VARIABLE));
        assert_true(is_open(passed.ready) && is_open(passed.listen)); /* who knows whose */
    }
    take_back(&passed);
}

/* ---- what it tells the old one ---- */

static void one_byte_says_whose_socket_it_serves(void **state)
{
    (void)state;
    for (int opened = 0; opened < 2; opened++) {
        struct passed passed = pass();
        struct inherited inherited = {.ready_fd = passed.ready,
                                      .listen_fd = opened ? -1 : passed.listen};
        char answers[2];

        assert_true(upgrade_commit(&inherited));
        assert_int_equal(read(passed.peer, answers, sizeof answers), 1);
        assert_int_equal(answers[0], opened ? UPGRADE_OPENED : UPGRADE_ADOPTED);
        assert_int_equal(inherited.ready_fd, -1);
        assert_false(is_open(passed.ready));
        take_back(&passed);
    }
}

static void an_old_server_that_is_gone_is_no_reason_not_to_serve(void **state)
{
    struct passed passed = pass();
    struct inherited inherited = {.ready_fd = passed.ready, .listen_fd = passed.listen};
    struct said said;
    bool serves;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    close(passed.peer);
    said_begin(&said);
    serves = upgrade_commit(&inherited);
    assert_string_equal(said_end(&said), "warning: the server that started this one is gone\n");
    assert_true(serves);
    close(passed.listen);
}

static void an_old_server_that_has_given_it_up_is(void **state)
{
    struct passed passed = pass();
    struct inherited inherited = {.ready_fd = passed.ready, .listen_fd = passed.listen};
    struct said said;
    bool serves;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    shutdown(passed.peer, SHUT_RD);
    said_begin(&said);
    serves = upgrade_commit(&inherited);
    assert_string_equal(said_end(&said),
                        "error: upgrade: the server that started this one has given it up\n");
    assert_false(serves);
    take_back(&passed);
}

/* ---- the old server ---- */

/* This program as a new server: "adopt", "open" and "refuse" come to an end, the others are
 * killed. */
static int be_successor(const char *how)
{
    bool adopts = strcmp(how, "adopt") == 0 || strcmp(how, "adopt and stay") == 0;
    struct inherited inherited = upgrade_inherit(adopts ? LISTEN : "another");

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* should a test fail */
    if (strcmp(how, "refuse") == 0)
        return EXIT_REFUSED;
    if (strcmp(how, "hang up") == 0)
        close(inherited.ready_fd);
    else if (strcmp(how, "wait") != 0 && !upgrade_commit(&inherited))
        return EXIT_FAILURE;
    while (strcmp(how, "adopt") != 0 && strcmp(how, "open") != 0)
        pause();
    return EXIT_SUCCESS;
}

/* Starts this program as a new server that does that. */
static struct upgrade start(const char *how, int64_t timeout_ms)
{
    const struct config config = {.listen = LISTEN};
    const struct server server = {.config = &config,
                                  .listen_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
    char program[] = "/proc/self/exe", argument[20];
    char *argv[] = {program, argument, NULL};
    const struct command command = {.argc = 2, .argv = argv};
    struct upgrade u = {.ready_fd = -1};
    sigset_t masters, before;

    sigemptyset(&masters);
    sigaddset(&masters, SIGTERM);
    sigprocmask(SIG_BLOCK, &masters, &before);
    snprintf(argument, sizeof argument, "%s", how);
    assert_int_equal(upgrade_start(&u, &command, &server, &before, timeout_ms), 0);
    assert_true(u.pid > 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(server.listen_fd);
    return u;
}

/* Waits until its end of READY has something to say, and says how it gets on. */
static enum upgrade_state look(struct upgrade *u)
{
    struct pollfd ready = {.fd = u->ready_fd, .events = POLLIN};

    assert_int_equal(poll(&ready, 1, -1), 1);
    return upgrade_look(u);
}

/* Reaps a child as the master does. */
static int reap(struct upgrade *u, pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    upgrade_note_end(u, pid, status);
    return status;
}

static void one_that_serves_is_its_own_master(void **state)
{
    static const char *const ways[] = {"adopt", "open"};

    (void)state;
    for (int opened = 0; opened < 2; opened++) {
        struct upgrade u = start(ways[opened], PLENTY_MS);
        pid_t pid = u.pid;

        assert_int_equal(look(&u), UPGRADE_READY);
        assert_int_equal(u.successor, pid);
        assert_int_equal(u.adopted, !opened);
        assert_int_equal(u.pid, 0);
        assert_int_equal(u.ready_fd, -1);
        assert_true(upgrade_is_gone(&u)); /* nobody waits for its end */
        assert_int_equal(reap(&u, pid), 0);
    }
}

static void one_that_has_ended_does_not_serve_whatever_it_said(void **state)
{
    struct upgrade u = start("adopt", PLENTY_MS);

    (void)state;
    reap(&u, u.pid);
    assert_int_equal(look(&u), UPGRADE_FAILED);
    assert_string_equal(u.why, "exited with status 0");
    assert_int_equal(u.pid, 0);
    assert_false(u.ended); /* that was this one, not the next */
}

static void one_that_cannot_start_is_told_of(void **state)
{
    struct upgrade u = start("refuse", PLENTY_MS);

    (void)state;
    reap(&u, u.pid);
    assert_int_equal(look(&u), UPGRADE_FAILED);
    assert_string_equal(u.why, "exited with status 3");
}

static void one_that_hangs_up_is_killed(void **state)
{
    struct upgrade u = start("hang up", PLENTY_MS);
    pid_t pid = u.pid;

    (void)state;
    assert_int_equal(look(&u), UPGRADE_FAILED);
    assert_string_equal(u.why, "was killed by signal 9 (Killed)");
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* it was reaped */
}

static void one_that_is_late_is_killed(void **state)
{
    struct upgrade u = start("wait", PLENTY_MS);
    pid_t pid = u.pid;

    (void)state;
    assert_int_equal(upgrade_look(&u), UPGRADE_PENDING);
    u.end_ms = io_now_ms();
    assert_int_equal(upgrade_look(&u), UPGRADE_FAILED);
    assert_string_equal(u.why, "was not ready within --start-timeout");
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

static void a_byte_that_came_in_time_counts(void **state)
{
    struct upgrade u = start("adopt and stay", PLENTY_MS);
    struct pollfd ready = {.fd = u.ready_fd, .events = POLLIN};
    pid_t pid = u.pid;

    (void)state;
    assert_int_equal(poll(&ready, 1, -1), 1);
    u.end_ms = io_now_ms(); /* nobody has looked until now */
    assert_int_equal(upgrade_look(&u), UPGRADE_READY);
    kill(pid, SIGKILL);
    reap(&u, pid);
}

static void one_that_is_cancelled_is_told_to_stop_and_seen_out(void **state)
{
    struct upgrade u = start("wait", PLENTY_MS);
    pid_t pid = u.pid;

    (void)state;
    upgrade_cancel(&u);
    assert_int_equal(u.pid, 0);
    assert_int_equal(u.ready_fd, -1);
    assert_false(upgrade_is_gone(&u));
    assert_int_equal(WTERMSIG(reap(&u, pid)), SIGTERM);
    assert_true(upgrade_is_gone(&u));
    upgrade_cancel(&u); /* of none, nothing */
    upgrade_end(&u);
}

static void one_that_does_not_stop_is_killed_in_the_end(void **state)
{
    struct upgrade u = start("wait", PLENTY_MS);
    pid_t pid = u.pid;

    (void)state;
    kill(pid, SIGSTOP); /* SIGTERM has to wait */
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    upgrade_cancel(&u);
    upgrade_end(&u);
    assert_int_equal(WTERMSIG(reap(&u, pid)), SIGKILL);
}

static void a_program_that_cannot_be_executed_has_ended(void **state)
{
    const struct config config = {.listen = LISTEN};
    const struct server server = {.config = &config, .listen_fd = dup(STDOUT_FILENO)};
    char program[] = "/nonexistent/server";
    char *argv[] = {program, NULL};
    const struct command command = {.argc = 1, .argv = argv};
    struct upgrade u = {.ready_fd = -1};
    struct said said;
    sigset_t none;

    (void)state;
    sigemptyset(&none);
    said_begin(&said);
    assert_int_equal(upgrade_start(&u, &command, &server, &none, PLENTY_MS), 0);
    reap(&u, u.pid);
    assert_string_equal(said_end(&said), "error: upgrade: cannot execute /nonexistent/server: "
                                         "No such file or directory\n");
    assert_int_equal(look(&u), UPGRADE_FAILED);
    assert_string_equal(u.why, "exited with status 127");
    close(server.listen_fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_variable_nothing_is_inherited),
        cmocka_unit_test(the_socket_is_taken_where_listen_is_the_same),
        cmocka_unit_test(those_behind_it_come_with_it),
        cmocka_unit_test(with_another_listen_it_is_closed),
        cmocka_unit_test(a_service_managers_socket_is_taken_in_any_case),
        cmocka_unit_test(what_makes_no_sense_is_ignored_and_said),
        cmocka_unit_test(one_byte_says_whose_socket_it_serves),
        cmocka_unit_test(an_old_server_that_is_gone_is_no_reason_not_to_serve),
        cmocka_unit_test(an_old_server_that_has_given_it_up_is),
        cmocka_unit_test(one_that_serves_is_its_own_master),
        cmocka_unit_test(one_that_has_ended_does_not_serve_whatever_it_said),
        cmocka_unit_test(one_that_cannot_start_is_told_of),
        cmocka_unit_test(one_that_hangs_up_is_killed),
        cmocka_unit_test(one_that_is_late_is_killed),
        cmocka_unit_test(a_byte_that_came_in_time_counts),
        cmocka_unit_test(one_that_is_cancelled_is_told_to_stop_and_seen_out),
        cmocka_unit_test(one_that_does_not_stop_is_killed_in_the_end),
        cmocka_unit_test(a_program_that_cannot_be_executed_has_ended),
    };

    if (argc == 2)
        return be_successor(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
