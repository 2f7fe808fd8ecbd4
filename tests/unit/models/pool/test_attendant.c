/* SPDX-License-Identifier: MIT
 *
 * attendant.h: one connection from its first request to its end, whoever ends it.
 */
#include "models/pool/attendant.h"

#include "rig.h"

#include <poll.h>

struct served {
    struct rig *rig;
    struct attendant attendant;
    pthread_t thread;
};

static struct served served;

static int begin(void **state)
{
    struct rig *rig = rig_begin_process(state);

    served.rig = rig;
    assert_int_equal(attendant_init(&served.attendant, &rig->workers[0].pool_io.io, rig->stop_fd),
                     0);
    return 0;
}

static int end(void **state)
{
    attendant_term(&served.attendant);
    return rig_end_process(state);
}

static void *serve(void *arg)
{
    struct rig *rig = arg;
    struct in6_addr client;
    int fd;

    shared_connection_opened(rig->server.shared, rig->workers[0].pool_io.io.stats);
    do
        fd = listen_accept(rig->server.listen_fd, &client);
    while (fd < 0);
    attendant_serve(&served.attendant, fd, &client);
    return NULL;
}

/* A client that is being served. */
static int connect_served(struct rig *rig)
{
    int client = rig_connect(rig);

    assert_int_equal(pthread_create(&served.thread, NULL, serve, rig), 0);
    rig_ask(client);
    return client;
}

static void expect_return(struct rig *rig)
{
    assert_int_equal(pthread_join(served.thread, NULL), 0);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(atomic_load(&rig->server.shared->contexts), 0);
    assert_int_equal(stats_get(&rig->server.shared->workers[0].closed), 1);
}

static void the_client_ends_it(void **state)
{
    struct rig *rig = *state;
    int client = connect_served(rig);

    rig_ask(client);
    close(client);
    expect_return(rig);
    assert_false(served.attendant.stopping);
}

static void a_head_in_two_pieces_is_one_request(void **state)
{
    struct rig *rig = *state;
    int client = connect_served(rig);

    rig_send(client, "GET /hello HT");
    rig_expect_silence(client);
    rig_send(client, "TP/1.1\r\nHost: a\r\n\r\n");
    rig_answer(client);
    close(client);
    expect_return(rig);
    assert_int_equal(stats_get(&rig->server.shared->workers[0].requests), 2);
}

/* Lets time pass, `most` milliseconds at most, until the client has read the end. What has been
 * answered may not have been parked yet, so that its time only begins. */
static void let_pass(int client, int64_t step_ms, int64_t most_ms)
{
    char byte;

    for (int64_t passed = 0; passed < most_ms; passed += step_ms) {
        if (recv(client, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
            break;
        clocks_advance(step_ms);
        poll(NULL, 0, 10);
    }
    rig_expect_end(client);
}

static void its_deadline_ends_it(void **state)
{
    struct rig *rig = *state;
    int client = connect_served(rig);

    let_pass(client, RIG_KEEPALIVE_MS, INT64_MAX);
    close(client);
    expect_return(rig);
}

static void the_stop_descriptor_ends_what_is_idle(void **state)
{
    struct rig *rig = *state;
    int client = connect_served(rig);

    atomic_store(&rig->server.shared->draining, true);
    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    let_pass(client, 100, RIG_KEEPALIVE_MS / 2); /* what was just used may be used again at once */
    close(client);
    expect_return(rig);
    assert_true(served.attendant.stopping);
}

/* As one that has served --max-requests is told: by a word alone. */
static void the_order_is_seen_without_a_descriptor(void **state)
{
    struct rig *rig = *state;
    int client = connect_served(rig);

    atomic_store(&rig_control(rig)->draining, true);
    let_pass(client, 100, RIG_KEEPALIVE_MS / 2);
    close(client);
    expect_return(rig);
    assert_true(served.attendant.stopping);
}

static void the_many_look_less_often(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(attendant_look_ms(&served.attendant), 250);
    rig->server.workers = 4000;
    assert_int_equal(attendant_look_ms(&served.attendant), 4000);
    atomic_store(&rig_control(rig)->spent, true);
    assert_int_equal(attendant_look_ms(&served.attendant), 250);
    rig->server.workers = RIG_WORKERS;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_client_ends_it),
        TEST(a_head_in_two_pieces_is_one_request),
        TEST(its_deadline_ends_it),
        TEST(the_stop_descriptor_ends_what_is_idle),
        TEST(the_order_is_seen_without_a_descriptor),
        TEST(the_many_look_less_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
