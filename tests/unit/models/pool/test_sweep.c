/* SPDX-License-Identifier: MIT
 *
 * pool.h, what one does that is no worker: what becomes of a connection when its time is over,
 * after deaths, and while draining.
 */
#include "rig.h"

/* Whose client has its last answer is left unarmed; the sweep sees that it has gone. */
static void who_ends_is_looked_at_by_the_sweep(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig->pool->rush.least = 0;
    rig_start(rig, 1);
    client = rig_say_goodbye(rig, &fd);
    rig_wait(rig_owner(rig, fd) == OWNER_UNWATCHED);
    assert_int_equal(atomic_load(&rig->pool->lot->unwatched_so_far), 1);
    close(client);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), OWNER_NONE);
    assert_int_equal(rig_open(rig), 0);
}

/* One that has not gone by then is watched, and closed as soon as it goes. */
static void who_takes_long_to_end_is_watched(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig->pool->rush.least = 0;
    rig_start(rig, 1);
    client = rig_say_goodbye(rig, &fd);
    rig_wait(rig_owner(rig, fd) == OWNER_UNWATCHED);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), OWNER_PARKED);
    rig_send(client, rig_request); /* against the agreement: dropped, and no reset */
    rig_wait(rig_bytes_in(rig) > 2 * strlen(rig_request));
    rig_expect_end(client);
    close(client);
    rig_wait(rig_owner(rig, fd) == OWNER_NONE);
}

static void the_sweep_closes_what_is_idle_for_too_long(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    clocks_advance(RIG_HEADER_MS - 1);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), OWNER_PARKED);
    rig_expect_silence(client);
    clocks_advance(1);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), OWNER_NONE);
    assert_int_equal(rig_open(rig), 0);
    rig_expect_end(client);
    close(client);
}

static void being_served_moves_the_deadline(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    clocks_advance(RIG_HEADER_MS - 1);
    rig_ask(client);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    clocks_advance(RIG_KEEPALIVE_MS - 1);
    pool_sweep(rig->pool, &rig->master_io);
    rig_ask(client);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED && rig_untaken(fd) == 0);
    clocks_advance(RIG_KEEPALIVE_MS);
    pool_sweep(rig->pool, &rig->master_io);
    rig_expect_end(client);
    close(client);
}

static void the_sweep_answers_what_has_begun(void **state)
{
    struct rig *rig = *state;
    char text[1000];
    ssize_t length;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    rig_send(client, "GET /");
    rig_wait(rig_bytes_in(rig) == 5);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    clocks_advance(RIG_HEADER_MS);
    pool_sweep(rig->pool, &rig->master_io);
    length = recv(client, text, sizeof text - 1, 0);
    assert_true(length > 13);
    assert_memory_equal(text, "HTTP/1.1 408 ", 13);
    rig_expect_end(client);
    assert_int_equal(rig_open(rig), 1); /* it lingers */
    close(client);
    rig_wait(rig_owner(rig, fd) == OWNER_NONE);
}

static void lingering_ends_with_a_sweep(void **state)
{
    struct rig *rig = *state;
    char text[1000];
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    rig_send(client, "BAD\r\n");
    assert_true(recv(client, text, sizeof text, 0) > 0);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED && rig_untaken(fd) == 0);
    clocks_advance(60000);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), OWNER_NONE);
    close(client);
}

static void the_sweep_leaves_what_is_served_or_held(void **state)
{
    struct rig *rig = *state;
    int fd, client, held = dup(STDIN_FILENO);

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    rig_seize(rig, fd, RIG_DEAD + OWNER_WORKERS);
    io_opening(&rig->workers[RIG_DEAD].pool_io.io);
    io_hold(&rig->workers[RIG_DEAD].pool_io.io, held);
    clocks_advance(1000000);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), RIG_DEAD + OWNER_WORKERS);
    assert_int_equal(rig_owner(rig, held), (RIG_DEAD + OWNER_WORKERS) | OWNER_HELD);
    assert_true(fcntl(held, F_GETFD) >= 0);
    rig_expect_silence(client);
    close(client);
}

/* A client that was answered, and is idle since; *fd is the server's descriptor. */
static int connect_answered(struct rig *rig, int *fd)
{
    int client = rig_connect_parked(rig, fd);

    rig_ask(client);
    rig_wait(rig_owner(rig, *fd) == OWNER_PARKED && rig_untaken(*fd) == 0);
    return client;
}

static void who_is_idle_longest_makes_room(void **state)
{
    enum { CLIENTS = 4, WANTED = 2 };
    struct rig *rig = *state;
    int fds[CLIENTS], clients[CLIENTS];

    rig_start(rig, 1);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_answered(rig, &fds[i]);
        clocks_advance(1000);
    }
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_open(rig), CLIENTS); /* nobody waits for a place */
    atomic_store(&rig->server.shared->places_of_idle, WANTED);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_open(rig), CLIENTS - WANTED);
    for (int i = 0; i < CLIENTS; i++) {
        if (i < WANTED)
            rig_expect_end(clients[i]);
        else
            rig_ask(clients[i]);
        close(clients[i]);
    }
}

/* Where all lead there is no keeper that would; leaders.h. */
static void the_sweep_lets_the_limit_of_leaders_fall(void **state)
{
    struct rig *rig = *state;
    struct leaders *leaders = rig->pool->leaders;
    unsigned raised = leaders->cores + 8;

    atomic_store(&leaders->limit, raised);
    pool_sweep(rig->pool, &rig->master_io);
    assert_in_range(atomic_load(&leaders->limit), leaders->cores, raised - 1);
}

/* The kernel told it of a connection, and it died before it took it. */
static void an_event_that_a_dead_worker_took_along_comes_again(void **state)
{
    struct rig *rig = *state;
    struct epoll_event event;
    int fd, client, waiting;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    rig_ask(client);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    rig_stop(rig);
    rig_send(client, rig_request);
    assert_int_equal(epoll_wait(rig->pool->lot->epoll_fd, &event, 1, RIG_PATIENCE_S * 1000), 1);
    assert_int_equal(event.data.fd, fd);
    waiting = rig_connect(rig); /* and the same for the listening socket */
    assert_int_equal(epoll_wait(rig->pool->lot->epoll_fd, &event, 1, RIG_PATIENCE_S * 1000), 1);
    assert_int_equal(event.data.fd, rig->server.listen_fd);
    assert_int_equal(epoll_wait(rig->pool->lot->epoll_fd, &event, 1, 0), 0);

    rig_kill(rig, RIG_DEAD);
    pool_sweep(rig->pool, &rig->master_io);
    rig_start(rig, 1);
    rig_answer(client);
    rig_ask(waiting);
    close(client);
    close(waiting);
}

/* One that cannot be watched until its time is over is closed then, whatever it has sent. */
static void what_cannot_be_armed_in_time_is_closed(void **state)
{
    struct rig *rig = *state;
    int set = rig->pool->lot->epoll_fd, client = rig_connect(rig);

    pool_take_backlog(rig->pool, &rig->master_io);
    rig_send(client, rig_request);
    rig->pool->lot->epoll_fd = rig->stop_fd;
    clocks_advance(RIG_HEADER_MS);
    pool_sweep(rig->pool, &rig->master_io);
    rig->pool->lot->epoll_fd = set;
    assert_int_equal(rig_open(rig), 0);
    close(client);
}

static void draining_closes_the_idle_and_waits_for_the_rest(void **state)
{
    struct rig *rig = *state;
    char text[1000];
    ssize_t length;
    int idle_fd, busy_fd, idle, busy;

    rig_start(rig, 1);
    idle = rig_connect_parked(rig, &idle_fd);
    busy = rig_connect_parked(rig, &busy_fd);
    rig_send(busy, "GET /hello HTTP/1.1\r\n");
    rig_wait(rig_bytes_in(rig) == 21);
    rig_wait(rig_owner(rig, busy_fd) == OWNER_PARKED);
    atomic_store(&rig->server.shared->draining, true);
    clocks_advance(1000); /* else the next request might be on its way */
    assert_false(pool_drain(rig->pool, &rig->master_io));
    rig_expect_end(idle);
    assert_int_equal(rig_owner(rig, idle_fd), OWNER_NONE);
    assert_false(pool_drain(rig->pool, &rig->master_io));

    rig_send(busy, "Host: a\r\n\r\n");
    length = recv(busy, text, sizeof text - 1, 0);
    assert_true(length > 0);
    text[length] = '\0';
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    close(busy);
    rig_wait(pool_drain(rig->pool, &rig->master_io));
    rig_wait(rig_open(rig) == 0); /* counted right after the record was given up */
    close(idle);
}

/* However short the time since the machine started, from which the clock counts. */
static void the_first_look_of_draining_comes_at_once(void **state)
{
    struct rig *rig = *state;
    int64_t now_ms = atomic_load(&clocks.now_ms);
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    atomic_store(&rig->server.shared->draining, true);
    atomic_store(&clocks.now_ms, 1);
    atomic_store(&rig->pool->lot->records[fd].conn.deadline_ms, 1); /* idle for long */
    assert_true(pool_drain(rig->pool, &rig->master_io));
    atomic_store(&clocks.now_ms, now_ms);
    rig_expect_end(client);
    close(client);
}

/* Draining looks several times a second; what may stay is left as it is, armed or not. */
static void draining_does_not_touch_what_may_stay(void **state)
{
    struct rig *rig = *state;
    struct worker_control control = {.draining = true};
    int client = rig_connect(rig), fd;
    struct epoll_event event;

    pool_take_backlog(rig->pool, &rig->master_io);
    fd = rig_find(rig, client);
    rig_send(client, rig_request);
    assert_int_equal(epoll_wait(rig->pool->lot->epoll_fd, &event, 1, RIG_PATIENCE_S * 1000), 1);
    assert_int_equal(event.data.fd, fd); /* told of once; armed again, it would be again */
    rig->server.control = &control;
    atomic_store(&control.idle_until_ms, io_now_ms() + 1000);
    for (int i = 0; i < 3; i++)
        assert_false(pool_drain(rig->pool, &rig->master_io));
    assert_int_equal(epoll_wait(rig->pool->lot->epoll_fd, &event, 1, 0), 0);

    clocks_advance(1000);
    assert_false(pool_drain(rig->pool, &rig->master_io));
    assert_int_equal(epoll_wait(rig->pool->lot->epoll_fd, &event, 1, 0),
                     1);        /* its request is served */
    for (int i = 0; i < 3; i++) /* nor each time that it looks then */
        assert_false(pool_drain(rig->pool, &rig->master_io));
    assert_int_equal(epoll_wait(rig->pool->lot->epoll_fd, &event, 1, 0), 0);
    rig->server.control = NULL;
    close(client);
}

static void nobody_accepts_once_it_has_drained(void **state)
{
    struct rig *rig = *state;
    int late;

    assert_true(pool_drain(rig->pool, &rig->master_io));
    late = rig_connect(rig); /* as if a worker had been told of it just before */
    rig_start(rig, 1);
    rig_wait(atomic_load(&rig->workers[0].pool_io.io.stats->control.state) == LEADERS_IDLE);
    rig_stop(rig);
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig_find(rig, late), -1);
    close(late);
}

static void it_has_not_drained_while_a_worker_may_accept(void **state)
{
    struct rig *rig = *state;

    io_opening(&rig->workers[2].pool_io.io); /* it has looked already whether it may */
    assert_false(pool_drain(rig->pool, &rig->master_io));
    io_hold(&rig->workers[2].pool_io.io, -1);
    shared_toggle_passing(
        rig->workers[2].pool_io.io.stats); /* one that comes or goes accepts nothing */
    assert_true(pool_drain(rig->pool, &rig->master_io));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(who_ends_is_looked_at_by_the_sweep),
        RIG_TEST(who_takes_long_to_end_is_watched),
        RIG_TEST(the_sweep_closes_what_is_idle_for_too_long),
        RIG_TEST(being_served_moves_the_deadline),
        RIG_TEST(the_sweep_answers_what_has_begun),
        RIG_TEST(lingering_ends_with_a_sweep),
        RIG_TEST(the_sweep_leaves_what_is_served_or_held),
        RIG_TEST(who_is_idle_longest_makes_room),
        RIG_TEST(the_sweep_lets_the_limit_of_leaders_fall),
        RIG_TEST(an_event_that_a_dead_worker_took_along_comes_again),
        RIG_TEST(what_cannot_be_armed_in_time_is_closed),
        RIG_TEST(draining_closes_the_idle_and_waits_for_the_rest),
        RIG_TEST(the_first_look_of_draining_comes_at_once),
        RIG_TEST(draining_does_not_touch_what_may_stay),
        RIG_TEST(nobody_accepts_once_it_has_drained),
        RIG_TEST(it_has_not_drained_while_a_worker_may_accept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
