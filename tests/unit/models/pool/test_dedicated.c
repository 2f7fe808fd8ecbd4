/* SPDX-License-Identifier: MIT
 *
 * dedicated.h: a worker belongs to its connection until that is closed, and what it does then, when
 * there is no place, and when it is to finish.
 */
#include "models/pool/dedicated.h"

#include "rig.h"

#include <poll.h>

static struct dedicated *dedicated;
static pthread_t thread;

static int begin_with(void **state, enum config_accept accept)
{
    struct rig *rig = rig_begin_process(state);

    rig->config.accept = accept;
    dedicated = dedicated_new(&rig->workers[0].pool_io.io, rig->stop_fd, 0);
    assert_non_null(dedicated);
    return 0;
}

static int begin(void **state)
{
    return begin_with(state, ACCEPT_SHARED);
}

static int begin_in_turn(void **state)
{
    return begin_with(state, ACCEPT_LOCK);
}

static int end(void **state)
{
    dedicated_free(dedicated);
    return rig_end_process(state);
}

static void *work(void *arg)
{
    (void)arg;
    while (dedicated_wait(dedicated))
        dedicated_accept(dedicated);
    dedicated_accept_last(dedicated);
    return NULL;
}

static void start(void)
{
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
}

static void stop(struct rig *rig)
{
    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    /* What was just used may be about to be used again. Not until its time is over anyway. */
    for (int64_t until = io_now_ms() + RIG_KEEPALIVE_MS / 2; pthread_tryjoin_np(thread, NULL) != 0;
         poll(NULL, 0, 10))
        if (io_now_ms() < until)
            clocks_advance(100);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(atomic_load(&rig->server.shared->contexts), 0);
}

static void a_worker_belongs_to_its_connection(void **state)
{
    struct rig *rig = *state;
    int first = rig_connect(rig), second = rig_connect(rig);

    start();
    rig_send(second, rig_request);
    for (int i = 0; i < 3; i++)
        rig_ask(first);
    rig_expect_silence(second);
    assert_int_equal(rig_open(rig), 1);
    close(first);
    rig_answer(second);
    close(second);
    rig_wait(rig_open(rig) == 0);
    stop(rig);
    assert_int_equal(stats_get(&rig->server.shared->workers[0].accepted), 2);
}

static void what_is_idle_for_too_long_is_closed(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig);
    char byte;

    start();
    rig_ask(client);
    do
        clocks_advance(RIG_KEEPALIVE_MS); /* perhaps it has not parked the connection yet */
    while (recv(client, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
    rig_expect_end(client);
    close(client);
    stop(rig);
}

static void without_a_place_nobody_is_accepted(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig);
    uint64_t looked = stats_get(&rig->server.shared->workers[0].accepted);

    rig->server.max_connections = 1;
    atomic_store(&rig->server.shared->open_connections, 1); /* another worker's */
    rig_send(client, rig_request);
    start();
    clocks_advance(1);
    rig_expect_silence(client);
    assert_int_equal(stats_get(&rig->server.shared->workers[0].accepted), looked);
    atomic_store(&rig->server.shared->open_connections, 0);
    rig_answer(client);
    close(client);
    rig_wait(rig_open(rig) == 0);
    stop(rig);
}

/* A stop closes what is idle, and whoever comes is left to others. */
static void told_to_finish_it_does(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig), late;

    start();
    rig_ask(client);
    atomic_store(&rig->server.shared->draining, true);
    late = rig_connect(rig);
    stop(rig);
    rig_expect_end(client);
    rig_expect_silence(late);
    assert_false(atomic_load(&rig_control(rig)->backlog_taken));
    close(client);
    close(late);
}

/* It may have been woken alone for one that came just before. */
static void one_more_is_accepted_where_others_go_on(void **state)
{
    struct rig *rig = *state;
    int clients[2] = {rig_connect(rig), rig_connect(rig)};

    for (int i = 0; i < 2; i++)
        rig_send(clients[i], "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    start();
    rig_answer(clients[0]);
    close(clients[0]);
    stop(rig);
    rig_expect_silence(clients[1]);
    assert_int_equal(stats_get(&rig->server.shared->workers[0].accepted), 1);
    close(clients[1]);
}

/* Where nobody is going to accept any more, all that wait are served, with or without a place. */
static void what_waits_is_served_at_the_end(void **state)
{
    struct rig *rig = *state;
    eventfd_t told;
    int clients[3];

    rig->server.max_connections = 1;
    for (int i = 0; i < 3; i++) {
        clients[i] = rig_connect(rig);
        rig_send(clients[i], "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    atomic_store(&rig->server.shared->open_connections, 1); /* another worker's */
    atomic_store(&rig_control(rig)->take_backlog, true);
    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    start();
    for (int i = 0; i < 3; i++) {
        rig_answer(clients[i]);
        close(clients[i]);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&rig_control(rig)->backlog_taken));
    assert_return_code(eventfd_read(rig->server.master_fd, &told), errno);
    assert_int_equal(rig_open(rig), 1);
}

static void it_says_when_it_has_served_its_share(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig);

    rig->config.max_requests = 2;
    start();
    rig_ask(client);
    assert_false(atomic_load(&rig_control(rig)->spent));
    rig_ask(client);
    rig_wait(atomic_load(&rig_control(rig)->spent)); /* its client may go on */
    rig_ask(client);
    close(client);
    stop(rig);
}

/* The turn is not kept while it serves, and not waited for when it is to finish. */
static void it_accepts_in_its_turn(void **state)
{
    struct rig *rig = *state;
    pthread_mutex_t *turn = &rig->server.shared->accept_turn;
    int client = rig_connect(rig);

    assert_int_equal(pthread_mutex_lock(turn), 0);
    start();
    rig_send(client, rig_request);
    rig_expect_silence(client);
    assert_int_equal(pthread_mutex_unlock(turn), 0);
    rig_answer(client);
    assert_int_equal(pthread_mutex_lock(turn), 0);
    rig_ask(client);
    close(client);
    rig_wait(rig_open(rig) == 0);
    atomic_store(&rig_control(rig)->draining, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_mutex_unlock(turn), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_worker_belongs_to_its_connection),
        TEST(what_is_idle_for_too_long_is_closed),
        TEST(without_a_place_nobody_is_accepted),
        TEST(told_to_finish_it_does),
        TEST(one_more_is_accepted_where_others_go_on),
        TEST(what_waits_is_served_at_the_end),
        TEST(it_says_when_it_has_served_its_share),
        cmocka_unit_test_setup_teardown(it_accepts_in_its_turn, begin_in_turn, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
