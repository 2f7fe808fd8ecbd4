/* SPDX-License-Identifier: MIT
 *
 * pool.h: who may touch a connection, what becomes of it when its time is over,
 * its worker dies or there is no room, and that nothing is lost under threads.
 */
#include "lot.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { DEAD = 1 }; /* a worker that is never started */

static int begin(void **state)
{
    static struct lot lot;

    lot_init(&lot);
    *state = &lot;
    return 0;
}

static int end(void **state)
{
    lot_term(*state);
    return 0;
}

/* --- serving -------------------------------------------------------------------- */

static void a_connection_is_served_parked_and_forgotten(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    assert_int_equal(lot_open(lot), 1);
    for (int i = 0; i < 3; i++)
        lot_ask(client);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    assert_int_equal(stats_get(&lot->server.shared->workers[0].requests), 3);
    close(client);
    lot_wait(lot_owner(lot, fd) == OWNER_NONE);
    lot_wait(lot_open(lot) == 0);
    lot_stop(lot);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(atomic_load(&lot->server.shared->contexts), 0);
    assert_int_equal(atomic_load(&lot->server.shared->contexts_peak), 1);
}

/* Whose client has its last answer is left unarmed; the sweep sees that it has gone. */
static void who_leaves_is_looked_at_by_the_sweep(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot->pool->rush.least = 0;
    lot_start(lot, 1);
    client = lot_say_goodbye(lot, &fd);
    lot_wait(lot_owner(lot, fd) == OWNER_UNWATCHED);
    assert_int_equal(atomic_load(&lot->pool->unwatched_so_far), 1);
    close(client);
    pool_sweep(lot->pool, &lot->master_io);
    assert_int_equal(lot_owner(lot, fd), OWNER_NONE);
    assert_int_equal(lot_open(lot), 0);
}

/* One that has not gone by then is watched, and closed as soon as it goes. */
static void who_takes_long_to_leave_is_watched(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot->pool->rush.least = 0;
    lot_start(lot, 1);
    client = lot_say_goodbye(lot, &fd);
    lot_wait(lot_owner(lot, fd) == OWNER_UNWATCHED);
    pool_sweep(lot->pool, &lot->master_io);
    assert_int_equal(lot_owner(lot, fd), OWNER_PARKED);
    lot_send(client, lot_request); /* against the agreement: dropped, and no reset */
    lot_wait(lot_bytes_in(lot) > 2 * strlen(lot_request));
    lot_expect_end(client);
    close(client);
    lot_wait(lot_owner(lot, fd) == OWNER_NONE);
}

/* Under load nobody is idle: whoever lets one leave looks after those before. */
static void many_that_leave_are_all_looked_at(void **state)
{
    struct lot *lot = *state;
    int fd;

    lot->server.max_connections = 4 * POOL_UNWATCHED;
    lot->pool->rush.least = 0;
    lot_start(lot, 2);
    for (unsigned i = 0; i < 3 * POOL_UNWATCHED; i++)
        close(lot_say_goodbye(lot, &fd));
    lot_wait(atomic_load(&lot->pool->unwatched_so_far) == 3 * POOL_UNWATCHED);
    lot_wait(lot_open(lot) <= POOL_UNWATCHED + 1);
    pool_sweep(lot->pool, &lot->master_io);
    lot_wait(lot_open(lot) == 0);
}

/* Where there is no rush, each is watched until it goes, and closed then. */
static void who_leaves_alone_is_watched(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot->pool->rush.least = 2;
    lot_start(lot, 1);
    client = lot_say_goodbye(lot, &fd);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    assert_int_equal(atomic_load(&lot->pool->unwatched_so_far), 0);
    close(client);
    lot_wait(lot_open(lot) == 0);
}

/* They are not kept at the price of others' places. */
static void nobody_leaves_unwatched_where_places_are_few(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot->server.max_connections = 1;
    lot->pool->rush.least = 0;
    lot_start(lot, 1);
    client = lot_say_goodbye(lot, &fd);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    assert_int_equal(atomic_load(&lot->pool->unwatched_so_far), 0);
    close(client);
    lot_wait(lot_open(lot) == 0);
}

static void a_new_connection_takes_over_a_number(void **state)
{
    struct lot *lot = *state;

    lot_start(lot, 2);
    for (int i = 0; i < 50; i++) {
        int client = lot_connect(lot);

        lot_ask(client);
        close(client);
    }
    lot_wait(lot_open(lot) == 0);
    assert_true(atomic_load(&lot->pool->high) < LOT_DESCRIPTORS / 2);
}

/* An event is a hint: who does not win the record must leave the connection alone. */
static void an_event_for_what_another_owns_is_dropped(void **state)
{
    struct lot *lot = *state;
    int fd, other_fd, client, other;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    other = lot_connect_parked(lot, &other_fd);
    lot_seize(lot, fd, DEAD + OWNER_WORKERS);
    lot_send(client, lot_request);
    lot_ask(other); /* the worker's events come in the order they happened in */
    lot_ask(other);
    lot_expect_silence(client);
    assert_int_equal(lot_owner(lot, fd), DEAD + OWNER_WORKERS);

    /* Parked again and armed, it is served. */
    atomic_store(&lot->pool->records[fd].owner, OWNER_PARKED);
    lot_kill(lot, DEAD);
    pool_sweep(lot->pool, &lot->master_io);
    lot_answer(client);
    close(client);
    close(other);
}

static void parked_again_it_gives_its_spill_back(void **state)
{
    struct lot *lot = *state;
    const char *spill;
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    spill = lot->pool->spill + (size_t)fd * lot->pool->spill_size;
    lot_send(client, "GET /hello HTT");
    lot_wait(lot_bytes_in(lot) == 14);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    assert_memory_equal(spill, "GET /hello HTT", 14);
    lot_send(client, "P/1.1\r\nHost: a\r\n\r\n");
    lot_answer(client);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    for (size_t i = 0; i < lot->pool->spill_size; i++)
        assert_int_equal(spill[i], 0);
    close(client);
}

/* --- deadlines ------------------------------------------------------------------ */

static void the_sweep_closes_what_is_idle_for_too_long(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    clocks_advance(LOT_HEADER_MS - 1);
    pool_sweep(lot->pool, &lot->master_io);
    assert_int_equal(lot_owner(lot, fd), OWNER_PARKED);
    lot_expect_silence(client);
    clocks_advance(1);
    pool_sweep(lot->pool, &lot->master_io);
    assert_int_equal(lot_owner(lot, fd), OWNER_NONE);
    assert_int_equal(lot_open(lot), 0);
    lot_expect_end(client);
    close(client);
}

static void being_served_moves_the_deadline(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    clocks_advance(LOT_HEADER_MS - 1);
    lot_ask(client);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    clocks_advance(LOT_KEEPALIVE_MS - 1);
    pool_sweep(lot->pool, &lot->master_io);
    lot_ask(client);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED && lot_untaken(fd) == 0);
    clocks_advance(LOT_KEEPALIVE_MS);
    pool_sweep(lot->pool, &lot->master_io);
    lot_expect_end(client);
    close(client);
}

static void the_sweep_answers_what_has_begun(void **state)
{
    struct lot *lot = *state;
    char text[1000];
    ssize_t length;
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    lot_send(client, "GET /");
    lot_wait(lot_bytes_in(lot) == 5);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    clocks_advance(LOT_HEADER_MS);
    pool_sweep(lot->pool, &lot->master_io);
    length = recv(client, text, sizeof text - 1, 0);
    assert_true(length > 13);
    assert_memory_equal(text, "HTTP/1.1 408 ", 13);
    lot_expect_end(client);
    assert_int_equal(lot_open(lot), 1); /* it lingers */
    close(client);
    lot_wait(lot_owner(lot, fd) == OWNER_NONE);
}

static void lingering_ends_with_a_sweep(void **state)
{
    struct lot *lot = *state;
    char text[1000];
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    lot_send(client, "BAD\r\n");
    assert_true(recv(client, text, sizeof text, 0) > 0);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED && lot_untaken(fd) == 0);
    clocks_advance(60000);
    pool_sweep(lot->pool, &lot->master_io);
    assert_int_equal(lot_owner(lot, fd), OWNER_NONE);
    close(client);
}

static void the_sweep_leaves_what_is_served_or_held(void **state)
{
    struct lot *lot = *state;
    int fd, client, held = dup(STDIN_FILENO);

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    lot_seize(lot, fd, DEAD + OWNER_WORKERS);
    pool_opening(&lot->workers[DEAD].io);
    pool_hold(lot->pool, &lot->workers[DEAD].io, held);
    clocks_advance(1000000);
    pool_sweep(lot->pool, &lot->master_io);
    assert_int_equal(lot_owner(lot, fd), DEAD + OWNER_WORKERS);
    assert_int_equal(lot_owner(lot, held), (DEAD + OWNER_WORKERS) | OWNER_HELD);
    assert_true(fcntl(held, F_GETFD) >= 0);
    lot_expect_silence(client);
    close(client);
}

/* --- the death of a worker ------------------------------------------------------ */

static void what_a_dead_worker_served_is_closed(void **state)
{
    struct lot *lot = *state;
    int fd, other_fd, client, other;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    other = lot_connect_parked(lot, &other_fd);
    lot_seize(lot, fd, DEAD + OWNER_WORKERS);
    lot_kill(lot, DEAD + 1); /* of another's death it has nothing */
    assert_int_equal(lot_owner(lot, fd), DEAD + OWNER_WORKERS);
    lot_kill(lot, DEAD);
    assert_int_equal(lot_owner(lot, fd), OWNER_NONE);
    lot_expect_end(client);
    assert_int_equal(lot_open(lot), 1);
    lot_ask(other);
    close(client);
    close(other);
}

static void what_a_dead_worker_held_is_closed(void **state)
{
    struct lot *lot = *state;
    int held = dup(STDIN_FILENO), other = dup(STDIN_FILENO), given_up = dup(STDIN_FILENO);

    pool_opening(&lot->workers[DEAD].io);
    pool_hold(lot->pool, &lot->workers[DEAD].io, held);
    pool_opening(&lot->workers[DEAD].io);
    pool_hold(lot->pool, &lot->workers[DEAD].io, -1); /* the opening failed */
    pool_opening(&lot->workers[DEAD + 1].io);
    pool_hold(lot->pool, &lot->workers[DEAD + 1].io, other);
    pool_opening(&lot->workers[DEAD].io);
    pool_hold(lot->pool, &lot->workers[DEAD].io, given_up);
    pool_close(lot->pool, &lot->workers[DEAD].io, given_up);
    assert_int_equal(fcntl(given_up, F_GETFD), -1);
    assert_int_equal(lot_owner(lot, given_up), OWNER_NONE);

    given_up = dup(STDIN_FILENO); /* the same number again, and nobody's */
    lot_kill(lot, DEAD);
    assert_int_equal(fcntl(held, F_GETFD), -1);
    assert_int_equal(lot_owner(lot, held), OWNER_NONE);
    assert_true(fcntl(other, F_GETFD) >= 0);
    assert_int_equal(lot_owner(lot, other), (DEAD + 1 + OWNER_WORKERS) | OWNER_HELD);
    assert_true(fcntl(given_up, F_GETFD) >= 0);
    assert_int_equal(lot_open(lot), 0);
    close(given_up);
}

/* The kernel told it of a connection, and it died before it took it. */
static void an_event_that_a_dead_worker_took_along_comes_again(void **state)
{
    struct lot *lot = *state;
    struct epoll_event event;
    int fd, client, waiting;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    lot_ask(client);
    lot_wait(lot_owner(lot, fd) == OWNER_PARKED);
    lot_stop(lot);
    lot_send(client, lot_request);
    assert_int_equal(epoll_wait(lot->pool->epoll_fd, &event, 1, LOT_PATIENCE_S * 1000), 1);
    assert_int_equal(event.data.fd, fd);
    waiting = lot_connect(lot); /* and the same for the listening socket */
    assert_int_equal(epoll_wait(lot->pool->epoll_fd, &event, 1, LOT_PATIENCE_S * 1000), 1);
    assert_int_equal(event.data.fd, lot->server.listen_fd);
    assert_int_equal(epoll_wait(lot->pool->epoll_fd, &event, 1, 0), 0);

    lot_kill(lot, DEAD);
    pool_sweep(lot->pool, &lot->master_io);
    lot_start(lot, 1);
    lot_answer(client);
    lot_ask(waiting);
    close(client);
    close(waiting);
}

/* Many that died together: one pass over the records for them all. */
static void what_many_dead_workers_had_is_closed_at_once(void **state)
{
    struct lot *lot = *state;
    int fds[3], clients[3], held = dup(STDIN_FILENO);

    for (unsigned i = 0; i < 3; i++)
        clients[i] = lot_connect(lot);
    pool_take_backlog(lot->pool, &lot->master_io);
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = lot_find(lot, clients[i]);
        lot_seize(lot, fds[i], OWNER_WORKERS + i);
    }
    pool_opening(&lot->workers[1].io);
    pool_hold(lot->pool, &lot->workers[1].io, held);
    for (unsigned i = 0; i < 2; i++) {
        shared_worker_died(lot->server.shared, i);
        pool_died(lot->pool, i, true);
    }
    pool_release(lot->pool, &lot->master_io);
    lot_expect_end(clients[0]);
    lot_expect_end(clients[1]);
    assert_int_equal(fcntl(held, F_GETFD), -1);
    lot_expect_silence(clients[2]); /* the living one's */
    assert_int_equal(lot_owner(lot, fds[2]), OWNER_WORKERS + 2);
    assert_int_equal(lot_open(lot), 1);
    for (unsigned i = 0; i < 3; i++)
        close(clients[i]);
}

static int32_t recorded(const void *lot)
{
    return pool_connections(((const struct lot *)lot)->pool);
}

static void recount(struct lot *lot)
{
    shared_recount(lot->server.shared, recorded, lot);
}

static void a_wrong_count_is_put_right_after_a_death(void **state)
{
    struct lot *lot = *state;
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    lot_stop(lot);
    atomic_fetch_add(&lot->server.shared->open_connections, 2);
    recount(lot);
    assert_int_equal(lot_open(lot), 3); /* nobody died: not its business */
    lot_kill(lot, DEAD);
    recount(lot);
    assert_int_equal(lot_open(lot), 3); /* nor in the middle of anything */

    pool_opening(&lot->workers[DEAD].io);
    lot_kill(lot, DEAD);
    pool_opening(&lot->workers[2].io); /* somebody is in the middle of a change */
    recount(lot);
    assert_int_equal(lot_open(lot), 3);
    pool_hold(lot->pool, &lot->workers[2].io, -1);
    recount(lot);
    assert_int_equal(lot_open(lot), 1);

    atomic_fetch_add(&lot->server.shared->open_connections, 1);
    recount(lot);
    assert_int_equal(lot_open(lot), 2); /* once for each death */
    close(client);
}

static void settled_means_between_changes(void **state)
{
    struct lot *lot = *state;
    struct server_shared *shared = lot->server.shared;
    uint64_t before, after;

    assert_int_equal(shared_unsettled(shared, &before), 0);
    pool_opening(&lot->workers[0].io);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_CHANGING);
    pool_opening(&lot->workers[3].io);
    pool_hold(lot->pool, &lot->workers[0].io, -1);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_CHANGING);
    pool_hold(lot->pool, &lot->workers[3].io, -1);
    assert_int_equal(shared_unsettled(shared, &after), 0);
    assert_true(after > before);
    assert_int_equal(shared_unsettled(shared, &before), 0);
    assert_true(before == after);
    shared_toggle_passing(lot->workers[2].io.stats);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_PASSING);
    pool_opening(&lot->workers[DEAD].io);
    assert_int_equal(shared_unsettled(shared, &after), SHARED_PASSING | SHARED_CHANGING);
    shared_worker_died(lot->server.shared, 2); /* the dead change nothing more */
    shared_worker_died(lot->server.shared, DEAD);
    assert_int_equal(shared_unsettled(shared, &after), 0);
    assert_true(after > before);
}

/* Two owners of one number: something was closed behind somebody's back. */
static void a_number_that_has_an_owner_is_not_held(void **state)
{
    struct lot *lot = *state;
    int status = 0, held = dup(STDIN_FILENO);
    pid_t child;

    pool_opening(&lot->workers[0].io);
    pool_hold(lot->pool, &lot->workers[0].io, held);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pool_opening(&lot->workers[1].io);
        pool_hold(lot->pool, &lot->workers[1].io, held);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(lot_owner(lot, held), OWNER_WORKERS | OWNER_HELD);
}

/* --- no room -------------------------------------------------------------------- */

static void no_more_than_the_allowed_connections(void **state)
{
    struct lot *lot = *state;
    int fds[2], clients[2], waiting;

    lot->server.max_connections = 2;
    lot_start(lot, 2);
    clients[0] = lot_connect_parked(lot, &fds[0]);
    assert_false(atomic_load(&lot->pool->accept_paused));
    clients[1] = lot_connect_parked(lot, &fds[1]);
    lot_wait(atomic_load(&lot->pool->accept_paused));
    waiting = lot_connect(lot);
    lot_send(waiting, lot_request);
    pool_sweep(lot->pool, &lot->master_io); /* there is no more room than before */
    lot_ask(clients[0]);
    lot_ask(clients[1]);
    assert_int_equal(lot_find(lot, waiting), -1);
    assert_int_equal(lot_open(lot), 2);
    assert_true(atomic_load(&lot->pool->accept_paused));

    close(clients[0]); /* the next has its place at once, without a sweep */
    lot_answer(waiting);
    lot_ask(clients[1]);
    close(waiting);
    close(clients[1]);
    lot_wait(lot_open(lot) == 0);
    lot_wait(!atomic_load(&lot->pool->accept_paused));
}

static void a_full_table_of_descriptors(void **state)
{
    struct lot *lot = *state;
    struct rlimit before, none;
    int client, lowest;

    client = lot_connect(lot);
    lot_send(client, lot_request);
    lowest = dup(STDIN_FILENO);
    assert_true(lowest >= 0);
    close(lowest);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
    none = before;
    none.rlim_cur = (rlim_t)lowest;
    assert_return_code(setrlimit(RLIMIT_NOFILE, &none), errno);
    lot_start(lot, 1);
    lot_wait(atomic_load(&lot->pool->accept_paused));
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    assert_int_equal(lot_open(lot), 0);
    pool_sweep(lot->pool, &lot->master_io);
    assert_false(atomic_load(&lot->pool->accept_paused) && lot_find(lot, client) < 0);
    lot_answer(client);
    close(client);
}

/* Somebody has raised the limit meanwhile: there are numbers beyond the records. */
static void a_number_without_a_record(void **state)
{
    struct lot *lot = *state;
    struct io *io = &lot->workers[1].io;
    unsigned records = lot->pool->descriptors;
    struct rlimit before, after;
    int client = lot_connect(lot), lowest = dup(STDIN_FILENO);

    assert_true(lowest >= 0);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
    lot->pool->descriptors = (unsigned)lowest; /* as if there were no more */
    pool_opening(io);
    pool_hold(lot->pool, io, lowest);
    assert_int_equal(lot_owner(lot, lowest), OWNER_NONE);
    assert_true(pool_owns(lot->pool, lowest)); /* nobody closes it as a stray */
    assert_return_code(getrlimit(RLIMIT_NOFILE, &after), errno);
    assert_int_equal(after.rlim_cur, lowest);
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    pool_close(lot->pool, io, lowest);

    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    lot_start(lot, 1);
    lot_wait(atomic_load(&lot->pool->accept_paused));
    lot_expect_end(client); /* there is nowhere to put it */
    assert_int_equal(lot_open(lot), 0);
    assert_int_equal(lot_owner(lot, lowest), OWNER_NONE);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &after), errno);
    assert_int_equal(after.rlim_cur, lowest);
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    close(client);

    lot_stop(lot); /* its worker reads how many there are */
    lot->pool->descriptors = records;
    lot_start(lot, 1);
    client = lot_connect(lot);
    lot_send(client, lot_request);
    pool_sweep(lot->pool, &lot->master_io);
    lot_answer(client);
    close(client);
}

/* The kernel may have no room to watch one more (here: the set is none). The connection waits for
 * the next sweep, which arms it, and is not closed for that. */
static void what_cannot_be_armed_is_armed_later(void **state)
{
    struct lot *lot = *state;
    int set = lot->pool->epoll_fd, client = lot_connect(lot), fd;

    pool_take_backlog(lot->pool, &lot->master_io);
    fd = lot_find(lot, client);
    lot_seize(lot, fd, OWNER_MASTER);
    atomic_store(&lot->pool->records[fd].owner, OWNER_PARKED);
    lot->pool->epoll_fd = lot->stop_fd;
    atomic_store(&lot->pool->rearm, true);
    pool_sweep(lot->pool, &lot->master_io);
    assert_int_equal(lot_owner(lot, fd), OWNER_PARKED);
    assert_true(atomic_load(&lot->pool->rearm));
    lot_expect_silence(client);

    lot->pool->epoll_fd = set;
    pool_sweep(lot->pool, &lot->master_io);
    assert_false(atomic_load(&lot->pool->rearm));
    lot_start(lot, 1);
    lot_ask(client);
    close(client);
}

/* One that cannot be watched until its time is over is closed then, whatever it has sent. */
static void what_cannot_be_armed_in_time_is_closed(void **state)
{
    struct lot *lot = *state;
    int set = lot->pool->epoll_fd, client = lot_connect(lot);

    pool_take_backlog(lot->pool, &lot->master_io);
    lot_send(client, lot_request);
    lot->pool->epoll_fd = lot->stop_fd;
    clocks_advance(LOT_HEADER_MS);
    pool_sweep(lot->pool, &lot->master_io);
    lot->pool->epoll_fd = set;
    assert_int_equal(lot_open(lot), 0);
    close(client);
}

/* A record was given up and, before it was armed, its connection closed: by now the number is a
 * file's (EPERM), or nobody's (EBADF). Whoever has the record then is left alone. */
static void a_number_that_is_a_file_by_now_is_left_alone(void **state)
{
    struct lot *lot = *state;
    int client = lot_connect(lot), other = lot_connect(lot), file, fd;

    pool_take_backlog(lot->pool, &lot->master_io);
    fd = lot_find(lot, client);
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(dup2(file, fd), fd); /* closes the connection */
    atomic_store(&lot->pool->rearm, true);
    pool_sweep(lot->pool, &lot->master_io);
    assert_false(atomic_load(&lot->pool->rearm)); /* no shortage */
    assert_int_equal(lot_owner(lot, fd), OWNER_PARKED);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    close(file);
    close(client);
    close(other);
}

/* --- draining ------------------------------------------------------------------- */

static void draining_closes_the_idle_and_waits_for_the_rest(void **state)
{
    struct lot *lot = *state;
    char text[1000];
    ssize_t length;
    int idle_fd, busy_fd, idle, busy;

    lot_start(lot, 1);
    idle = lot_connect_parked(lot, &idle_fd);
    busy = lot_connect_parked(lot, &busy_fd);
    lot_send(busy, "GET /hello HTTP/1.1\r\n");
    lot_wait(lot_bytes_in(lot) == 21);
    lot_wait(lot_owner(lot, busy_fd) == OWNER_PARKED);
    atomic_store(&lot->server.shared->draining, true);
    clocks_advance(1000); /* else the next request might be on its way */
    assert_false(pool_drain(lot->pool, &lot->master_io));
    lot_expect_end(idle);
    assert_int_equal(lot_owner(lot, idle_fd), OWNER_NONE);
    assert_false(pool_drain(lot->pool, &lot->master_io));

    lot_send(busy, "Host: a\r\n\r\n");
    length = recv(busy, text, sizeof text - 1, 0);
    assert_true(length > 0);
    text[length] = '\0';
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    close(busy);
    lot_wait(pool_drain(lot->pool, &lot->master_io));
    lot_wait(lot_open(lot) == 0); /* counted right after the record was given up */
    close(idle);
}

/* Draining looks several times a second; what may stay is left as it is, armed or not. */
static void draining_does_not_touch_what_may_stay(void **state)
{
    struct lot *lot = *state;
    struct worker_control control = {.draining = true};
    int client = lot_connect(lot), fd;
    struct epoll_event event;

    pool_take_backlog(lot->pool, &lot->master_io);
    fd = lot_find(lot, client);
    lot_send(client, lot_request);
    assert_int_equal(epoll_wait(lot->pool->epoll_fd, &event, 1, LOT_PATIENCE_S * 1000), 1);
    assert_int_equal(event.data.fd, fd); /* told of once; armed again, it would be again */
    lot->server.control = &control;
    atomic_store(&control.idle_until_ms, io_now_ms() + 1000);
    for (int i = 0; i < 3; i++)
        assert_false(pool_drain(lot->pool, &lot->master_io));
    assert_int_equal(epoll_wait(lot->pool->epoll_fd, &event, 1, 0), 0);

    clocks_advance(1000);
    assert_false(pool_drain(lot->pool, &lot->master_io));
    assert_int_equal(epoll_wait(lot->pool->epoll_fd, &event, 1, 0), 1); /* its request is served */
    for (int i = 0; i < 3; i++) /* nor each time that it looks then */
        assert_false(pool_drain(lot->pool, &lot->master_io));
    assert_int_equal(epoll_wait(lot->pool->epoll_fd, &event, 1, 0), 0);
    lot->server.control = NULL;
    close(client);
}

static void nobody_accepts_once_it_has_drained(void **state)
{
    struct lot *lot = *state;
    int late;

    assert_true(pool_drain(lot->pool, &lot->master_io));
    late = lot_connect(lot); /* as if a worker had been told of it just before */
    lot_start(lot, 1);
    lot_wait(atomic_load(&lot->workers[0].io.stats->control.state) == LEADERS_IDLE);
    lot_stop(lot);
    assert_int_equal(lot_open(lot), 0);
    assert_int_equal(lot_find(lot, late), -1);
    close(late);
}

static void it_has_not_drained_while_a_worker_may_accept(void **state)
{
    struct lot *lot = *state;

    pool_opening(&lot->workers[2].io); /* it has looked already whether it may */
    assert_false(pool_drain(lot->pool, &lot->master_io));
    pool_hold(lot->pool, &lot->workers[2].io, -1);
    shared_toggle_passing(lot->workers[2].io.stats); /* one that comes or goes accepts nothing */
    assert_true(pool_drain(lot->pool, &lot->master_io));
}

/* --- dismissing ----------------------------------------------------------------- */

static void a_busy_worker_leaves_when_it_looks(void **state)
{
    struct lot *lot = *state;
    struct worker_control *control = &lot->workers[0].io.stats->control;

    assert_false(leaders_dismiss(control)); /* nobody has to be interrupted */
    assert_false(leaders_dismiss(control));
    pool_work(lot->pool, &lot->workers[0].io); /* returns at once */
    assert_int_equal(atomic_load(&control->state), LEADERS_DISMISSED);
}

static void an_idle_worker_serves_the_event_it_was_given(void **state)
{
    struct lot *lot = *state;
    struct lot_worker *worker = &lot->workers[0];
    struct worker_control *control = &worker->io.stats->control;
    int fd, client;

    lot_start(lot, 1);
    client = lot_connect_parked(lot, &fd);
    lot_wait(atomic_load(&control->state) == LEADERS_IDLE);
    assert_true(leaders_dismiss(control)); /* it waits, and there is no signal here to wake it */
    assert_false(leaders_dismiss(control));
    lot_ask(client); /* not lost, though it was told to leave before */
    assert_int_equal(pthread_join(worker->thread, NULL), 0);
    lot->running = 0;
    assert_int_equal(lot_owner(lot, fd), OWNER_PARKED);
    atomic_store(&control->state, LEADERS_BUSY); /* a successor in its slot goes on with it */
    lot_start(lot, 1);
    lot_ask(client);
    close(client);
}

static void a_worker_tells_that_it_has_served_its_share(void **state)
{
    struct lot *lot = *state;
    struct worker_control *control = &lot->workers[0].io.stats->control;
    eventfd_t told;
    int client;

    lot->config.max_requests = 3;
    lot->server.control = control;
    lot->server.master_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lot_start(lot, 1);
    client = lot_connect(lot);
    lot_ask(client);
    lot_ask(client);
    lot_wait(atomic_load(&control->state) == LEADERS_IDLE);
    assert_false(atomic_load(&control->spent));
    for (int i = 0; i < 3; i++)
        lot_ask(client); /* it goes on until it is told to leave */
    lot_wait(atomic_load(&control->spent));
    lot_stop(lot);
    assert_return_code(eventfd_read(lot->server.master_fd, &told), errno);
    assert_int_equal(told, 1); /* and says so once */
    close(lot->server.master_fd);
    close(client);
}

static void what_waits_to_be_accepted_is_taken_in(void **state)
{
    struct lot *lot = *state;
    int clients[3];

    for (int i = 0; i < 3; i++)
        clients[i] = lot_connect(lot);
    lot_send(clients[1], lot_request);
    pool_take_backlog(lot->pool, &lot->master_io);
    assert_int_equal(lot_open(lot), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(lot_owner(lot, lot_find(lot, clients[i])), OWNER_PARKED);
    assert_false(pool_drain(lot->pool, &lot->master_io));
    lot_expect_silence(clients[0]); /* it has just come, and may be asking */
    clocks_advance(1000);
    assert_false(pool_drain(lot->pool, &lot->master_io));
    lot_expect_end(clients[0]);
    lot_expect_end(clients[2]);
    lot_start(lot, 1);
    lot_answer(clients[1]);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}

/* --- together ------------------------------------------------------------------- */

static void many_connections_and_workers(void **state)
{
    enum { CLIENTS = 24, ROUNDS = 60 };
    struct lot *lot = *state;
    int clients[CLIENTS];
    uint64_t requests = 0;

    lot_start(lot, LOT_WORKERS);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = lot_connect(lot);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            lot_send(clients[i], lot_request);
        atomic_store(&lot->pool->rearm, true);
        pool_sweep(lot->pool, &lot->master_io);
        for (int i = 0; i < CLIENTS; i++)
            lot_answer(clients[i]);
        close(clients[round % CLIENTS]);
        clients[round % CLIENTS] = lot_connect(lot);
    }
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    lot_wait(lot_open(lot) == 0);
    lot_stop(lot);
    for (unsigned i = 0; i < LOT_WORKERS; i++)
        requests += stats_get(&lot->server.shared->workers[i].requests);
    assert_int_equal(requests, CLIENTS * ROUNDS);
    assert_int_equal(atomic_load(&lot->server.shared->contexts), 0);
    for (int fd = 0; fd < LOT_DESCRIPTORS; fd++)
        assert_int_equal(lot_owner(lot, fd), OWNER_NONE);
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
