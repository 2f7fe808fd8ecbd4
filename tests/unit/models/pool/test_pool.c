/* SPDX-License-Identifier: MIT
 *
 * pool.h, its workers: who is served, accepted, put back and dismissed, and that nothing is lost
 * under threads.
 */
#include "rig.h"

#include <sys/resource.h>

static void a_connection_is_served_parked_and_forgotten(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    assert_int_equal(rig_open(rig), 1);
    for (int i = 0; i < 3; i++)
        rig_ask(client);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    assert_int_equal(stats_get(&rig->server.shared->workers[0].requests), 3);
    close(client);
    rig_wait(rig_owner(rig, fd) == OWNER_NONE);
    rig_wait(rig_open(rig) == 0);
    rig_stop(rig);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(atomic_load(&rig->server.shared->contexts), 0);
    assert_int_equal(atomic_load(&rig->server.shared->contexts_peak), 1);
}

/* How many are parked unwatched. */
static int32_t count_unwatched(const struct rig *rig)
{
    int32_t count = 0;

    for (int fd = 0; fd < RIG_DESCRIPTORS; fd++)
        count += rig_owner(rig, fd) == OWNER_UNWATCHED;
    return count;
}

/* Under load nobody is idle: whoever ends looks after those before. */
static void many_that_end_are_all_looked_at(void **state)
{
    struct rig *rig = *state;
    int fd;

    rig->server.max_connections = 4 * LOT_UNWATCHED;
    rig->pool->rush.least = 0;
    rig_start(rig, 2);
    for (unsigned i = 0; i < 3 * LOT_UNWATCHED; i++)
        close(rig_say_goodbye(rig, &fd));
    rig_wait(atomic_load(&rig->pool->lot->unwatched_so_far) == 3 * LOT_UNWATCHED);
    rig_wait(rig_open(rig) <= LOT_UNWATCHED + 1);
    rig_wait(count_unwatched(rig) == rig_open(rig)); /* no worker is on its way with one */
    pool_sweep(rig->pool, &rig->master_io);
    rig_wait(rig_open(rig) == 0);
}

/* Where there is no rush, each is watched until it goes, and closed then. */
static void who_ends_alone_is_watched(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig->pool->rush.least = 2;
    rig_start(rig, 1);
    client = rig_say_goodbye(rig, &fd);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    assert_int_equal(atomic_load(&rig->pool->lot->unwatched_so_far), 0);
    close(client);
    rig_wait(rig_open(rig) == 0);
}

/* They are not kept at the price of others' places. */
static void nobody_goes_unwatched_where_places_are_few(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig->server.max_connections = 1;
    rig->pool->rush.least = 0;
    rig_start(rig, 1);
    client = rig_say_goodbye(rig, &fd);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    assert_int_equal(atomic_load(&rig->pool->lot->unwatched_so_far), 0);
    close(client);
    rig_wait(rig_open(rig) == 0);
}

/* An event is a hint: who does not win the record must leave the connection alone. */
static void an_event_for_what_another_owns_is_dropped(void **state)
{
    struct rig *rig = *state;
    int fd, other_fd, client, other;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    other = rig_connect_parked(rig, &other_fd);
    rig_seize(rig, fd, RIG_DEAD + OWNER_WORKERS);
    rig_send(client, rig_request);
    rig_ask(other); /* the worker's events come in the order they happened in */
    rig_ask(other);
    rig_expect_silence(client);
    assert_int_equal(rig_owner(rig, fd), RIG_DEAD + OWNER_WORKERS);

    /* Parked again and armed, it is served. */
    atomic_store(&rig->pool->lot->records[fd].owner, OWNER_PARKED);
    rig_kill(rig, RIG_DEAD);
    pool_sweep(rig->pool, &rig->master_io);
    rig_answer(client);
    close(client);
    close(other);
}

static void no_more_than_the_allowed_connections(void **state)
{
    struct rig *rig = *state;
    int fds[2], clients[2], waiting;

    rig->server.max_connections = 2;
    rig_start(rig, 2);
    clients[0] = rig_connect_parked(rig, &fds[0]);
    assert_false(atomic_load(&rig->pool->accept_paused));
    clients[1] = rig_connect_parked(rig, &fds[1]);
    rig_wait(atomic_load(&rig->pool->accept_paused));
    waiting = rig_connect(rig);
    rig_send(waiting, rig_request);
    pool_sweep(rig->pool, &rig->master_io); /* there is no more room than before */
    rig_ask(clients[0]);
    rig_ask(clients[1]);
    assert_int_equal(rig_find(rig, waiting), -1);
    assert_int_equal(rig_open(rig), 2);
    assert_true(atomic_load(&rig->pool->accept_paused));

    close(clients[0]); /* the next has its place at once, without a sweep */
    rig_answer(waiting);
    rig_ask(clients[1]);
    close(waiting);
    close(clients[1]);
    rig_wait(rig_open(rig) == 0);
    rig_wait(!atomic_load(&rig->pool->accept_paused));
}

static void a_full_table_of_descriptors(void **state)
{
    struct rig *rig = *state;
    struct rlimit before, none;
    int client, lowest;

    client = rig_connect(rig);
    rig_send(client, rig_request);
    lowest = dup(STDIN_FILENO);
    assert_true(lowest >= 0);
    close(lowest);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
    none = before;
    none.rlim_cur = (rlim_t)lowest;
    assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
    rig_start(rig, 1);
    rig_wait(atomic_load(&rig->pool->accept_paused));
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    assert_int_equal(rig_open(rig), 0);
    pool_sweep(rig->pool, &rig->master_io);
    assert_false(atomic_load(&rig->pool->accept_paused) && rig_find(rig, client) < 0);
    rig_answer(client);
    close(client);
}

static void a_busy_worker_returns_when_it_looks(void **state)
{
    struct rig *rig = *state;
    struct worker_control *control = &rig->workers[0].pool_io.io.stats->control;

    assert_false(leaders_dismiss(control)); /* nobody has to be interrupted */
    assert_false(leaders_dismiss(control));
    pool_work(rig->pool, &rig->workers[0].pool_io.io); /* returns at once */
    assert_int_equal(atomic_load(&control->state), LEADERS_DISMISSED);
}

static void an_idle_worker_serves_the_event_it_was_given(void **state)
{
    struct rig *rig = *state;
    struct rig_worker *worker = &rig->workers[0];
    struct worker_control *control = &worker->pool_io.io.stats->control;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    rig_wait(atomic_load(&control->state) == LEADERS_IDLE);
    assert_true(leaders_dismiss(control)); /* it waits, and there is no signal here to wake it */
    assert_false(leaders_dismiss(control));
    rig_ask(client); /* not lost, though it was told to leave before */
    assert_int_equal(pthread_join(worker->thread, NULL), 0);
    rig->running = 0;
    assert_int_equal(rig_owner(rig, fd), OWNER_PARKED);
    atomic_store(&control->state, LEADERS_BUSY); /* a successor in its slot goes on with it */
    rig_start(rig, 1);
    rig_ask(client);
    close(client);
}

static void a_worker_tells_that_it_has_served_its_share(void **state)
{
    struct rig *rig = *state;
    struct worker_control *control = &rig->workers[0].pool_io.io.stats->control;
    eventfd_t told;
    int client;

    rig->config.max_requests = 3;
    rig->server.control = control;
    rig->server.master_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rig_start(rig, 1);
    client = rig_connect(rig);
    rig_ask(client);
    rig_ask(client);
    rig_wait(atomic_load(&control->state) == LEADERS_IDLE);
    assert_false(atomic_load(&control->spent));
    for (int i = 0; i < 3; i++)
        rig_ask(client); /* it goes on until it is told to leave */
    rig_wait(atomic_load(&control->spent));
    rig_stop(rig);
    assert_return_code(eventfd_read(rig->server.master_fd, &told), errno);
    assert_int_equal(told, 1); /* and says so once */
    close(rig->server.master_fd);
    close(client);
}

static void what_waits_to_be_accepted_is_taken_in(void **state)
{
    struct rig *rig = *state;
    int clients[3];

    for (int i = 0; i < 3; i++)
        clients[i] = rig_connect(rig);
    rig_send(clients[1], rig_request);
    pool_take_backlog(rig->pool, &rig->master_io);
    assert_int_equal(rig_open(rig), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rig_owner(rig, rig_find(rig, clients[i])), OWNER_PARKED);
    assert_false(pool_drain(rig->pool, &rig->master_io));
    rig_expect_silence(clients[0]); /* it has just come, and may be asking */
    clocks_advance(1000);
    assert_false(pool_drain(rig->pool, &rig->master_io));
    rig_expect_end(clients[0]);
    rig_expect_end(clients[2]);
    rig_start(rig, 1);
    rig_answer(clients[1]);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}

static void many_connections_and_workers(void **state)
{
    enum { CLIENTS = 24, ROUNDS = 60 };
    struct rig *rig = *state;
    int clients[CLIENTS];
    uint64_t requests = 0;

    rig_start(rig, RIG_WORKERS);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = rig_connect(rig);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            rig_send(clients[i], rig_request);
        atomic_store(&rig->pool->lot->rearm, true);
        pool_sweep(rig->pool, &rig->master_io);
        for (int i = 0; i < CLIENTS; i++)
            rig_answer(clients[i]);
        close(clients[round % CLIENTS]);
        clients[round % CLIENTS] = rig_connect(rig);
    }
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    rig_wait(rig_open(rig) == 0);
    rig_stop(rig);
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        requests += stats_get(&rig->server.shared->workers[i].requests);
    assert_int_equal(requests, CLIENTS * ROUNDS);
    assert_int_equal(atomic_load(&rig->server.shared->contexts), 0);
    for (int fd = 0; fd < RIG_DESCRIPTORS; fd++)
        assert_int_equal(rig_owner(rig, fd), OWNER_NONE);
}

/* One worker, until it has taken one event of the listening socket: what stops it comes next. */
static void accept_once(struct rig *rig)
{
    eventfd_t ignored;

    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    pool_work(rig->pool, &rig->workers[0].pool_io.io);
    assert_return_code(eventfd_read(rig->stop_fd, &ignored), errno);
}

/* Else all connections would be served once for each newcomer. */
static void all_who_wait_are_let_in_once_others_were_served(void **state)
{
    struct rig *rig = *state;
    int clients[4];

    for (int i = 0; i < 4; i++)
        clients[i] = rig_connect(rig);
    accept_once(rig);
    assert_int_equal(rig_open(rig), 1);
    rig->server.max_connections = 3;
    atomic_store(&rig->pool->served_since, true);
    accept_once(rig);
    assert_int_equal(rig_open(rig), 3);
    assert_true(atomic_load(&rig->pool->accept_paused));
    pool_take_backlog(rig->pool, &rig->master_io); /* nobody else is going to accept it */
    assert_int_equal(rig_open(rig), 4);
    for (int i = 0; i < 4; i++)
        close(clients[i]);
}

static void only_those_that_stay_count_as_served(void **state)
{
    static const char *const last[] = {
        "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "BAD\r\n", ""};
    struct rig *rig = *state;
    char text[1000];
    int fd, client;

    rig_start(rig, 1);
    for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
        client = rig_connect_parked(rig, &fd);
        rig_ask(client);
        rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
        assert_true(atomic_load(&rig->pool->served_since));
        atomic_store(&rig->pool->served_since, false);
        rig_send(client, last[i]);
        assert_return_code(shutdown(client, SHUT_WR), errno);
        while (recv(client, text, sizeof text, 0) > 0)
            ;
        rig_wait(rig_open(rig) == 0);
        assert_false(atomic_load(&rig->pool->served_since));
        close(client);
    }
}

static void a_worker_leads_while_it_looks_for_work(void **state)
{
    struct rig *rig = *state;
    struct leaders *leaders = rig->pool->leaders;
    int client;

    rig_start(rig, 1);
    client = rig_connect(rig);
    rig_ask(client);
    assert_int_equal(atomic_load(&leaders->place[0].holder), 1);
    assert_int_equal(atomic_load(&leaders->members[0]), 1);
    assert_true(atomic_load(&rig->workers[0].pool_io.io.stats->control.events) > 0);
    rig_stop(rig);
    assert_int_equal(atomic_load(&leaders->place[0].holder), 0);
    close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_connection_is_served_parked_and_forgotten),
        RIG_TEST(many_that_end_are_all_looked_at),
        RIG_TEST(who_ends_alone_is_watched),
        RIG_TEST(nobody_goes_unwatched_where_places_are_few),
        RIG_TEST(an_event_for_what_another_owns_is_dropped),
        RIG_TEST(no_more_than_the_allowed_connections),
        RIG_TEST(a_full_table_of_descriptors),
        RIG_TEST(a_busy_worker_returns_when_it_looks),
        RIG_TEST(an_idle_worker_serves_the_event_it_was_given),
        RIG_TEST(a_worker_tells_that_it_has_served_its_share),
        RIG_TEST(what_waits_to_be_accepted_is_taken_in),
        RIG_TEST(many_connections_and_workers),
        RIG_TEST(all_who_wait_are_let_in_once_others_were_served),
        RIG_TEST(only_those_that_stay_count_as_served),
        RIG_TEST(a_worker_leads_while_it_looks_for_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
