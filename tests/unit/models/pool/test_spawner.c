/* SPDX-License-Identifier: MIT
 *
 * spawner.h and timekeeper.h: who gets a worker of its own, how many there are, and what becomes of
 * a connection when its worker has ended or none can be made. The workers are threads of the test.
 */
#include "models/pool/spawner.h"

#include "rig.h"

#include <poll.h>

#include "system/latch.h"
#include "worker.h"

static _Atomic unsigned made;
static _Atomic unsigned there, most_there;
static _Atomic bool refusing;
static _Atomic bool saying_close; /* whatever came of it, as for one that was killed */
static int gate_fd;
static pthread_t thread;
static int status;

static void choose_ops(struct io_ops *ops, const struct config *config)
{
    (void)config;
    *ops = (struct io_ops){.model = "made", .context_is = "thread"};
}

static int open_latch(struct spawner *spawner)
{
    (void)spawner;
    return latch_new();
}

static void *serve(void *arg)
{
    struct spawned *self = arg;
    int ended_fd = self->spawner->ended_fd;
    unsigned now = atomic_fetch_add(&there, 1) + 1;

    if (now > atomic_load(&most_there)) /* of several at once it may be any: they are joined */
        atomic_store(&most_there, now);
    self->next = spawned_serve(self);
    if (atomic_load(&saying_close))
        self->next = CONN_CLOSE;
    atomic_fetch_sub(&there, 1);
    atomic_store(&self->ended, true);
    latch_set(ended_fd);
    return NULL;
}

static int start(struct spawned *worker)
{
    if (atomic_load(&refusing))
        return -EAGAIN;
    atomic_store(&worker->ended, false);
    atomic_fetch_add(&made, 1);
    return -pthread_create(&worker->thread, NULL, serve, worker);
}

static void reap(struct spawner *spawner)
{
    latch_unset(spawner->ended_fd);
    for (unsigned i = 0; i < spawner->server->workers; i++) {
        struct spawned *worker = &spawner->each[i];

        if (worker->record != NULL && atomic_load(&worker->ended)) {
            assert_int_equal(pthread_join(worker->thread, NULL), 0);
            spawned_ended(worker, worker->next);
        }
    }
}

static const struct spawner_kind kind = {
    .choose_ops = choose_ops, .open = open_latch, .start = start, .reap = reap};

static void *work(void *arg)
{
    struct rig *rig = arg;
    struct worker_process self = {.first = 0, .stop_fd = rig->stop_fd, .gate_fd = gate_fd};

    status = spawner_work(&rig->server, &self, &kind);
    return NULL;
}

static void run(struct rig *rig, enum config_dispatch dispatch)
{
    rig->config.dispatch = dispatch;
    rig->config.pool = POOL_NONE;
    assert_int_equal(pthread_create(&thread, NULL, work, rig), 0);
    rig_wait(atomic_load(&rig_control(rig)->ready));
    latch_set(gate_fd);
}

static int begin(void **state)
{
    rig_begin_process(state);
    made = most_there = 0;
    refusing = saying_close = false;
    gate_fd = latch_new();
    assert_true(gate_fd >= 0);
    return 0;
}

/* Told to finish, it does when its connections have ended. */
static int end(void **state)
{
    struct rig *rig = *state;

    atomic_store(&rig_control(rig)->deadline_ms, INT64_MAX);
    atomic_store(&rig_control(rig)->draining, true);
    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    while (pthread_tryjoin_np(thread, NULL) != 0) {
        clocks_advance(100);
        poll(NULL, 0, 5);
    }
    assert_int_equal(status, EXIT_SUCCESS);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(atomic_load(&rig->server.shared->contexts), 0);
    close(gate_fd);
    return rig_end_process(state);
}

#define SPAWNER_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

static void each_request_has_a_worker_of_its_own(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig);

    run(rig, DISPATCH_REQUEST);
    for (unsigned i = 1; i <= 5; i++) {
        rig_ask(client);
        assert_int_equal(atomic_load(&made), i);
    }
    close(client);
    rig_wait(rig_open(rig) == 0);
}

static void each_connection_has_a_worker_of_its_own(void **state)
{
    struct rig *rig = *state;
    int first = rig_connect(rig), second = rig_connect(rig);

    run(rig, DISPATCH_CONNECTION);
    for (unsigned i = 1; i <= 5; i++) {
        rig_ask(first);
        rig_ask(second);
    }
    assert_int_equal(atomic_load(&made), 2);
    close(first);
    close(second);
    rig_wait(rig_open(rig) == 0);
}

/* Nobody has to be made for clients that connect and go, before a request or after the last. */
static void who_asks_nothing_gets_none(void **state)
{
    struct rig *rig = *state;
    int client;

    run(rig, DISPATCH_REQUEST);
    for (int i = 0; i < 5; i++) {
        client = rig_connect(rig);
        rig_wait(rig_open(rig) == 1);
        close(client);
        rig_wait(rig_open(rig) == 0);
    }
    assert_int_equal(atomic_load(&made), 0);
    client = rig_connect(rig);
    rig_send(client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    rig_answer(client);
    rig_expect_end(client);
    rig_send(client, "and more that nobody reads");
    close(client);
    rig_wait((clocks_advance(100), rig_open(rig) == 0));
    assert_int_equal(atomic_load(&made), 1);
}

static void those_beyond_the_most_wait(void **state)
{
    enum { CLIENTS = 3 * RIG_WORKERS };
    struct rig *rig = *state;
    int clients[CLIENTS];

    run(rig, DISPATCH_REQUEST);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = rig_connect(rig);
        rig_send(clients[i], "GET /sleep?ms=20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    for (int i = 0; i < CLIENTS; i++) {
        char answer[1000];

        assert_true(recv(clients[i], answer, sizeof answer, 0) > 0);
        assert_memory_equal(answer, "HTTP/1.1 200 OK\r\n", 17);
        close(clients[i]);
    }
    assert_int_equal(atomic_load(&made), CLIENTS);
    assert_in_range(atomic_load(&most_there), 1, RIG_WORKERS);
    rig_wait((clocks_advance(100), rig_open(rig) == 0));
}

/* Lets time pass until the client is answered: when the spawner tries again is its own affair. */
static void answer_in_time(int client)
{
    struct pollfd answer = {.fd = client, .events = POLLIN};

    while (poll(&answer, 1, 5) == 0)
        clocks_advance(20);
    rig_answer(client);
}

static void wait_while_none_can_be_made(struct rig *rig, enum config_dispatch dispatch)
{
    int first, second;

    run(rig, dispatch);
    refusing = true;
    first = rig_connect(rig);
    rig_send(first, rig_request);
    rig_wait(atomic_load(&rig->server.shared->shortage_said_ms) != 0);
    second = rig_connect(rig);
    rig_send(second, rig_request);
    rig_expect_silence(first);
    assert_int_equal(rig_open(rig), 1); /* the second is looked at no sooner than the first again */
    refusing = false;
    answer_in_time(first);
    answer_in_time(second);
    close(first);
    close(second);
    rig_wait(rig_open(rig) == 0);
}

static void where_none_can_be_made_requests_wait(void **state)
{
    wait_while_none_can_be_made(*state, DISPATCH_REQUEST);
}

static void where_none_can_be_made_connections_wait(void **state)
{
    wait_while_none_can_be_made(*state, DISPATCH_CONNECTION);
}

/* What a worker was serving when it was killed is closed, and nobody else's. */
static void what_its_worker_says_becomes_of_it(void **state)
{
    struct rig *rig = *state;
    int victim = rig_connect(rig), other = rig_connect(rig);

    run(rig, DISPATCH_REQUEST);
    rig_ask(victim);
    rig_ask(other);
    rig_wait(atomic_load(&there) == 0);
    saying_close = true;
    rig_ask(victim);
    rig_expect_end(victim);
    saying_close = false;
    rig_ask(other);
    assert_int_equal(rig_open(rig), 1);
    close(victim);
    close(other);
    rig_wait(rig_open(rig) == 0);
}

/* --max-requests of all of them together, though each begins to count anew. */
static void requests_of_those_gone_count(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig);

    rig->config.max_requests = 5;
    run(rig, DISPATCH_REQUEST);
    for (int i = 0; i < 4; i++) {
        rig_ask(client);
        rig_wait(atomic_load(&there) == 0);
    }
    clocks_advance(1000);
    assert_false(atomic_load(&rig_control(rig)->spent));
    rig_ask(client);
    rig_wait((clocks_advance(100), atomic_load(&rig_control(rig)->spent)));
    close(client);
}

/* When nobody will accept after it, it takes those who wait, and says so. */
static void who_waits_at_the_end_is_served(void **state)
{
    struct rig *rig = *state;
    int late;

    run(rig, DISPATCH_CONNECTION);
    refusing = true;
    late = rig_connect(rig);
    rig_send(late, rig_request);
    rig_wait(rig_open(rig) == 1);
    atomic_store(&rig_control(rig)->deadline_ms, INT64_MAX);
    atomic_store(&rig_control(rig)->take_backlog, true);
    atomic_store(&rig_control(rig)->draining, true);
    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    rig_wait(atomic_load(&rig_control(rig)->backlog_taken));
    refusing = false;
    answer_in_time(late);
    close(late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPAWNER_TEST(each_request_has_a_worker_of_its_own),
        SPAWNER_TEST(each_connection_has_a_worker_of_its_own),
        SPAWNER_TEST(who_asks_nothing_gets_none),
        SPAWNER_TEST(those_beyond_the_most_wait),
        SPAWNER_TEST(where_none_can_be_made_requests_wait),
        SPAWNER_TEST(where_none_can_be_made_connections_wait),
        SPAWNER_TEST(what_its_worker_says_becomes_of_it),
        SPAWNER_TEST(requests_of_those_gone_count),
        SPAWNER_TEST(who_waits_at_the_end_is_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
