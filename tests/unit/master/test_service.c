/* SPDX-License-Identifier: MIT
 *
 * service.h: the ready line, the pid file, and what a service manager is told and when, over a
 * NOTIFY_SOCKET of the test's own.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "io.h"
#include "master/service.h"
#include "said.h"
#include "server.h"

enum { MESSAGE_SIZE = 200 };

struct manager {
    int socket;
    char folder[40], path[60], pid_file[60];
    struct config config;
    struct server server;
};

static int begin(void **state)
{
    static struct manager manager;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct manager *m = &manager;

    snprintf(m->folder, sizeof m->folder, "/tmp/test_service.XXXXXX");
    if (mkdtemp(m->folder) == NULL)
        return -1;
    snprintf(m->pid_file, sizeof m->pid_file, "%.39s/pid", m->folder);
    snprintf(m->path, sizeof m->path, "%.39s/notify", m->folder);
    memcpy(address.sun_path, m->path, sizeof m->path);
    m->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(m->socket, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    setenv("NOTIFY_SOCKET", m->path, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    m->config = (struct config){.model = "coro"};
    m->server =
        (struct server){.config = &m->config, .workers = 3, .listen_name = "127.0.0.1:8080"};
    *state = m;
    return 0;
}

static int end(void **state)
{
    struct manager *m = *state;

    close(m->socket);
    unlink(m->path);
    unlink(m->pid_file);
    return rmdir(m->folder);
}

/* The next message; "" when there is none. */
static const char *told(const struct manager *m)
{
    static char message[MESSAGE_SIZE];
    ssize_t length = recv(m->socket, message, sizeof message - 1, 0);

    message[length > 0 ? length : 0] = '\0';
    return message;
}

static void assert_told_ready(const struct manager *m)
{
    char expected[MESSAGE_SIZE];

    snprintf(expected, sizeof expected, "READY=1\nMAINPID=%d", (int)getpid());
    assert_string_equal(told(m), expected);
}

/* Is ready, and gives what was said meanwhile. */
static const char *be_ready(struct service *service, const struct manager *m, struct said *said)
{
    said_begin(said);
    service_ready(service, &m->server);
    return said_end(said);
}

static void that_it_is_ready_is_told_in_three_ways(void **state)
{
    struct manager *m = *state;
    struct service service = {0};
    char expected[MESSAGE_SIZE], number[20] = "";
    struct said said;
    int fd;

    m->config.pid_file = m->pid_file;
    be_ready(&service, m, &said);
    snprintf(expected, sizeof expected,
             "ready model=coro workers=3 listen=127.0.0.1:8080 pid=%d version=%s\n", (int)getpid(),
             server_version);
    assert_string_equal(said.text, expected);
    assert_told_ready(m);
    assert_string_equal(told(m), "");
    fd = open(m->pid_file, O_RDONLY);
    assert_true(read(fd, number, sizeof number - 1) > 0);
    close(fd);
    assert_int_equal(atoi(number), getpid());
    service_end(&service);
    assert_int_equal(access(m->pid_file, F_OK), -1);
}

static void what_cannot_be_written_or_told_is_no_reason_not_to_serve(void **state)
{
    struct manager *m = *state;
    struct service service = {0};
    struct said said;

    m->config.pid_file = "/nonexistent/pid";
    be_ready(&service, m, &said);
    assert_int_equal(strncmp(said.text, "error: cannot write the pid file: ", 34), 0);
    assert_non_null(strstr(said.text, "\nready model="));
    assert_told_ready(m);
    m->config.pid_file = NULL;
    setenv("NOTIFY_SOCKET", "nowhere", 1);
    be_ready(&service, m, &said);
    assert_int_equal(strncmp(said.text, "ready model=", 12), 0);
    assert_non_null(strstr(said.text, "\nwarning: cannot tell NOTIFY_SOCKET: "));
    service_end(&service);
}

static void a_reload_is_told_from_its_begin_to_its_end(void **state)
{
    const struct manager *m = *state;

    service_reloading();
    assert_int_equal(strncmp(told(m), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    service_reloaded();
    assert_told_ready(m);
    assert_string_equal(told(m), "");
}

static void the_watchdog_is_told_every_half_interval(void **state)
{
    const struct manager *m = *state;
    struct service service = {0};
    struct said said;

    service_tick(&service); /* not ready yet */
    assert_string_equal(told(m), "");
    setenv("WATCHDOG_USEC", "600000000", 1);
    be_ready(&service, m, &said);
    assert_told_ready(m);
    assert_int_equal(service.watchdog_ms, 300000);
    service_tick(&service);
    assert_string_equal(told(m), "WATCHDOG=1");
    service_tick(&service);
    assert_string_equal(told(m), "");
    assert_in_range(service.watchdog_due_ms, io_now_ms() + 200000, io_now_ms() + 300000);
    service.watchdog_due_ms = io_now_ms();
    service_tick(&service);
    assert_string_equal(told(m), "WATCHDOG=1");
    assert_string_equal(told(m), "");
}

static void a_stop_is_told(void **state)
{
    const struct manager *m = *state;
    const struct service service = {0};

    service_stopping(&service, 3000);
    assert_string_equal(told(m), "STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000");
}

static void who_has_handed_over_says_no_more_and_leaves_the_pid_file(void **state)
{
    struct manager *m = *state;
    struct service service = {0};
    struct said said;

    setenv("WATCHDOG_USEC", "2000", 1);
    m->config.pid_file = m->pid_file;
    be_ready(&service, m, &said);
    assert_told_ready(m);
    assert_int_equal(service.watchdog_ms, 1);
    service_hand_over(&service, 4711);
    assert_string_equal(told(m), "MAINPID=4711\nWATCHDOG=1");
    service_tick(&service);
    service_stopping(&service, 0);
    assert_string_equal(told(m), "");
    service_end(&service);
    assert_int_equal(access(m->pid_file, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(that_it_is_ready_is_told_in_three_ways, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_or_told_is_no_reason_not_to_serve,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_reload_is_told_from_its_begin_to_its_end, begin, end),
        cmocka_unit_test_setup_teardown(the_watchdog_is_told_every_half_interval, begin, end),
        cmocka_unit_test_setup_teardown(a_stop_is_told, begin, end),
        cmocka_unit_test_setup_teardown(who_has_handed_over_says_no_more_and_leaves_the_pid_file,
                                        begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
