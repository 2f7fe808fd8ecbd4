/* SPDX-License-Identifier: MIT
 *
 * lot.h: who may touch a connection, what becomes of it when its worker dies or there is no room
 * to watch it, and that no owner word is changed but by the owner.
 */
#include "rig.h"

#include "tests/unit/aborts.h"

static void a_new_connection_takes_over_a_number(void **state)
{
    struct rig *rig = *state;

    rig_start(rig, 2);
    for (int i = 0; i < 50; i++) {
        int client = rig_connect(rig);

        rig_ask(client);
        close(client);
    }
    rig_wait(rig_open(rig) == 0);
    assert_true(atomic_load(&rig->pool->lot->high) < RIG_DESCRIPTORS / 2);
}

static void parked_again_it_gives_its_spill_back(void **state)
{
    struct rig *rig = *state;
    const char *spill;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    spill = rig->pool->lot->spill + (size_t)fd * rig->pool->lot->spill_size;
    rig_send(client, "GET /hello HTT");
    rig_wait(rig_bytes_in(rig) == 14);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    assert_memory_equal(spill, "GET /hello HTT", 14);
    rig_send(client, "P/1.1\r\nHost: a\r\n\r\n");
    rig_answer(client);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    for (size_t i = 0; i < rig->pool->lot->spill_size; i++)
        assert_int_equal(spill[i], 0);
    close(client);
}

static void closed_it_gives_its_spill_back(void **state)
{
    struct rig *rig = *state;
    const char *spill;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    spill = rig->pool->lot->spill + (size_t)fd * rig->pool->lot->spill_size;
    rig_send(client, "GET /hello HTT");
    rig_wait(rig_bytes_in(rig) == 14);
    rig_wait(rig_owner(rig, fd) == OWNER_PARKED);
    assert_int_equal(spill[0], 'G');
    close(client);
    rig_wait(rig_owner(rig, fd) == OWNER_NONE);
    assert_int_equal(spill[0], 0);
}

/* One that waits for a context, not for its client, is heard of once it can be written to. */
static void who_has_sent_enough_waits_to_be_written_to(void **state)
{
    struct rig *rig = *state;
    struct lot *lot = rig->pool->lot;
    int client = rig_connect(rig), fd;
    struct epoll_event event;

    pool_take_backlog(rig->pool, &rig->master_io);
    fd = rig_find(rig, client);
    assert_non_null(lot_claim(lot, fd, OWNER_PARKED, &rig->master_io));
    assert_int_equal(epoll_wait(lot->epoll_fd, &event, 1, 0), 0);
    lot->records[fd].conn.phase = CONN_MORE;
    lot_park(lot, &lot->records[fd], &rig->master_io);
    assert_int_equal(epoll_wait(lot->epoll_fd, &event, 1, 0), 1);
    assert_int_equal(event.data.fd, fd);
    assert_int_equal(epoll_wait(lot->epoll_fd, &event, 1, 0), 0); /* once */
    close(client);
}

static void what_is_held_is_no_connection(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig), held = dup(STDIN_FILENO);

    io_opening(&rig->workers[0].pool_io.io);
    io_hold(&rig->workers[0].pool_io.io, held);
    pool_take_backlog(rig->pool, &rig->master_io);
    assert_int_equal(lot_connections(rig->pool->lot), 1);
    assert_true(pool_owns(rig->pool, held) && pool_owns(rig->pool, rig_find(rig, client)));
    assert_true(pool_owns(rig->pool, rig->pool->lot->epoll_fd));
    assert_true(pool_owns(rig->pool, rig->pool->slow_clients->bells.each[0].fd));
    assert_false(pool_owns(rig->pool, client));
    close(client);
}

static void what_a_dead_worker_served_is_closed(void **state)
{
    struct rig *rig = *state;
    int fd, other_fd, client, other;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    other = rig_connect_parked(rig, &other_fd);
    rig_seize(rig, fd, RIG_DEAD + OWNER_WORKERS);
    rig_kill(rig, RIG_DEAD + 1); /* of another's death it has nothing */
    assert_int_equal(rig_owner(rig, fd), RIG_DEAD + OWNER_WORKERS);
    rig_wait(rig_owner(rig, other_fd) == OWNER_PARKED);
    rig_seize(rig, other_fd, OWNER_MASTER);
    rig_kill(rig, RIG_DEAD);
    assert_int_equal(rig_owner(rig, fd), OWNER_NONE);
    rig_expect_end(client);
    assert_int_equal(rig_open(rig), 1);
    assert_int_equal(rig_owner(rig, other_fd), OWNER_MASTER); /* the living one's */
    lot_park(rig->pool->lot, &rig->pool->lot->records[other_fd], &rig->master_io);
    rig_ask(other);
    close(client);
    close(other);
}

static void what_a_dead_worker_held_is_closed(void **state)
{
    struct rig *rig = *state;
    int held = dup(STDIN_FILENO), other = dup(STDIN_FILENO), given_up = dup(STDIN_FILENO);

    io_opening(&rig->workers[RIG_DEAD].pool_io.io);
    io_hold(&rig->workers[RIG_DEAD].pool_io.io, held);
    io_opening(&rig->workers[RIG_DEAD].pool_io.io);
    io_hold(&rig->workers[RIG_DEAD].pool_io.io, -1); /* the opening failed */
    io_opening(&rig->workers[RIG_DEAD + 1].pool_io.io);
    io_hold(&rig->workers[RIG_DEAD + 1].pool_io.io, other);
    io_opening(&rig->workers[RIG_DEAD].pool_io.io);
    io_hold(&rig->workers[RIG_DEAD].pool_io.io, given_up);
    io_close(&rig->workers[RIG_DEAD].pool_io.io, given_up);
    assert_int_equal(fcntl(given_up, F_GETFD), -1);
    assert_int_equal(rig_owner(rig, given_up), OWNER_NONE);

    given_up = dup(STDIN_FILENO); /* the same number again, and nobody's */
    rig_kill(rig, RIG_DEAD);
    assert_int_equal(fcntl(held, F_GETFD), -1);
    assert_int_equal(rig_owner(rig, held), OWNER_NONE);
    assert_true(fcntl(other, F_GETFD) >= 0);
    assert_int_equal(rig_owner(rig, other), (RIG_DEAD + 1 + OWNER_WORKERS) | OWNER_HELD);
    assert_true(fcntl(given_up, F_GETFD) >= 0);
    assert_int_equal(rig_open(rig), 0);
    close(given_up);
}

/* Many that died together: one pass over the records for them all. */
static void what_many_dead_workers_had_is_closed_at_once(void **state)
{
    struct rig *rig = *state;
    int fds[3], clients[3], held = dup(STDIN_FILENO);

    for (unsigned i = 0; i < 3; i++)
        clients[i] = rig_connect(rig);
    pool_take_backlog(rig->pool, &rig->master_io);
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = rig_find(rig, clients[i]);
        rig_seize(rig, fds[i], OWNER_WORKERS + i);
    }
    io_opening(&rig->workers[1].pool_io.io);
    io_hold(&rig->workers[1].pool_io.io, held);
    for (unsigned i = 0; i < 2; i++) {
        shared_worker_died(rig->server.shared, i);
        pool_died(rig->pool, i, true);
    }
    pool_release(rig->pool, &rig->master_io);
    rig_expect_end(clients[0]);
    rig_expect_end(clients[1]);
    assert_int_equal(fcntl(held, F_GETFD), -1);
    rig_expect_silence(clients[2]); /* the living one's */
    assert_int_equal(rig_owner(rig, fds[2]), OWNER_WORKERS + 2);
    assert_int_equal(rig_open(rig), 1);
    for (unsigned i = 0; i < 3; i++)
        close(clients[i]);
}

static int32_t recorded(const void *rig)
{
    return lot_connections(((const struct rig *)rig)->pool->lot);
}

static void recount(struct rig *rig)
{
    shared_recount(rig->server.shared, recorded, rig);
}

static void a_wrong_count_is_put_right_after_a_death(void **state)
{
    struct rig *rig = *state;
    int fd, client;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    rig_stop(rig);
    atomic_fetch_add(&rig->server.shared->open_connections, 2);
    recount(rig);
    assert_int_equal(rig_open(rig), 3); /* nobody died: not its business */
    rig_kill(rig, RIG_DEAD);
    recount(rig);
    assert_int_equal(rig_open(rig), 3); /* nor in the middle of anything */

    io_opening(&rig->workers[RIG_DEAD].pool_io.io);
    rig_kill(rig, RIG_DEAD);
    io_opening(&rig->workers[2].pool_io.io); /* somebody is in the middle of a change */
    recount(rig);
    assert_int_equal(rig_open(rig), 3);
    io_hold(&rig->workers[2].pool_io.io, -1);
    recount(rig);
    assert_int_equal(rig_open(rig), 1);

    atomic_fetch_add(&rig->server.shared->open_connections, 1);
    recount(rig);
    assert_int_equal(rig_open(rig), 2); /* once for each death */
    close(client);
}

static void settled_means_between_changes(void **state)
{
    struct rig *rig = *state;
    struct server_shared *shared = rig->server.shared;
    uint64_t before, after;

    assert_int_equal(shared_unsettled(shared, &before), 0);
    io_opening(&rig->workers[0].pool_io.io);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_CHANGING);
    io_opening(&rig->workers[3].pool_io.io);
    io_hold(&rig->workers[0].pool_io.io, -1);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_CHANGING);
    io_hold(&rig->workers[3].pool_io.io, -1);
    assert_int_equal(shared_unsettled(shared, &after), 0);
    assert_true(after > before);
    assert_int_equal(shared_unsettled(shared, &before), 0);
    assert_true(before == after);
    shared_toggle_passing(rig->workers[2].pool_io.io.stats);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_PASSING);
    io_opening(&rig->workers[RIG_DEAD].pool_io.io);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_PASSING | SHARED_CHANGING);
    shared_worker_died(rig->server.shared, 2); /* the dead change nothing more */
    shared_worker_died(rig->server.shared, RIG_DEAD);
    assert_int_equal(shared_unsettled(shared, &after), 0);
    assert_true(after > before);
}

/* Two owners of one number: something was closed behind somebody's back. */
static void a_number_that_has_an_owner_is_not_held(void **state)
{
    struct rig *rig = *state;
    struct io *io = &rig->workers[1].pool_io.io;
    int held = dup(STDIN_FILENO);
    char words[100];

    io_opening(&rig->workers[0].pool_io.io);
    io_hold(&rig->workers[0].pool_io.io, held);
    io_opening(io);
    snprintf(words, sizeof words,
             "descriptor %d is to be held as owner 0's, but is owner 0x80000003's", held);
    assert_aborts(words, io_hold(io, held));
    snprintf(words, sizeof words, "descriptor %d is to be recorded as owner 0's", held);
    assert_aborts(words, (void)lot_open(rig->pool->lot, held, &(struct in6_addr){0}, io));
    assert_int_equal(rig_owner(rig, held), OWNER_WORKERS | OWNER_HELD);
}

/* Nobody parks, closes or forgets what is another's, or nobody's. */
static void only_the_owner_changes_a_record(void **state)
{
    struct rig *rig = *state;
    struct lot *lot = rig->pool->lot;
    struct io *owner = &rig->workers[0].pool_io.io, *other = &rig->workers[1].pool_io.io;
    int client = rig_connect(rig), held = dup(STDIN_FILENO), fd;
    struct lot_record *record;

    pool_take_backlog(rig->pool, &rig->master_io);
    fd = rig_find(rig, client);
    record = lot_claim(lot, fd, OWNER_PARKED, owner);
    assert_non_null(record);
    assert_null(lot_claim(lot, fd, OWNER_PARKED, other));
    assert_null(lot_claim(lot, fd, OWNER_UNWATCHED, other));
    assert_aborts("is to be parked as owner 0x4's, but is owner 0x3's",
                  lot_park(lot, record, other));
    assert_aborts("is to be parked unwatched as owner 0x4's",
                  (void)lot_park_unwatched(lot, record, other));
    assert_aborts("is to be closed as owner 0x4's", lot_close(lot, record, other));
    assert_aborts("is to be held no more as owner 0x80000003's", io_unhold(owner, fd));

    io_opening(owner);
    io_hold(owner, held);
    assert_aborts("is to be held no more as owner 0x80000004's", io_close(other, held));
    io_close(owner, held);
    assert_aborts("is to be held no more as owner 0x80000003's, but is owner 0's",
                  io_close(owner, held));
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    lot_park(lot, record, owner);
    assert_aborts("is to be parked as owner 0x3's, but is owner 0x1's",
                  lot_park(lot, record, owner));
    close(client);
}

static void what_is_claimed_is_what_the_event_was_of(void **state)
{
    struct rig *rig = *state;
    struct lot *lot = rig->pool->lot;
    struct io *io = &rig->workers[1].pool_io.io;
    int client = rig_connect(rig), fd;

    pool_take_backlog(rig->pool, &rig->master_io);
    fd = rig_find(rig, client);
    assert_aborts("worker 1 was told of descriptor 512, beyond all 512",
                  (void)lot_claim(lot, RIG_DESCRIPTORS, OWNER_PARKED, io));
    assert_aborts("worker 1 was told of descriptor -1", (void)lot_claim(lot, -1, OWNER_PARKED, io));
    lot->records[fd].conn.fd++;
    assert_aborts("worker 1 claimed descriptor", (void)lot_claim(lot, fd, OWNER_PARKED, io));
    close(client);
}

/* The 256th after it is told of it, and nobody else; if another has it by then, not even that. */
static void who_is_unwatched_is_given_to_the_256th_after(void **state)
{
    struct rig *rig = *state;
    struct lot *lot = rig->pool->lot;
    struct io *io = &rig->workers[0].pool_io.io;
    struct lot_record *records[2];
    int clients[2];

    for (int i = 0; i < 2; i++)
        clients[i] = rig_connect(rig);
    pool_take_backlog(rig->pool, &rig->master_io);
    for (int i = 0; i < 2; i++) {
        records[i] = lot_claim(lot, rig_find(rig, clients[i]), OWNER_PARKED, io);
        assert_non_null(records[i]);
    }
    assert_null(lot_park_unwatched(lot, records[0], io));
    for (int i = 1; i < LOT_UNWATCHED; i++) {
        assert_null(lot_park_unwatched(lot, records[1], io));
        assert_ptr_equal(lot_claim(lot, records[1]->conn.fd, OWNER_UNWATCHED, io), records[1]);
    }
    assert_ptr_equal(lot_park_unwatched(lot, records[1], io), records[0]);
    lot_park(lot, records[0], io);
    for (int i = 0; i < 2; i++)
        close(clients[i]);
}

/* Somebody has raised the limit meanwhile: there are numbers beyond the records. */
static void a_number_without_a_record(void **state)
{
    struct rig *rig = *state;
    struct io *io = &rig->workers[1].pool_io.io;
    unsigned records = rig->pool->lot->descriptors;
    struct rlimit before, after;
    int client = rig_connect(rig), lowest = dup(STDIN_FILENO);

    assert_true(lowest >= 0);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
    rig->pool->lot->descriptors = (unsigned)lowest; /* as if there were no more */
    io_opening(io);
    io_hold(io, lowest);
    assert_int_equal(rig_owner(rig, lowest), OWNER_NONE);
    assert_true(pool_owns(rig->pool, lowest)); /* nobody closes it as a stray */
    assert_return_code(getrlimit(RLIMIT_NOFILE, &after), errno);
    assert_int_equal(after.rlim_cur, lowest);
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    io_close(io, lowest);

    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    rig_start(rig, 1);
    rig_wait(atomic_load(&rig->pool->accept_paused));
    rig_expect_end(client); /* there is nowhere to put it */
    assert_int_equal(rig_open(rig), 0);
    assert_int_equal(rig_owner(rig, lowest), OWNER_NONE);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &after), errno);
    assert_int_equal(after.rlim_cur, lowest);
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    close(client);

    rig_stop(rig); /* its worker reads how many there are */
    rig->pool->lot->descriptors = records;
    rig_start(rig, 1);
    client = rig_connect(rig);
    rig_send(client, rig_request);
    pool_sweep(rig->pool, &rig->master_io);
    rig_answer(client);
    close(client);
}

/* The kernel may have no room to watch one more (here: the set is none). The connection waits for
 * the next sweep, which arms it, and is not closed for that. */
static void what_cannot_be_armed_is_armed_later(void **state)
{
    struct rig *rig = *state;
    int set = rig->pool->lot->epoll_fd, client = rig_connect(rig), fd;

    pool_take_backlog(rig->pool, &rig->master_io);
    fd = rig_find(rig, client);
    rig_seize(rig, fd, OWNER_MASTER);
    atomic_store(&rig->pool->lot->records[fd].owner, OWNER_PARKED);
    rig->pool->lot->epoll_fd = rig->stop_fd;
    atomic_store(&rig->pool->lot->rearm, true);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), OWNER_PARKED);
    assert_true(atomic_load(&rig->pool->lot->rearm));
    rig_expect_silence(client);

    rig->pool->lot->epoll_fd = set;
    pool_sweep(rig->pool, &rig->master_io);
    assert_false(atomic_load(&rig->pool->lot->rearm));
    rig_start(rig, 1);
    rig_ask(client);
    close(client);
}

/* A record was given up and, before it was armed, its connection closed: by now the number is a
 * file's (EPERM), or nobody's (EBADF). Whoever has the record then is left alone. */
static void a_number_that_is_a_file_by_now_is_left_alone(void **state)
{
    struct rig *rig = *state;
    int client = rig_connect(rig), other = rig_connect(rig), file, fd;

    pool_take_backlog(rig->pool, &rig->master_io);
    fd = rig_find(rig, client);
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(dup2(file, fd), fd); /* closes the connection */
    atomic_store(&rig->pool->lot->rearm, true);
    pool_sweep(rig->pool, &rig->master_io);
    assert_false(atomic_load(&rig->pool->lot->rearm)); /* no shortage */
    assert_int_equal(rig_owner(rig, fd), OWNER_PARKED);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    close(fd);
    atomic_store(&rig->pool->lot->rearm, true);
    pool_sweep(rig->pool, &rig->master_io);
    assert_false(atomic_load(&rig->pool->lot->rearm));
    assert_int_equal(rig_owner(rig, fd), OWNER_PARKED);
    close(file);
    close(client);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_new_connection_takes_over_a_number),
        RIG_TEST(parked_again_it_gives_its_spill_back),
        RIG_TEST(closed_it_gives_its_spill_back),
        RIG_TEST(who_has_sent_enough_waits_to_be_written_to),
        RIG_TEST(what_is_held_is_no_connection),
        RIG_TEST(what_a_dead_worker_served_is_closed),
        RIG_TEST(what_a_dead_worker_held_is_closed),
        RIG_TEST(what_many_dead_workers_had_is_closed_at_once),
        RIG_TEST(a_wrong_count_is_put_right_after_a_death),
        RIG_TEST(settled_means_between_changes),
        RIG_TEST(a_number_that_has_an_owner_is_not_held),
        RIG_TEST(only_the_owner_changes_a_record),
        RIG_TEST(what_is_claimed_is_what_the_event_was_of),
        RIG_TEST(who_is_unwatched_is_given_to_the_256th_after),
        RIG_TEST(a_number_without_a_record),
        RIG_TEST(what_cannot_be_armed_is_armed_later),
        RIG_TEST(a_number_that_is_a_file_by_now_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
