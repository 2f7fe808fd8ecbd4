/* SPDX-License-Identifier: MIT
 *
 * generator.c and connection.c against a server in a thread of this program, which does right or
 * wrong as the path says. Only counts are looked at: what a machine's mood cannot change.
 */
#include "load/generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENTS = 64, RATE = 2000, REQUESTS = 400 };

/* ---- the server ---- */

static const struct {
    const char *path, *bytes;
    bool closes;
} behaviours[] = {
    {"GET /good ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false},
    {"GET /once ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true},
    {"GET /to-the-end ", "HTTP/1.0 200 OK\r\n\r\nall of it", true},
    {"GET /busy ", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", false},
    {"GET /part ", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", true},
    {"GET /nothing ", "", true},
    {"GET /junk ", "what?\r\n", false},
    {"GET /silent ", "", false},
};

struct staged {
    pthread_t thread;
    int listener, stop[2];
    char url[64];
};

/* Requests are so small that each comes whole. False: close it. */
static bool answer(int fd)
{
    char request[1024];
    ssize_t length = recv(fd, request, sizeof request - 1, 0);

    if (length <= 0)
        return false;
    request[length] = '\0';
    for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++) {
        if (strncmp(request, behaviours[i].path, strlen(behaviours[i].path)) == 0) {
            (void)!send(fd, behaviours[i].bytes, strlen(behaviours[i].bytes), MSG_NOSIGNAL);
            return !behaviours[i].closes;
        }
    }
    return false;
}

static void *serve(void *arg)
{
    struct staged *s = arg;
    struct pollfd fds[CLIENTS + 2] = {{.fd = s->stop[0], .events = POLLIN},
                                      {.fd = s->listener, .events = POLLIN}};
    nfds_t count = 2;

    while (fds[0].revents == 0) {
        (void)poll(fds, count, -1);
        for (nfds_t i = count - 1; i >= 2; i--) {
            if (fds[i].revents != 0 && !answer(fds[i].fd)) {
                close(fds[i].fd);
                fds[i] = fds[--count];
            }
        }
        if (fds[1].revents != 0) {
            fds[count] = (struct pollfd){.fd = accept(s->listener, NULL, NULL), .events = POLLIN};
            if (fds[count].fd >= 0 && ++count == CLIENTS + 2)
                abort();
        }
    }
    while (count > 2)
        close(fds[--count].fd);
    return NULL;
}

static void stage(struct staged *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(s->listener, 512), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(pipe(s->stop), 0);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void strike(struct staged *s)
{
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    close(s->stop[0]);
    close(s->listener);
}

/* ---- a run ---- */

/* In place of cpu_time.c's: of a kernel by which it ran for less than it spun in vain, and that at
 * the end could not say for how long it waited. */
struct cpu_time cpu_time_now(void)
{
    return (struct cpu_time){0, -coro_now_ns()};
}

struct run {
    struct options options;
    struct target target;
    struct generator_control control;
    struct generator generator;
};

/* REQUESTS of them for a path on up to 32 connections. */
static void run_generator(struct run *run, const char *url, const char *path, double timeout_s)
{
    struct report_path paths[] = {{path, 1}};
    char error[256];

    run->options = (struct options){.url = url,
                                    .rate = RATE,
                                    .duration_s = (double)REQUESTS / RATE,
                                    .timeout_s = timeout_s,
                                    .drain_s = 2 * timeout_s,
                                    .give_up_s = run->options.give_up_s,
                                    .paths = paths,
                                    .path_count = 1};
    assert_int_equal(target_init(&run->target, &run->options, error, sizeof error), 0);
    assert_int_equal(target_find(&run->target, &run->options, error, sizeof error), 0);
    run->generator = (struct generator){.options = &run->options,
                                        .target = &run->target,
                                        .control = &run->control,
                                        .shares = 1,
                                        .connections = 32,
                                        .start_ns = coro_now_ns(),
                                        .figures = figures_new()};
    assert_non_null(run->generator.figures);
    assert_int_equal(generator_run(&run->generator), 0);
    target_free(&run->target);
}

static void each_outcome_is_counted_by_its_kind(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        enum figures_error error; /* where status is 0 */
        double timeout_s;
    } cases[] = {
        {"/good", 200, 0, 30},
        {"/once", 200, 0, 30},
        {"/to-the-end", 200, 0, 30},
        {"/busy", 503, 0, 30},
        {"/part", 0, FIGURES_SHORT, 30},
        {"/nothing", 0, FIGURES_RESET, 30},
        {"/junk", 0, FIGURES_MALFORMED, 30},
        {"/silent", 0, FIGURES_TIMEOUT, 0.05},
    };
    struct staged server;

    (void)state;
    stage(&server);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run run = {.options.give_up_s = 0};
        const struct figures *f;
        uint64_t counted;

        run_generator(&run, server.url, cases[i].path, cases[i].timeout_s);
        f = run.generator.figures;
        counted = cases[i].status != 0 ? f->statuses[cases[i].status] : f->errors[cases[i].error];
        /* /once closes what a next request may just have been sent on. */
        if (strcmp(cases[i].path, "/once") == 0)
            counted += f->errors[FIGURES_RESET];
        assert_int_equal(f->due, REQUESTS);
        assert_int_equal(f->requests, REQUESTS);
        assert_int_equal(counted, REQUESTS);
        assert_int_equal(histogram_total(&f->lag), REQUESTS);
        assert_in_range(f->connections_most, 1, 32);
        assert_true(f->busy == 0 && f->waited == 0);
        assert_int_equal(f->stopped, FIGURES_NOT_STOPPED);
        figures_free(run.generator.figures);
    }
    strike(&server);
}

/* The server is gone, but the port, which nobody listens on, is kept. */
static void those_refused_are_counted(void **state)
{
    struct staged server;
    struct run run = {.options.give_up_s = 0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    stage(&server);
    run_generator(&run, server.url, "/good", 5);
    strike(&server);
    figures_free(run.generator.figures);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    memcpy(&run.target.address, &address, length);
    run.target.requests = &(struct target_request){(char[]){"GET / HTTP/1.1\r\n\r\n"}, 18};
    run.target.weights = &(double){1};
    run.generator.start_ns = coro_now_ns();
    run.generator.figures = figures_new();
    assert_int_equal(generator_run(&run.generator), 0);
    assert_int_equal(run.generator.figures->errors[FIGURES_CONNECT], REQUESTS);
    figures_free(run.generator.figures);
    close(fd);
}

static void it_gives_up_when_the_oldest_is_too_old(void **state)
{
    struct staged server;
    struct run run = {.options.give_up_s = 0.02};
    const struct figures *f;

    (void)state;
    stage(&server);
    run_generator(&run, server.url, "/silent", 30);
    f = run.generator.figures;
    assert_int_equal(f->stopped, FIGURES_GIVE_UP);
    assert_true(f->seconds < (double)REQUESTS / RATE);
    assert_true(f->oldest_ns > 20000000);
    assert_int_equal(f->errors[FIGURES_UNFINISHED], f->requests);
    figures_free(run.generator.figures);
    strike(&server);
}

/* A path that is not there refuses at once, so that none of the many that are due has to wait. */
static void the_loop_has_its_turns_where_none_can_connect(void **state)
{
    struct run run = {
        .options = {.rate = 2000000, .duration_s = 2, .timeout_s = 30, .give_up_s = 0.02},
        .target = {.address_length = sizeof(struct sockaddr_un),
                   .requests = &(struct target_request){(char[]){"GET / HTTP/1.1\r\n\r\n"}, 18},
                   .weights = &(double){1},
                   .paths = 1}};
    const struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
    const struct figures *f;

    (void)state;
    memcpy(&run.target.address, &nowhere, sizeof nowhere);
    run.generator = (struct generator){.options = &run.options,
                                       .target = &run.target,
                                       .control = &run.control,
                                       .shares = 1,
                                       .connections = 32,
                                       .start_ns = coro_now_ns(),
                                       .figures = figures_new()};
    assert_non_null(run.generator.figures);
    assert_int_equal(generator_run(&run.generator), 0);
    f = run.generator.figures;
    assert_int_equal(f->stopped, FIGURES_GIVE_UP);
    assert_true(f->seconds < run.options.duration_s);
    assert_true(f->errors[FIGURES_CONNECT] > 0);
    assert_int_equal(f->errors[FIGURES_CONNECT] + f->errors[FIGURES_UNFINISHED], f->requests);
    figures_free(run.generator.figures);
}

static void it_can_be_stopped(void **state)
{
    struct staged server;
    struct run run = {.control.stop = FIGURES_SIGINT};

    (void)state;
    stage(&server);
    run_generator(&run, server.url, "/good", 30);
    assert_int_equal(run.generator.figures->stopped, FIGURES_SIGINT);
    assert_int_equal(run.generator.figures->requests, 0);
    figures_free(run.generator.figures);
    strike(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_outcome_is_counted_by_its_kind),
        cmocka_unit_test(those_refused_are_counted),
        cmocka_unit_test(it_gives_up_when_the_oldest_is_too_old),
        cmocka_unit_test(the_loop_has_its_turns_where_none_can_connect),
        cmocka_unit_test(it_can_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
