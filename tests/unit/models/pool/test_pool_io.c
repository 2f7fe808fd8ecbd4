/* SPDX-License-Identifier: MIT
 *
 * models/pool/pool_io.c: who blocks lets another lead, and gives up the lock of --gil if it is
 * handler code; what a worker opens for itself is recorded.
 */
#include "rig.h"

#include "models/pool/gil.h"
#include "models/pool/leaders.h"

static void who_blocks_lets_another_lead(void **state)
{
    struct rig *rig = *state;
    struct io *io = &rig->workers[1].pool_io.io;
    struct leaders *leaders = rig->pool->leaders;

    leaders_enter(leaders, 1);
    assert_int_equal(leaders_join(leaders, 1), LEADERS_WAIT);
    assert_int_equal(atomic_load(&leaders->place[0].holder), 2);
    pool_io_blocks(io);
    assert_int_equal(atomic_load(&leaders->place[0].holder), 0);
}

static void it_gives_way_where_work_waits(void **state)
{
    struct rig *rig = *state;
    struct io *io = &rig->workers[0].pool_io.io;
    int client;

    assert_false(pool_io_give_way(io));
    client = rig_connect(rig);
    rig_wait(pool_io_give_way(io));
    close(client);
}

/* Under its number in the pool, which need not be that of its slot. */
static void who_waits_for_a_client_is_among_the_slow(void **state)
{
    struct rig *rig = *state;
    struct io *io = &rig->workers[2].pool_io.io;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    rig->workers[2].pool_io.number = 1;
    assert_int_equal(pool_io_wait_client(io, pair[0], IO_READ | IO_WRITE, io_now_ms() + 1000, 0),
                     IO_WRITE);
    assert_int_equal(rig->pool->slow_clients->each[1].wait, 1);
    assert_int_equal(rig->pool->slow_clients->count, 2);
    close(pair[0]);
    close(pair[1]);
}

static void only_handler_code_holds_the_lock(void **state)
{
    struct gil gil;
    struct pool_io context = {.gil = &gil}; /* as with --dispatch=connection */
    struct io *io = &context.io;

    (void)state;
    gil_init(&gil);
    gil_acquire(&gil);  /* another thread's handler */
    pool_io_blocks(io); /* HTTP code, before a handler of its own */
    pool_io_goes_on(io);
    assert_true(gil.held);
    gil_release(&gil);
    pool_io_begin(io);
    assert_true(gil.held);
    pool_io_blocks(io);
    assert_false(gil.held);
    pool_io_goes_on(io);
    assert_true(gil.held);
    pool_io_checkpoint(io);
    assert_true(gil.held);
    pool_io_end(io);
    assert_false(gil.held);
    pool_io_blocks(io); /* HTTP code, after it */
    pool_io_goes_on(io);
    assert_false(gil.held);
    gil_term(&gil);
}

static void what_is_opened_is_recorded(void **state)
{
    struct rig *rig = *state;
    struct io *io = &rig->workers[2].pool_io.io;
    _Atomic uint32_t *changing = &io->stats->changing;
    int fd;

    io_opening(io);
    assert_int_equal(atomic_load(changing) % SHARED_CHANGE, SHARED_CHANGING);
    fd = dup(STDERR_FILENO);
    assert_false(lot_owns(rig->pool->lot, fd));
    io_hold(io, fd);
    assert_int_equal(atomic_load(changing) % SHARED_CHANGE, 0);
    assert_true(lot_owns(rig->pool->lot, fd));
    assert_false(lot_has_connection(rig->pool->lot, fd));

    io_unhold(io, fd);
    assert_int_equal(atomic_load(changing) % SHARED_CHANGE, SHARED_CHANGING);
    assert_false(lot_owns(rig->pool->lot, fd));
    io_hold(io, fd);
    io_close(io, fd);
    assert_int_equal(atomic_load(changing) % SHARED_CHANGE, 0);
    assert_false(lot_owns(rig->pool->lot, fd));
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(who_blocks_lets_another_lead),
        RIG_TEST(it_gives_way_where_work_waits),
        RIG_TEST(who_waits_for_a_client_is_among_the_slow),
        cmocka_unit_test(only_handler_code_holds_the_lock),
        RIG_TEST(what_is_opened_is_recorded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
