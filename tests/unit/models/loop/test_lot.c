/* SPDX-License-Identifier: MIT
 *
 * models/loop/lot.c: what becomes of a connection that is put back, and of those that nobody asks
 * for.
 */
#include "rig.h"

#include <stdio.h>

#include "tests/unit/aborts.h"

static struct loop_conn *served;

static void note_served(struct loop_process *p, struct loop_conn *c)
{
    (void)p;
    served = c;
}

static void ignore(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    (void)loop;
    (void)watch;
    (void)events;
}

/* A connection that was accepted, with its record. */
static struct loop_conn *open_conn(struct rig *rig)
{
    struct in6_addr client;
    struct loop_conn *c;
    int fd;

    rig_connect(rig, 1);
    fd = listen_accept(rig->server.listen_fd, &client);
    assert_true(fd >= 0);
    shared_connection_opened(rig->server.shared, rig->process.stats);
    c = loop_open_conn(&rig->process, fd, &client);
    coro_watch_init(&c->watch, fd, CORO_READ, ignore, &rig->process);
    return c;
}

static void what_is_not_open_is_not_put_back(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;
    struct loop_conn *c = open_conn(rig);
    char words[80];

    p->worker = 5;
    snprintf(words, sizeof words, "loop 5 was given descriptor %d, which it has", c->conn.fd);
    assert_aborts(words, (void)loop_open_conn(p, c->conn.fd, &(struct in6_addr){0}));
    loop_put_back(p, c, CONN_CLOSE);
    snprintf(words, sizeof words, "loop 5 puts descriptor %d back, which it has not", c->conn.fd);
    assert_aborts(words, loop_put_back(p, c, CONN_PARK));
}

static bool is_closed(struct rig *rig, const struct loop_conn *c)
{
    return !c->open && !coro_watch_active(&c->watch) && rig->process.open == 0 &&
           atomic_load(&rig->server.shared->open_connections) == 0;
}

static void it_is_parked_or_closed(void **state)
{
    struct rig *rig = *state;
    struct loop_context context;
    struct loop_conn *c;
    char byte;

    c = open_conn(rig);
    assert_int_equal(rig->process.open, 1);
    assert_int_equal(rig->process.high, c->conn.fd + 1);
    c->busy = &context;
    loop_put_back(&rig->process, c, CONN_PARK);
    assert_null(c->busy);
    assert_true(c->open && coro_watch_active(&c->watch));
    loop_put_back(&rig->process, c, CONN_CLOSE);
    assert_true(is_closed(rig, c));
    assert_int_equal(recv(rig->clients[0], &byte, 1, 0), 0);
}

static void a_close_makes_room_to_accept(void **state)
{
    struct rig *rig = *state;
    struct loop_conn *c = open_conn(rig);

    assert_int_equal(loop_accept_start(&rig->process, rig_admit), 0);
    rig->server.max_connections = 1;
    rig_connect(rig, 1);
    rig_turn(rig);
    assert_int_equal(rig->count, 0);
    loop_put_back(&rig->process, c, CONN_CLOSE);
    rig_turn(rig);
    assert_int_equal(rig->count, 1);
}

static void what_has_expired_is_ended_by_the_sweep(void **state)
{
    struct rig *rig = *state;
    struct loop_conn *c = open_conn(rig);
    struct loop_context context;

    loop_put_back(&rig->process, c, CONN_PARK);
    atomic_store(&c->conn.deadline_ms, io_now_ms() + 1);
    loop_sweep(&rig->process, note_served);
    assert_true(c->open);
    clocks_advance(1);
    c->busy = &context;
    loop_sweep(&rig->process, note_served);
    assert_true(c->open); /* it is being served */
    c->busy = NULL;
    c->queued = true;
    loop_sweep(&rig->process, note_served);
    assert_true(c->open); /* or is going to be */
    c->queued = false;
    loop_sweep(&rig->process, note_served);
    assert_true(is_closed(rig, c));
    assert_null(served);
}

static void while_draining_what_is_idle_is_closed(void **state)
{
    struct rig *rig = *state;
    struct loop_conn *c = open_conn(rig);

    loop_put_back(&rig->process, c, CONN_PARK);
    clocks_advance(1000); /* it has not connected just now */
    loop_sweep(&rig->process, note_served);
    assert_true(c->open);
    rig->process.draining = true;
    loop_sweep(&rig->process, note_served);
    assert_true(is_closed(rig, c));
}

static void what_cannot_be_watched_is_served(void **state)
{
    struct rig *rig = *state;
    struct loop_conn *c = open_conn(rig);

    served = NULL;
    loop_put_back(&rig->process, c, CONN_PARK);
    loop_sweep(&rig->process, note_served);
    assert_null(served);
    coro_watch_stop(rig->process.loop, &c->watch);
    loop_sweep(&rig->process, note_served);
    assert_ptr_equal(served, c);
    served = NULL;
    loop_put_back(&rig->process, c, CONN_CLOSE);
}

/* Where many connections end, those that ended are looked after when the next sweep comes. */
static void in_a_rush_an_ending_one_goes_unwatched(void **state)
{
    struct rig *rig = *state;
    struct loop_conn *c = open_conn(rig);

    c->conn.phase = CONN_ENDING;
    loop_put_back(&rig->process, c, CONN_PARK);
    assert_true(coro_watch_active(&c->watch));
    coro_watch_stop(rig->process.loop, &c->watch);
    rig->process.rush.least = 1;
    loop_put_back(&rig->process, c, CONN_PARK);
    assert_false(coro_watch_active(&c->watch));
    assert_int_equal(rig->process.unwatched_count, 1);
    close(rig->clients[--rig->client_count]);
    loop_sweep(&rig->process, note_served);
    assert_true(is_closed(rig, c));
    assert_int_equal(rig->process.unwatched_count, 0);
    assert_null(served);
}

static struct loop_conn *other;

/* While one is served another is, too, and ends. */
static void serve_and_end_another(struct loop_process *p, struct loop_conn *c)
{
    assert_null(served);
    served = c;
    coro_watch_start(p->loop, &c->watch);
    other->conn.phase = CONN_ENDING;
    loop_put_back(p, other, CONN_PARK);
}

static void one_that_goes_unwatched_in_a_sweep_is_not_served_by_it(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;
    struct loop_conn *first = open_conn(rig);
    struct loop_context context;

    other = open_conn(rig);
    assert_true(other->conn.fd > first->conn.fd);
    other->busy = &context;
    p->rush.least = 1;
    served = NULL;
    loop_sweep(p, serve_and_end_another);
    assert_ptr_equal(served, first);
    assert_int_equal(p->unwatched_count, 1);
    loop_sweep(p, serve_and_end_another); /* its client has not closed: it is watched */
    assert_int_equal(p->unwatched_count, 0);
    assert_true(coro_watch_active(&other->watch));
    loop_put_back(p, first, CONN_CLOSE);
    loop_put_back(p, other, CONN_CLOSE);
}

/* With --dispatch=connection: it is of use again when its connection is closed, whoever does that,
 * unless all of them end. */
static void who_kept_it_is_idle_after_it(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;
    struct loop_context keepers[2] = {{.process = p}, {.process = p}};

    for (int i = 0; i < 2; i++) {
        struct loop_conn *c = open_conn(rig);

        shared_context_enter(rig->server.shared, p->stats);
        c->keeper = &keepers[i];
        loop_put_back(p, c, CONN_PARK);
        assert_ptr_equal(c->keeper, &keepers[i]);
        assert_int_equal(p->idle_count, 0);
        p->stopping = i == 1;
        loop_put_back(p, c, CONN_CLOSE);
        assert_null(c->keeper);
        assert_true(is_closed(rig, c));
        assert_int_equal(p->idle_count, i == 1 ? 0 : 1);
        assert_int_equal(atomic_load(&rig->server.shared->contexts), i == 1 ? 1 : 0);
        if (i == 0)
            assert_ptr_equal(loop_take_context(p), &keepers[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_is_not_open_is_not_put_back),
        RIG_TEST(it_is_parked_or_closed),
        RIG_TEST(a_close_makes_room_to_accept),
        RIG_TEST(what_has_expired_is_ended_by_the_sweep),
        RIG_TEST(while_draining_what_is_idle_is_closed),
        RIG_TEST(what_cannot_be_watched_is_served),
        RIG_TEST(in_a_rush_an_ending_one_goes_unwatched),
        RIG_TEST(one_that_goes_unwatched_in_a_sweep_is_not_served_by_it),
        RIG_TEST(who_kept_it_is_idle_after_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
