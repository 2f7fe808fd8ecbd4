/* SPDX-License-Identifier: MIT
 *
 * forked.h: a process for one request; what becomes of its connection when it ends, is killed or
 * stopped, and what it has of the spawner's descriptors.
 */
#include "models/pool/forked.h"

#include "rig.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "db/db.h"

static struct spawner spawner;
static struct spawned each[RIG_WORKERS];
static struct spawned *idle[RIG_WORKERS];

static int begin(void **state)
{
    struct rig *rig = rig_begin_process(state);

    rig->config.stopped_timeout_ms = 5000;
    rig->config.db = "sqlite::memory:";
    assert_int_equal(db_new(&rig->server.db, &rig->config, RIG_WORKERS), 0);
    memset(each, 0, sizeof each);
    spawner = (struct spawner){.kind = &forked_processes,
                               .server = &rig->server,
                               .pool = rig->pool,
                               .stop_fd = rig->stop_fd,
                               .each = each,
                               .idle = idle};
    assert_int_equal(context_init(&spawner.io, &context_never_waits, &rig->server, RIG_WORKERS), 0);
    forked_processes.choose_ops(&spawner.ops, &rig->config);
    assert_string_equal(spawner.ops.context_is, "process");
    spawner.ended_fd = forked_processes.open(&spawner);
    assert_true(spawner.ended_fd >= 0);
    return 0;
}

static int end(void **state)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left */
    close(spawner.ended_fd);
    sigprocmask(SIG_SETMASK, &spawner.mask, NULL);
    context_term(&spawner.io);
    db_free(((struct rig *)*state)->server.db);
    return rig_end_process(state);
}

/* A client whose request a new process serves. */
static int ask_one(struct rig *rig, struct spawned *worker, const char *request)
{
    int client = rig_connect(rig);
    struct pollfd newcomer = {.fd = rig->server.listen_fd, .events = POLLIN};

    assert_int_equal(poll(&newcomer, 1, RIG_PATIENCE_S * 1000), 1);
    rig_send(client, request);
    worker->record = pool_accept(rig->pool, false, &spawner.io);
    assert_non_null(worker->record);
    worker->spawner = &spawner;
    worker->pool_io.pool = rig->pool;
    worker->pool_io.number = (unsigned)(worker - each);
    assert_int_equal(
        context_init(&worker->pool_io.io, &spawner.ops, &rig->server, worker->pool_io.number), 0);
    assert_int_equal(forked_processes.start(worker), 0);
    return client;
}

/* Until the worker has ended and was reaped. */
static void reap(const struct spawned *worker)
{
    struct pollfd ended = {.fd = spawner.ended_fd, .events = POLLIN};

    while (worker->record != NULL) {
        assert_int_equal(poll(&ended, 1, RIG_PATIENCE_S * 1000), 1);
        forked_processes.reap(&spawner);
    }
    assert_ptr_equal(spawner.idle[spawner.idle_count - 1], worker);
}

static void it_serves_and_ends(void **state)
{
    struct rig *rig = *state;
    int client = ask_one(rig, &each[1], rig_request), fd = each[1].record->conn.fd;

    rig_answer(client);
    reap(&each[1]);
    assert_int_equal(rig_owner(rig, fd), OWNER_PARKED);
    close(client);
}

static void it_says_that_its_connection_is_over(void **state)
{
    struct rig *rig = *state;
    int client = ask_one(rig, &each[1], "GET /hello HTTP/1.0\r\n\r\n");

    shutdown(client, SHUT_WR);
    rig_answer(client);
    reap(&each[1]);
    rig_expect_end(client);
    close(client);
}

static void killed_it_costs_its_connection(void **state)
{
    struct rig *rig = *state;
    int client = ask_one(rig, &each[2], "GET /sleep?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    int fd = each[2].record->conn.fd;

    assert_return_code(kill(each[2].pid, SIGKILL), errno);
    reap(&each[2]);
    assert_int_equal(rig_owner(rig, fd), OWNER_NONE);
    assert_true(recv(client, &(char){0}, 1, 0) <= 0); /* reset, if it had not read the request */
    close(client);
}

static void stopped_for_long_it_is_killed(void **state)
{
    struct rig *rig = *state;
    int client = ask_one(rig, &each[2], "GET /sleep?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    siginfo_t info;

    assert_return_code(kill(each[2].pid, SIGSTOP), errno);
    assert_return_code(waitid(P_PID, (id_t)each[2].pid, &info, WSTOPPED | WNOWAIT), errno);
    forked_processes.reap(&spawner);
    clocks_advance(rig->config.stopped_timeout_ms - 1);
    forked_processes.reap(&spawner);
    assert_return_code(kill(each[2].pid, SIGCONT), errno); /* in time */
    assert_return_code(waitid(P_PID, (id_t)each[2].pid, &info, WCONTINUED | WNOWAIT), errno);
    forked_processes.reap(&spawner);
    clocks_advance(1);
    forked_processes.reap(&spawner);
    assert_return_code(kill(each[2].pid, SIGSTOP), errno);
    assert_return_code(waitid(P_PID, (id_t)each[2].pid, &info, WSTOPPED | WNOWAIT), errno);
    forked_processes.reap(&spawner);
    clocks_advance(rig->config.stopped_timeout_ms);
    forked_processes.reap(&spawner);
    reap(&each[2]);
    close(client);
}

static bool has_open(pid_t pid, int fd)
{
    char path[64];
    struct stat ignored;

    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return stat(path, &ignored) == 0;
}

/* Another's connection would stay open with it, and the listening socket is not its business. */
static void it_has_its_own_connection_only(void **state)
{
    struct rig *rig = *state;
    int first = ask_one(rig, &each[0], "GET /sleep?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    int second = ask_one(rig, &each[1], "GET /sleep?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    int own = each[1].record->conn.fd, others = each[0].record->conn.fd;

    rig_wait(!has_open(each[1].pid, rig->server.listen_fd) && !has_open(each[1].pid, others));
    assert_true(has_open(each[1].pid, own));
    for (int i = 0; i < 2; i++) {
        assert_return_code(kill(each[i].pid, SIGKILL), errno);
        reap(&each[i]);
    }
    close(first);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_serves_and_ends, begin, end),
        cmocka_unit_test_setup_teardown(it_says_that_its_connection_is_over, begin, end),
        cmocka_unit_test_setup_teardown(killed_it_costs_its_connection, begin, end),
        cmocka_unit_test_setup_teardown(stopped_for_long_it_is_killed, begin, end),
        cmocka_unit_test_setup_teardown(it_has_its_own_connection_only, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
