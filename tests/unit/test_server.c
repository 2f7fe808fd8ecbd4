/* SPDX-License-Identifier: MIT
 *
 * server.h: what is opened for a generation and what the next one shares with it, that nothing is
 * left of a start that fails, and who may stay for how long while it ends.
 */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io.h"
#include "server.h"

static const struct server_inherited none = {.listen_fd = -1};
static char error[300];

static struct config config_here(void)
{
    return (struct config){.listen = "unix:socket", .max_connections = 10};
}

/* The descriptors that are open, as a number. */
static unsigned open_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 200; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void all_is_opened_and_closed(void **state)
{
    unsigned before = open_descriptors();
    struct config config = config_here();
    struct server server;

    (void)state;
    config.root = ".";
    config.access_log = "log";
    assert_int_equal(server_open(&server, &config, NULL, 3, &none, error, sizeof error), 0);
    assert_int_equal(open_descriptors(), before + 3);
    assert_true(server.listen_fd >= 0 && server.root_fd >= 0 && server.access_log_fd >= 0);
    assert_int_equal(server.workers, 3);
    assert_int_equal(server.master_fd, -1);
    assert_true(server.descriptors > 0);
    assert_string_equal(server.listen_name, "unix:socket");
    assert_false(server_listener_is_others(&server));
    assert_int_equal(server.shared->open_connections, 0);
    server_close(&server);
    shared_free(server.shared);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(access("socket", F_OK), -1);
    assert_int_equal(access("log", F_OK), 0);
}

static void a_failed_start_leaves_nothing(void **state)
{
    unsigned before = open_descriptors();
    struct config config = config_here();
    struct server server;

    (void)state;
    config.root = "missing";
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), -ENOENT);
    assert_string_equal(error, "cannot open --root missing: No such file or directory");
    config.root = ".";
    config.access_log = "missing/log";
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), -ENOENT);
    assert_string_equal(error, "cannot open the access log missing/log: No such file or directory");
    config.access_log = "log";
    config.pid_file = "missing/pid";
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), -ENOENT);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(access("socket", F_OK), -1);
}

static void what_was_passed_stays_its_givers(void **state)
{
    struct config config = config_here();
    struct server first, second;
    struct server_inherited passed = {.upgrading = true};

    (void)state;
    assert_int_equal(server_open(&first, &config, NULL, 1, &none, error, sizeof error), 0);
    passed.listen_fd = first.listen_fd;
    config.pid_file = "missing/pid";
    assert_true(server_open(&second, &config, NULL, 1, &passed, error, sizeof error) < 0);
    assert_true(fcntl(first.listen_fd, F_GETFD) >= 0);
    config.pid_file = NULL;
    assert_int_equal(server_open(&second, &config, NULL, 1, &passed, error, sizeof error), 0);
    assert_int_equal(second.listen_fd, first.listen_fd);
    assert_true(server_listener_is_others(&second));
    assert_string_equal(second.listen_name, "unix:socket");
    second.listen_fd = -1;
    server_close(&second);
    shared_free(second.shared);
    assert_int_equal(access("socket", F_OK), 0);
    server_close(&first);
    shared_free(first.shared);
    assert_int_equal(access("socket", F_OK), -1);
}

/* Which a worker accepts at, of as many as there were workers once. */
static void sockets_are_shared_out_to_whoever_there_is(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 5; count++)
        for (unsigned workers = 1; workers <= 5; workers++) {
            const struct server server = {.more_listeners = count - 1, .workers = workers};
            unsigned attended = 0, busy = 0;

            for (unsigned k = 0; k < count; k++)
                for (unsigned number = 0; number < workers; number++)
                    if (server_own(&server, number, k)) {
                        attended |= 1U << k;
                        busy |= 1U << number;
                    }
            assert_int_equal(attended, (1U << count) - 1);
            assert_int_equal(busy, (1U << workers) - 1);
        }
}

static void several_sockets_stay_several(void **state)
{
    unsigned before = open_descriptors();
    struct config config = config_here(), changed;
    struct server server, next, last;

    (void)state;
    config.listen = "127.0.0.1:0";
    config.accept = ACCEPT_REUSEPORT;
    changed = config;
    assert_int_equal(server_open(&server, &config, NULL, 3, &none, error, sizeof error), 0);
    assert_int_equal(server.more_listeners, 2);
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 2, error, sizeof error), 0);
    assert_int_equal(next.listen_fd, server.listen_fd);
    assert_int_equal(next.more_listeners, 2); /* somebody may wait there */
    changed.accept = ACCEPT_SHARED;
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 2, error, sizeof error),
                     -EINVAL);
    assert_non_null(strstr(error, "--accept: the listening socket was opened with reuseport"));
    changed.listen = "127.0.0.2:0";
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 2, error, sizeof error), 0);
    assert_int_equal(next.more_listeners, 0);
    assert_int_equal(server_open_next(&last, &next, &config, NULL, 2, error, sizeof error), 0);
    assert_int_equal(last.more_listeners, 1);
    server_close(&last);
    server_close(&next);
    server_close(&server);
    assert_int_equal(open_descriptors(), before);
    shared_free(server.shared);
}

static void the_next_generation_shares_the_socket_and_the_counters(void **state)
{
    struct config config = config_here(), changed = config;
    struct server server, next;

    (void)state;
    config.access_log = "log";
    changed.root = ".";
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), 0);
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 2, error, sizeof error), 0);
    assert_int_equal(next.listen_fd, server.listen_fd);
    assert_ptr_equal(next.shared, server.shared);
    assert_int_equal(next.workers, 2);
    assert_int_equal(next.access_log_fd, -1);
    assert_true(next.root_fd >= 0);
    next.listen_fd = -1;
    server_close(&next);
    assert_int_equal(access("socket", F_OK), 0);

    changed.listen = "unix:other";
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 2, error, sizeof error), 0);
    assert_int_not_equal(next.listen_fd, server.listen_fd);
    assert_int_equal(access("other", F_OK), 0);
    server_close(&next);
    assert_int_equal(access("other", F_OK), -1);
    server_close(&server);
    shared_free(server.shared);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? st.st_mode & ALLPERMS : 0;
}

static void the_next_generation_may_have_another_mode(void **state)
{
    struct config config = config_here(), changed;
    struct server server, next;

    (void)state;
    config.listen_mode = 0640;
    changed = config;
    changed.listen_mode = 0600;
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), 0);
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 1, error, sizeof error), 0);
    assert_int_equal(mode_of("socket"), 0600);
    next.listen_fd = -1;
    server_close(&next); /* it never came to serve */
    assert_int_equal(mode_of("socket"), 0640);
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 1, error, sizeof error), 0);
    next.mode_before = 0;
    next.listen_fd = -1;
    server_close(&next);
    assert_int_equal(mode_of("socket"), 0600);
    server_close(&server);
    shared_free(server.shared);
}

static void what_is_done_once_cannot_change(void **state)
{
    struct config config = config_here(), changed = config;
    struct server server, next;
    unsigned before;

    (void)state;
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), 0);
    before = open_descriptors();
    changed.pid_file = "pid";
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 1, error, sizeof error),
                     -EINVAL);
    assert_string_equal(error, "--pid-file cannot change while the server runs");
    changed = config;
    changed.user = "nobody";
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 1, error, sizeof error),
                     -EINVAL);
    changed = config;
    changed.group = "nogroup";
    assert_int_equal(server_open_next(&next, &server, &changed, NULL, 1, error, sizeof error),
                     -EINVAL);
    assert_int_equal(open_descriptors(), before);
    assert_true(fcntl(server.listen_fd, F_GETFD) >= 0);
    server_close(&server);
    shared_free(server.shared);
}

static void the_access_log_is_opened_anew(void **state)
{
    struct config config = config_here();
    struct server server;
    int fd;

    (void)state;
    config.access_log = "log";
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), 0);
    fd = server.access_log_fd;
    assert_int_equal(rename("log", "old"), 0);
    errno = EILSEQ;
    server_reopen_log(&server);
    assert_int_equal(errno, EILSEQ); /* a signal handler's caller finds its own */
    assert_int_equal(server.access_log_fd, fd);
    assert_int_equal(write(fd, "line\n", 5), 5);
    assert_string_equal(scratch_read("log"), "line\n");
    assert_string_equal(scratch_read("old"), "");
    server_close(&server);
    shared_free(server.shared);
}

static void the_earlier_deadline_counts(void **state)
{
    struct server_shared *shared = shared_new();
    struct worker_control control = {.deadline_ms = 200};
    struct server server = {.shared = shared, .control = &control};

    (void)state;
    assert_int_equal(server_drain_deadline(&server), INT64_MAX);
    assert_false(server_draining(&server));
    control.draining = true;
    assert_true(server_draining(&server) && server_told_to_finish(&server));
    assert_int_equal(server_drain_deadline(&server), 200);
    shared->draining = true;
    shared->drain_deadline_ms = 100;
    assert_int_equal(server_drain_deadline(&server), 100);
    shared->drain_deadline_ms = 300;
    assert_int_equal(server_drain_deadline(&server), 200);
    shared_free(shared);
}

/* A lame duck answers for the last time, and is not draining: it accepts, and idle connections
 * wait. */
static void a_lame_duck_is_leaving_and_not_stopping(void **state)
{
    struct server_shared *shared = shared_new();
    struct worker_control control = {.idle_until_ms = 0};
    struct server server = {.shared = shared, .control = &control};

    (void)state;
    assert_false(server_leaving(&server) || server_ends_connections(&server));
    shared->leaving = true;
    assert_true(server_leaving(&server) && server_ends_connections(&server));
    assert_false(server_draining(&server) || server_stopping(&server));
    shared->leaving = false;
    control.draining = true; /* this process finishes, the server is ready */
    assert_true(server_ends_connections(&server));
    assert_false(server_leaving(&server));
    shared_free(shared);
}

static void who_is_idle_may_stay_while_one_process_ends(void **state)
{
    struct server_shared *shared = shared_new();
    struct worker_control control = {.draining = true, .idle_until_ms = INT64_MAX};
    struct server server = {.shared = shared, .control = &control};

    (void)state;
    assert_true(server_idle_may_stay(&server));
    control.idle_until_ms = io_now_ms();
    assert_false(server_idle_may_stay(&server));
    control.idle_until_ms = INT64_MAX;
    shared->draining = true; /* all of the server ends */
    assert_false(server_idle_may_stay(&server));
    shared_free(shared);
}

/* Of a Unix socket that somebody waits at, a few are said to wait. */
static void those_who_wait_get_places(void **state)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct config config = config_here();
    struct server server;
    int32_t waiting;

    (void)state;
    assert_int_equal(server_open(&server, &config, NULL, 1, &none, error, sizeof error), 0);
    server.max_connections = 10;
    server.shared->open_connections = 10;
    server_seek_places(&server);
    assert_int_equal(server.shared->places_of_idle, 0); /* full, and nobody waits */

    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    server_seek_places(&server);
    waiting = server.shared->places_of_idle;
    assert_true(waiting > 0);
    assert_int_equal(server.shared->places_of_any, 0); /* first those who are idle */
    server_seek_places(&server);
    assert_int_equal(server.shared->places_of_any, waiting); /* that let nobody in */
    server.shared->slots_used = 1;
    stats_add(&server.shared->workers[0].accepted, 1);
    server_seek_places(&server);
    assert_int_equal(server.shared->places_of_any, 0);
    server.shared->open_connections = 9;
    server_seek_places(&server);
    assert_int_equal(server.shared->places_of_idle, 0);
    close(client);
    server_close(&server);
    shared_free(server.shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(all_is_opened_and_closed),
        IN_SCRATCH(a_failed_start_leaves_nothing),
        IN_SCRATCH(what_was_passed_stays_its_givers),
        IN_SCRATCH(the_next_generation_shares_the_socket_and_the_counters),
        IN_SCRATCH(the_next_generation_may_have_another_mode),
        IN_SCRATCH(what_is_done_once_cannot_change),
        IN_SCRATCH(several_sockets_stay_several),
        cmocka_unit_test(sockets_are_shared_out_to_whoever_there_is),
        IN_SCRATCH(the_access_log_is_opened_anew),
        cmocka_unit_test(the_earlier_deadline_counts),
        cmocka_unit_test(a_lame_duck_is_leaving_and_not_stopping),
        cmocka_unit_test(who_is_idle_may_stay_while_one_process_ends),
        IN_SCRATCH(those_who_wait_get_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
