/* SPDX-License-Identifier: MIT
 *
 * generations.h, and the checks of actions.c: which generation is which, what becomes of a socket
 * that several attend, and that what cannot be ends the process with words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "master/actions.h"
#include "models/model.h"
#include "said.h"

static const struct model model = {.name = "fake"};
static struct slots slots;
static struct server_shared *shared;

static int listen_somewhere(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* One more, in front of the others, without processes. */
static void add(struct generation **newest, enum generation_phase phase, int listen_fd)
{
    struct generation *g = calloc(1, sizeof *g);

    assert_non_null(g);
    if (*newest == NULL)
        shared = shared_new();
    assert_non_null(shared);
    g->phase = phase;
    g->settings.model = &model;
    g->server = (struct server){
        .listen_fd = listen_fd, .root_fd = -1, .access_log_fd = -1, .shared = shared};
    g->gate_fd = g->stop_fd = -1;
    g->before = *newest;
    *newest = g;
}

/* Gives it a process. */
static struct process *populate(struct generation *g, pid_t pid)
{
    struct process *p;

    assert_int_equal(places_init(&g->places, 1, 1, &slots), 0);
    p = places_next(&g->places, NULL);
    p->pid = pid;
    return p;
}

static void each_is_found_by_its_phase(void **state)
{
    struct generation *newest = NULL;

    (void)state;
    for (int i = 0; i < 3; i++)
        add(&newest, RETIRING, -1);
    assert_null(generations_serving(newest));
    assert_null(generations_starting(newest));
    add(&newest, SERVING, -1);
    add(&newest, STARTING, -1);
    assert_ptr_equal(generations_starting(newest), newest);
    assert_ptr_equal(generations_serving(newest), newest->before);
    assert_int_equal(generations_retiring(newest), 3);
    generations_end(&newest, &slots);
    assert_null(newest);
}

static void they_are_empty_when_one_without_a_process_is_left(void **state)
{
    struct generation *newest = NULL;
    struct process *p;

    (void)state;
    add(&newest, RETIRING, -1);
    p = populate(newest, getpid());
    assert_false(generations_are_empty(newest));
    p->pid = 0;
    assert_true(generations_are_empty(newest));
    add(&newest, SERVING, -1);
    assert_false(generations_are_empty(newest));
    generations_end(&newest, &slots);
}

static void a_socket_is_shut_by_the_last_that_attends_it(void **state)
{
    struct generation *newest = NULL;
    int fd = listen_somewhere(), same = dup(fd);

    (void)state;
    add(&newest, RETIRING, fd);
    add(&newest, SERVING, fd);
    generations_remove(&newest, newest->before, &slots);
    assert_null(newest->before);
    assert_true(is_listening(fd));
    generations_remove(&newest, newest, &slots);
    assert_null(newest);
    assert_false(is_listening(same));
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    close(same);
}

static void one_of_its_own_goes_with_it(void **state)
{
    struct generation *newest = NULL;
    int old = listen_somewhere(), same = dup(old), new = listen_somewhere();

    (void)state;
    add(&newest, RETIRING, old);
    add(&newest, SERVING, new);
    generations_remove(&newest, newest->before, &slots);
    assert_false(is_listening(same));
    assert_true(is_listening(new));
    generations_end(&newest, &slots);
    close(same);
}

static void who_it_belongs_to_is_known_to_the_last(void **state)
{
    struct generation *newest = NULL;
    int fd = listen_somewhere(), same = dup(fd), other = listen_somewhere();

    (void)state;
    add(&newest, RETIRING, other);
    add(&newest, RETIRING, fd);
    add(&newest, RETIRING, fd);
    add(&newest, RETIRING, fd);
    newest->server.listen_owner = LISTEN_ANOTHERS; /* another program's by now */
    generations_remove(&newest, newest->before, &slots);
    assert_int_equal(newest->server.listen_owner, LISTEN_ANOTHERS);
    generations_remove(&newest, newest, &slots);
    assert_int_equal(newest->server.listen_owner, LISTEN_ANOTHERS);
    assert_int_equal(newest->before->server.listen_owner, LISTEN_OWN);
    generations_end(&newest, &slots);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_true(is_listening(same));
    close(same);
}

static void the_end_kills_and_reaps_all(void **state)
{
    struct generation *newest = NULL;

    (void)state;
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            for (;;)
                pause();
        add(&newest, RETIRING, -1);
        populate(newest, pid);
    }
    generations_end(&newest, &slots);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- what cannot be ---- */

static void remove_newest(void *arg)
{
    generations_remove(arg, *(struct generation **)arg, &slots);
}

static void one_with_processes_is_not_removed(void **state)
{
    struct generation *newest = NULL;
    struct process *p;
    struct said said;

    (void)state;
    add(&newest, RETIRING, -1);
    p = populate(newest, getpid());
    assert_non_null(strstr(said_aborting(&said, remove_newest, &newest),
                           "a generation of fake, retiring, is removed while it has 1 processes"));
    p->pid = 0;
    generations_end(&newest, &slots);
}

static void take_ready(void *arg)
{
    actions_take(arg, EVENT_READY);
}

static void take_upgrade_failed(void *arg)
{
    actions_take(arg, EVENT_UPGRADE_FAILED);
}

static void an_event_that_cannot_come_is_not_acted_on(void **state)
{
    static struct master m = {.state = STATE_SERVING};
    struct said said;

    (void)state;
    add(&m.newest, SERVING, -1);
    assert_non_null(
        strstr(said_aborting(&said, take_ready, &m),
               "ready came while the server is serving, its newest generation serving"));
    generations_end(&m.newest, &slots);
}

static void a_state_that_is_not_true_is_not_entered(void **state)
{
    static struct master m = {.state = STATE_UPGRADING};
    struct said said;

    (void)state;
    add(&m.newest, RETIRING, -1);
    assert_non_null(strstr(said_aborting(&said, take_upgrade_failed, &m),
                           "after upgrade failed the server is upgrading and not serving: "
                           "its newest generation is retiring"));
    generations_end(&m.newest, &slots);
}

static void begin_newest(void *arg)
{
    generation_begin(*(struct generation **)arg);
}

static void no_gate_is_opened_before_all_are_ready(void **state)
{
    struct generation *newest = NULL;
    struct process *p;
    struct said said;

    (void)state;
    add(&newest, STARTING, -1);
    p = populate(newest, getpid());
    assert_non_null(strstr(said_aborting(&said, begin_newest, &newest),
                           "the gate of a generation of fake, starting, is opened"));
    p->pid = 0;
    generations_end(&newest, &slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_found_by_its_phase),
        cmocka_unit_test(they_are_empty_when_one_without_a_process_is_left),
        cmocka_unit_test(a_socket_is_shut_by_the_last_that_attends_it),
        cmocka_unit_test(one_of_its_own_goes_with_it),
        cmocka_unit_test(who_it_belongs_to_is_known_to_the_last),
        cmocka_unit_test(the_end_kills_and_reaps_all),
        cmocka_unit_test(one_with_processes_is_not_removed),
        cmocka_unit_test(an_event_that_cannot_come_is_not_acted_on),
        cmocka_unit_test(a_state_that_is_not_true_is_not_entered),
        cmocka_unit_test(no_gate_is_opened_before_all_are_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
