/* SPDX-License-Identifier: MIT
 *
 * models/pool/shared_pool.c: what a master does to the pool of its processes reaches that pool, and
 * the pool lives as long as a generation has it.
 */
#include "rig.h"

#include <poll.h>

#include "models/pool/leaders.h"
#include "models/pool/shared_pool.h"
#include "models/pool/slow_clients.h"

static struct rig rig;
static struct shared_pool *shared;

static int begin(void **state)
{
    (void)state;
    rig_init(&rig);
    shared = shared_pool_new(&rig.server, NULL);
    return shared == NULL;
}

static int end(void **state)
{
    (void)state;
    shared_pool_free(shared);
    rig_term(&rig);
    return 0;
}

static bool is_readable(int fd)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};

    return poll(&readable, 1, 0) > 0;
}

static void generations_follow_in_it(void **state)
{
    (void)state;
    assert_ptr_equal(shared_pool_new(&rig.server, shared), shared);
    shared_pool_free(shared);
    assert_true(shared_pool_owns(shared, shared_pool_of(shared)->stop_fd)); /* it is there still */
}

static void not_where_its_memory_does_not_fit(void **state)
{
    struct shared_pool *other;

    (void)state;
    rig.config.max_header *= 2;
    other = shared_pool_new(&rig.server, shared);
    assert_non_null(other);
    assert_ptr_not_equal(other, shared);
    shared_pool_free(other);
}

static void what_is_its_own_is_no_stray(void **state)
{
    const struct pool *pool = shared_pool_of(shared);

    (void)state;
    assert_true(shared_pool_owns(shared, pool->stop_fd));
    assert_true(shared_pool_owns(shared, pool->lot->epoll_fd));
    assert_false(shared_pool_owns(shared, rig.stop_fd));
    assert_false(shared_pool_owns(shared, rig.server.listen_fd)); /* the master's */
}

static void what_waits_is_accepted_kept_and_drained(void **state)
{
    int client = rig_connect(&rig);

    (void)state;
    rig_wait(is_readable(rig.server.listen_fd));
    shared_pool_take_backlog(&rig.server, shared);
    assert_int_equal(shared_pool_connections(shared), 1);
    atomic_store(&rig.server.shared->draining, true); /* nothing that is idle may stay */
    clocks_advance(1000);
    assert_true(shared_pool_drained(&rig.server, shared));
    assert_int_equal(shared_pool_connections(shared), 0);
    rig_expect_end(client);
    close(client);
}

static void at_a_tick_what_has_expired_is_closed(void **state)
{
    int client = rig_connect(&rig);

    (void)state;
    rig_wait(is_readable(rig.server.listen_fd));
    shared_pool_take_backlog(&rig.server, shared);
    rig.server.workers = 400;
    shared_pool_tick(&rig.server, shared);
    assert_int_equal(shared_pool_connections(shared), 1);
    assert_int_equal(atomic_load(&shared_pool_of(shared)->slow_clients->limit), 300);
    clocks_advance(RIG_HEADER_MS);
    shared_pool_tick(&rig.server, shared);
    assert_int_equal(shared_pool_connections(shared), 0);
    close(client);
}

static void one_that_retires_leaves_accepting_to_others(void **state)
{
    struct epoll_event event;
    int client;

    (void)state;
    shared_pool_retire(&rig.server, shared);
    client = rig_connect(&rig);
    rig_wait(is_readable(rig.server.listen_fd));
    assert_int_equal(epoll_wait(shared_pool_of(shared)->lot->epoll_fd, &event, 1, 0), 0);
    close(client);
}

static void all_are_told_to_leave(void **state)
{
    struct epoll_event event;

    (void)state;
    shared_pool_finish(shared);
    assert_int_equal(epoll_wait(shared_pool_of(shared)->lot->epoll_fd, &event, 1, 0), 1);
    assert_int_equal(event.data.fd, shared_pool_of(shared)->stop_fd);
}

static void what_a_dead_worker_had_is_closed(void **state)
{
    struct lot *lot = shared_pool_of(shared)->lot;
    struct pool_io dead = rig.workers[2].pool_io;
    int fd = dup(STDERR_FILENO);

    (void)state;
    dead.pool = shared_pool_of(shared);
    io_opening(&dead.io);
    io_hold(&dead.io, fd);
    shared_worker_died(rig.server.shared, 2);
    shared_pool_died(2, true, shared);
    assert_true(atomic_load(&lot->rearm)); /* it may have had an event */
    shared_pool_release(&rig.server, shared);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_false(shared_pool_owns(shared, fd));
}

static void who_is_dismissed_while_idle_needs_a_signal(void **state)
{
    struct worker_control *control = &rig.server.shared->workers[1].control;

    (void)state;
    assert_false(shared_pool_dismiss(&rig.server, 1, shared)); /* busy: it looks when it is done */
    atomic_store(&control->state, LEADERS_IDLE);
    assert_true(shared_pool_dismiss(&rig.server, 1, shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(generations_follow_in_it, begin, end),
        cmocka_unit_test_setup_teardown(not_where_its_memory_does_not_fit, begin, end),
        cmocka_unit_test_setup_teardown(what_is_its_own_is_no_stray, begin, end),
        cmocka_unit_test_setup_teardown(what_waits_is_accepted_kept_and_drained, begin, end),
        cmocka_unit_test_setup_teardown(at_a_tick_what_has_expired_is_closed, begin, end),
        cmocka_unit_test_setup_teardown(one_that_retires_leaves_accepting_to_others, begin, end),
        cmocka_unit_test_setup_teardown(all_are_told_to_leave, begin, end),
        cmocka_unit_test_setup_teardown(what_a_dead_worker_had_is_closed, begin, end),
        cmocka_unit_test_setup_teardown(who_is_dismissed_while_idle_needs_a_signal, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
