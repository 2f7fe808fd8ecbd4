/* SPDX-License-Identifier: MIT
 *
 * pool.h: who may touch a connection, what becomes of it when its time is over,
 * its worker dies or there is no room, and that nothing is lost under threads.
 */
#include "rig.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { DEAD = 1 }; /* a worker that is never started */

static int begin(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    *state = &rig;
    return 0;
}

static int end(void **state)
{
    rig_term(*state);
    return 0;
}

/* --- serving -------------------------------------------------------------------- */

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

/* Whose client has its last answer is left unarmed; the sweep sees that it has gone. */
static void who_leaves_is_looked_at_by_the_sweep(void **state)
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
static void who_takes_long_to_leave_is_watched(void **state)
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

/* Under load nobody is idle: whoever lets one leave looks after those before. */
static void many_that_leave_are_all_looked_at(void **state)
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
    pool_sweep(rig->pool, &rig->master_io);
    rig_wait(rig_open(rig) == 0);
}

/* Where there is no rush, each is watched until it goes, and closed then. */
static void who_leaves_alone_is_watched(void **state)
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
static void nobody_leaves_unwatched_where_places_are_few(void **state)
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

/* An event is a hint: who does not win the record must leave the connection alone. */
static void an_event_for_what_another_owns_is_dropped(void **state)
{
    struct rig *rig = *state;
    int fd, other_fd, client, other;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    other = rig_connect_parked(rig, &other_fd);
    rig_seize(rig, fd, DEAD + OWNER_WORKERS);
    rig_send(client, rig_request);
    rig_ask(other); /* the worker's events come in the order they happened in */
    rig_ask(other);
    rig_expect_silence(client);
    assert_int_equal(rig_owner(rig, fd), DEAD + OWNER_WORKERS);

    /* Parked again and armed, it is served. */
    atomic_store(&rig->pool->lot->records[fd].owner, OWNER_PARKED);
    rig_kill(rig, DEAD);
    pool_sweep(rig->pool, &rig->master_io);
    rig_answer(client);
    close(client);
    close(other);
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

/* --- deadlines ------------------------------------------------------------------ */

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
    rig_seize(rig, fd, DEAD + OWNER_WORKERS);
    io_opening(&rig->workers[DEAD].pool_io.io);
    io_hold(&rig->workers[DEAD].pool_io.io, held);
    clocks_advance(1000000);
    pool_sweep(rig->pool, &rig->master_io);
    assert_int_equal(rig_owner(rig, fd), DEAD + OWNER_WORKERS);
    assert_int_equal(rig_owner(rig, held), (DEAD + OWNER_WORKERS) | OWNER_HELD);
    assert_true(fcntl(held, F_GETFD) >= 0);
    rig_expect_silence(client);
    close(client);
}

/* --- the death of a worker ------------------------------------------------------ */

static void what_a_dead_worker_served_is_closed(void **state)
{
    struct rig *rig = *state;
    int fd, other_fd, client, other;

    rig_start(rig, 1);
    client = rig_connect_parked(rig, &fd);
    other = rig_connect_parked(rig, &other_fd);
    rig_seize(rig, fd, DEAD + OWNER_WORKERS);
    rig_kill(rig, DEAD + 1); /* of another's death it has nothing */
    assert_int_equal(rig_owner(rig, fd), DEAD + OWNER_WORKERS);
    rig_kill(rig, DEAD);
    assert_int_equal(rig_owner(rig, fd), OWNER_NONE);
    rig_expect_end(client);
    assert_int_equal(rig_open(rig), 1);
    rig_ask(other);
    close(client);
    close(other);
}

static void what_a_dead_worker_held_is_closed(void **state)
{
    struct rig *rig = *state;
    int held = dup(STDIN_FILENO), other = dup(STDIN_FILENO), given_up = dup(STDIN_FILENO);

    io_opening(&rig->workers[DEAD].pool_io.io);
    io_hold(&rig->workers[DEAD].pool_io.io, held);
    io_opening(&rig->workers[DEAD].pool_io.io);
    io_hold(&rig->workers[DEAD].pool_io.io, -1); /* the opening failed */
    io_opening(&rig->workers[DEAD + 1].pool_io.io);
    io_hold(&rig->workers[DEAD + 1].pool_io.io, other);
    io_opening(&rig->workers[DEAD].pool_io.io);
    io_hold(&rig->workers[DEAD].pool_io.io, given_up);
    io_close(&rig->workers[DEAD].pool_io.io, given_up);
    assert_int_equal(fcntl(given_up, F_GETFD), -1);
    assert_int_equal(rig_owner(rig, given_up), OWNER_NONE);

    given_up = dup(STDIN_FILENO); /* the same number again, and nobody's */
    rig_kill(rig, DEAD);
    assert_int_equal(fcntl(held, F_GETFD), -1);
    assert_int_equal(rig_owner(rig, held), OWNER_NONE);
    assert_true(fcntl(other, F_GETFD) >= 0);
    assert_int_equal(rig_owner(rig, other), (DEAD + 1 + OWNER_WORKERS) | OWNER_HELD);
    assert_true(fcntl(given_up, F_GETFD) >= 0);
    assert_int_equal(rig_open(rig), 0);
    close(given_up);
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

    rig_kill(rig, DEAD);
    pool_sweep(rig->pool, &rig->master_io);
    rig_start(rig, 1);
    rig_answer(client);
    rig_ask(waiting);
    close(client);
    close(waiting);
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
    rig_kill(rig, DEAD);
    recount(rig);
    assert_int_equal(rig_open(rig), 3); /* nor in the middle of anything */

    io_opening(&rig->workers[DEAD].pool_io.io);
    rig_kill(rig, DEAD);
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
    io_opening(&rig->workers[DEAD].pool_io.io);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_PASSING | SHARED_CHANGING);
    shared_worker_died(rig->server.shared, 2); /* the dead change nothing more */
    shared_worker_died(rig->server.shared, DEAD);
    assert_int_equal(shared_unsettled(shared, &after), 0);
    assert_true(after > before);
}

/* Two owners of one number: something was closed behind somebody's back. */
static void a_number_that_has_an_owner_is_not_held(void **state)
{
    struct rig *rig = *state;
    int status = 0, held = dup(STDIN_FILENO);
    pid_t child;

    io_opening(&rig->workers[0].pool_io.io);
    io_hold(&rig->workers[0].pool_io.io, held);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        io_opening(&rig->workers[1].pool_io.io);
        io_hold(&rig->workers[1].pool_io.io, held);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(rig_owner(rig, held), OWNER_WORKERS | OWNER_HELD);
}

/* --- no room -------------------------------------------------------------------- */

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
    close(file);
    close(client);
    close(other);
}

/* --- draining ------------------------------------------------------------------- */

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

/* --- dismissing ----------------------------------------------------------------- */

static void a_busy_worker_leaves_when_it_looks(void **state)
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

/* --- together ------------------------------------------------------------------- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_served_parked_and_forgotten),
        TEST(who_leaves_is_looked_at_by_the_sweep),
        TEST(who_takes_long_to_leave_is_watched),
        TEST(many_that_leave_are_all_looked_at),
        TEST(who_leaves_alone_is_watched),
        TEST(nobody_leaves_unwatched_where_places_are_few),
        TEST(a_new_connection_takes_over_a_number),
        TEST(an_event_for_what_another_owns_is_dropped),
        TEST(parked_again_it_gives_its_spill_back),
        TEST(the_sweep_closes_what_is_idle_for_too_long),
        TEST(being_served_moves_the_deadline),
        TEST(the_sweep_answers_what_has_begun),
        TEST(lingering_ends_with_a_sweep),
        TEST(the_sweep_leaves_what_is_served_or_held),
        TEST(what_a_dead_worker_served_is_closed),
        TEST(what_a_dead_worker_held_is_closed),
        TEST(an_event_that_a_dead_worker_took_along_comes_again),
        TEST(what_many_dead_workers_had_is_closed_at_once),
        TEST(a_wrong_count_is_put_right_after_a_death),
        TEST(a_number_that_has_an_owner_is_not_held),
        TEST(what_cannot_be_armed_is_armed_later),
        TEST(what_cannot_be_armed_in_time_is_closed),
        TEST(a_number_that_is_a_file_by_now_is_left_alone),
        TEST(settled_means_between_changes),
        TEST(no_more_than_the_allowed_connections),
        TEST(a_full_table_of_descriptors),
        TEST(a_number_without_a_record),
        TEST(draining_closes_the_idle_and_waits_for_the_rest),
        TEST(draining_does_not_touch_what_may_stay),
        TEST(nobody_accepts_once_it_has_drained),
        TEST(it_has_not_drained_while_a_worker_may_accept),
        TEST(a_busy_worker_leaves_when_it_looks),
        TEST(an_idle_worker_serves_the_event_it_was_given),
        TEST(a_worker_tells_that_it_has_served_its_share),
        TEST(what_waits_to_be_accepted_is_taken_in),
        TEST(many_connections_and_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
