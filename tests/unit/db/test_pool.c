/* SPDX-License-Identifier: MIT
 *
 * pool.h: who waits is served in the order they came, in time, and never given a connection that
 * is broken; and permits.h: what is lent, kept, taken and found after a death.
 *
 * Contexts are threads; the database is one that the test opens and breaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "db/pool.h"

enum { PATIENCE_S = 60, LONG_MS = 60000, SHORT_MS = 50, THREADS = 5 };

/* ---- the database ------------------------------------------------------------------------- */

static int opened, closed, refuse; /* touched by one thread at a time, or under no race */
static int far_end = -1;           /* of the last socket opened */

static int fake_open(struct db_conn *conn, struct io *io, int64_t deadline_ms)
{
    int pair[2];

    (void)io;
    (void)deadline_ms;
    if (refuse != 0)
        return db_conn_fail(conn, refuse, "refused");
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
    conn->handle = &opened;
    conn->fd = pair[0];
    far_end = pair[1];
    opened++;
    return 0;
}

static void fake_close(struct db_conn *conn, struct io *io)
{
    (void)io;
    close(conn->fd);
    closed++;
}

static const struct db_backend backend = {.name = "fake", .open = fake_open, .close = fake_close};
static const struct db_backend optional = {
    .name = "fake", .optional = true, .look_always = true, .open = fake_open, .close = fake_close};

/* ---- contexts ------------------------------------------------------------------------------ */

static void ignore(struct io *io)
{
    (void)io;
}

static void ignore_fd(struct io *io, int fd)
{
    (void)io;
    (void)fd;
}

static int cancelled(struct io *io, int64_t deadline_ms)
{
    (void)io;
    (void)deadline_ms;
    return -ECANCELED;
}

static const struct io_sharing sharing = {
    .opening = ignore, .hold = ignore_fd, .unhold = ignore_fd, .close = ignore_fd};
static const struct io_ops ops; /* they block */
static const struct io_ops sharing_ops = {.sharing = &sharing};
static const struct io_ops cancelled_ops = {.suspend = cancelled};

static int64_t in_ms(int64_t ms)
{
    return io_now_ms() + ms;
}

static void wait_for_line(struct db_pool *pool, unsigned count)
{
    time_t limit = time(NULL) + PATIENCE_S;

    while (db_pool_waiting(pool) != count) {
        assert_true(time(NULL) < limit);
        sched_yield();
    }
}

struct asker {
    struct io io;
    struct db_pool *pool;
    unsigned process;
    int64_t wait_ms;
    pthread_t thread;
    int result;
    struct db_conn *conn;
    _Atomic bool done;
    unsigned place; /* in the order of being served, from 1 */
    unsigned *served;
};

static void *ask(void *arg)
{
    struct asker *a = arg;

    a->result = db_pool_take(a->pool, &a->io, a->process, in_ms(a->wait_ms), &a->conn);
    if (a->result == 0) {
        a->place = ++*a->served; /* whoever has the one connection is alone here */
        db_pool_put(a->pool, &a->io, a->conn, 0);
    }
    atomic_store(&a->done, true);
    return NULL;
}

static int begin(void **state)
{
    static struct db_pool pool;

    opened = closed = refuse = 0;
    *state = &pool;
    return db_pool_init(&pool, &backend, "test", "fake:", false, 1, 1);
}

static int end(void **state)
{
    db_pool_term(*state);
    assert_int_equal(opened, closed);
    return 0;
}

/* ---- the pool ------------------------------------------------------------------------------ */

static void in_the_order_they_came(void **state)
{
    struct db_pool *pool = *state;
    struct asker askers[THREADS] = {0};
    struct io io = {.ops = &ops};
    struct db_conn *conn;
    unsigned served = 0;

    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        askers[i] =
            (struct asker){.io.ops = &ops, .pool = pool, .wait_ms = LONG_MS, .served = &served};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
        wait_for_line(pool, i + 1);
    }
    db_pool_put(pool, &io, conn, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].result, 0);
        assert_int_equal(askers[i].place, i + 1);
    }
    assert_int_equal(opened, 1); /* one and the same for all */
}

static void a_deadline_leaves_the_line(void **state)
{
    struct db_pool *pool = *state;
    struct io io = {.ops = &ops}, other = {.ops = &ops};
    struct db_conn *conn, *none;

    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(db_pool_take(pool, &other, 0, in_ms(SHORT_MS), &none), -ETIMEDOUT);
    assert_int_equal(db_pool_take(pool, &other, 0, in_ms(-1), &none), -ETIMEDOUT);
    other.ops = &cancelled_ops;
    assert_int_equal(db_pool_take(pool, &other, 0, in_ms(LONG_MS), &none), -ECANCELED);
    assert_int_equal(db_pool_waiting(pool), 0);
    db_pool_put(pool, &io, conn, 0);
    other.ops = &ops;
    assert_int_equal(db_pool_take(pool, &other, 0, in_ms(-1), &conn), 0); /* no need to wait */
    db_pool_put(pool, &other, conn, 0);
}

static void a_broken_one_is_closed(void **state)
{
    struct db_pool *pool = *state;
    struct io io = {.ops = &ops};
    struct db_conn *conn;

    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(db_conn_break(conn, -EIO, false, "broken\nhere"), -EIO);
    assert_string_equal(conn->reason, "broken");
    db_pool_put(pool, &io, conn, -EIO);
    assert_int_equal(closed, 1);
    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_false(conn->broken);
    assert_int_equal(opened, 2);
    db_pool_put(pool, &io, conn, 0);
}

static void attempts_are_spaced_out(void **state)
{
    struct db_pool *pool = *state;
    struct io io = {.ops = &ops};
    struct db_conn *conn;
    int64_t pause = 0;

    refuse = -ECONNREFUSED;
    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), -ECONNREFUSED);
    for (int i = 0; i < 10; i++) {
        pool->retry_ms = in_ms(LONG_MS);
        refuse = -EIO; /* nobody tries, so what the last attempt ended with still stands */
        assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), -ECONNREFUSED);
        assert_true(pool->pause_ms >= pause && pool->pause_ms <= DB_PAUSE_MAX_MS);
        pause = pool->pause_ms;
        refuse = -ECONNREFUSED;
        pool->retry_ms = 0;
        assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), -ECONNREFUSED);
    }
    assert_int_equal(pool->pause_ms, DB_PAUSE_MAX_MS);
    refuse = 0;
    pool->retry_ms = 0;
    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(pool->pause_ms, 0);
    db_pool_put(pool, &io, conn, 0);
}

/* A cache that has failed to answer is left alone, although its connections are open. */
static void what_is_optional_rests(void **state)
{
    struct db_pool pool;
    struct io io = {.ops = &ops};
    struct db_conn *conn;

    (void)state;
    assert_int_equal(db_pool_init(&pool, &optional, "test", "fake:", false, 2, 1), 0);
    assert_int_equal(db_pool_take(&pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(db_conn_break(conn, -ETIMEDOUT, false, "silent"), -ETIMEDOUT);
    db_pool_put(&pool, &io, conn, -ETIMEDOUT);
    pool.retry_ms = in_ms(LONG_MS);
    assert_int_equal(db_pool_take(&pool, &io, 0, in_ms(LONG_MS), &conn), -ETIMEDOUT);
    pool.retry_ms = 0;
    assert_int_equal(db_pool_take(&pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(pool.failing, -ETIMEDOUT); /* that it could be opened says little */
    db_pool_put(&pool, &io, conn, 0);
    assert_int_equal(pool.failing, 0);
    assert_int_equal(write(far_end, "surplus", 7), 7); /* nobody has asked for that */
    assert_int_equal(db_pool_take(&pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(opened, 3);
    db_pool_put(&pool, &io, conn, 0);
    db_pool_term(&pool);
}

static void a_renewed_one_is_another(void **state)
{
    struct db_pool *pool = *state;
    struct io io = {.ops = &ops};
    struct db_conn *conn;

    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_true(conn->fresh);
    db_pool_put(pool, &io, conn, 0);
    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_false(conn->fresh);
    assert_int_equal(db_conn_break(conn, -ECONNRESET, true, "gone"), -ECONNRESET);
    assert_int_equal(db_pool_renew(pool, &io, conn, -ECONNRESET, in_ms(LONG_MS)), 0);
    assert_true(conn->fresh && !conn->broken);
    assert_int_equal(opened, 2);
    assert_int_equal(closed, 1);
    refuse = -ECONNREFUSED;
    assert_int_equal(db_conn_break(conn, -ECONNRESET, true, "gone"), -ECONNRESET);
    assert_int_equal(db_pool_renew(pool, &io, conn, -ECONNRESET, in_ms(LONG_MS)), -ECONNREFUSED);
    db_pool_put(pool, &io, conn, -ECONNREFUSED);
    assert_int_equal(closed, 2);
}

static void one_that_died_in_its_sleep_is_replaced(void **state)
{
    struct db_pool *pool = *state;
    struct io io = {.ops = &ops};
    struct db_conn *conn;

    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    db_pool_put(pool, &io, conn, 0);
    close(far_end);
    conn->idle_since_ms -= 10000;
    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(opened, 2);
    db_pool_put(pool, &io, conn, 0);
    close(far_end);
    pool->generation++; /* another of the process's connections was found dead */
    assert_int_equal(db_pool_take(pool, &io, 0, in_ms(LONG_MS), &conn), 0);
    assert_int_equal(opened, 3);
    db_pool_put(pool, &io, conn, 0);
}

static void shares(void **state)
{
    static const struct {
        unsigned total, processes, of[4];
    } cases[] = {{16, 1, {16}}, {16, 3, {6, 5, 5}}, {4, 4, {1, 1, 1, 1}}, {2, 4, {1, 1, 1, 1}}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (unsigned process = 0; process < cases[i].processes; process++) {
            struct db_pool pool;
            struct io io = {.ops = &ops};
            struct db_conn *conn;

            assert_int_equal(db_pool_init(&pool, &backend, "test", "fake:", false, cases[i].total,
                                          cases[i].processes),
                             0);
            assert_int_equal(db_pool_take(&pool, &io, process, in_ms(LONG_MS), &conn), 0);
            assert_int_equal(pool.count, cases[i].of[process]);
            assert_true((pool.permits != NULL) == (cases[i].processes > cases[i].total));
            db_pool_put(&pool, &io, conn, 0);
            db_pool_term(&pool);
        }
    }
}

/* ---- permits ------------------------------------------------------------------------------- */

/* Borrowers stand for processes; what matters is shared memory in either case. */
static int begin_permits(void **state)
{
    *state = db_permits_new(1, 3);
    return *state == NULL;
}

static int end_permits(void **state)
{
    db_permits_free(*state);
    return 0;
}

static struct db_borrower borrower(void **state, unsigned process)
{
    return (struct db_borrower){.permits = *state, .process = process};
}

static void a_permit_is_kept(void **state)
{
    struct db_borrower b = borrower(state, 0);
    struct io io = {.ops = &sharing_ops};
    bool kept;

    assert_int_equal(db_permit_take(&b, &io, in_ms(LONG_MS), &kept), 0);
    assert_false(kept);
    assert_true(db_permit_may_stay(&b, &io, 99));
    db_permit_give(&b, -1, true);
    assert_int_equal(db_permit_take(&b, &io, in_ms(LONG_MS), &kept), 0);
    assert_true(kept);
    db_permit_give(&b, -1, false);
    assert_int_equal(db_permit_take(&b, &io, in_ms(LONG_MS), &kept), 0);
    assert_false(kept);
    db_permit_give(&b, -1, false);
}

static void where_a_socket_cannot_be_taken_it_may_not_stay(void **state)
{
    struct db_borrower b = borrower(state, 0);
    struct io io = {.ops = &ops};
    bool kept;

    assert_int_equal(db_permit_take(&b, &io, in_ms(LONG_MS), &kept), 0);
    assert_false(db_permit_may_stay(&b, &io, 99));
    assert_true(db_permit_may_stay(&b, &io, -1));
    db_permit_give(&b, -1, false);
}

static void an_idle_one_is_taken(void **state)
{
    struct db_borrower a = borrower(state, 0), b = borrower(state, 1);
    struct io io = {.ops = &sharing_ops};
    int pair[2];
    char byte;
    bool kept;

    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
    assert_int_equal(db_permit_take(&a, &io, in_ms(LONG_MS), &kept), 0);
    assert_int_equal(db_permit_take(&b, &io, in_ms(SHORT_MS), &kept), -ETIMEDOUT); /* busy */
    db_permit_give(&a, pair[0], true);
    assert_int_equal(db_permit_take(&b, &io, in_ms(LONG_MS), &kept), 0);
    assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0); /* shut down */
    assert_int_equal(db_permit_take(&a, &io, in_ms(SHORT_MS), &kept), -ETIMEDOUT);
    assert_false(kept);
    db_permit_give(&b, -1, false);
    assert_int_equal(db_permit_take(&a, &io, in_ms(LONG_MS), &kept), 0);
    assert_false(kept); /* it is another one now */
    db_permit_give(&a, -1, false);
    close(pair[0]);
    close(pair[1]);
}

/* The call by which a socket is shut down, replaced so that something can happen just before. */
static void (*before_shutdown)(void);

int shutting_down(int fd, int how) __asm__("shutdown");
int shutting_down(int fd, int how)
{
    void (*happens)(void) = before_shutdown;

    before_shutdown = NULL;
    if (happens != NULL)
        happens();
    return (int)syscall(SYS_shutdown, fd, how);
}

static struct {
    struct db_permits *permits;
    int number, client[2]; /* the owner's, and a connection that takes the number over */
} scene;

static void the_owner_dies(void)
{
    db_permits_died(scene.permits, 0);
    assert_int_equal(dup2(scene.client[0], scene.number), scene.number);
}

/* Between the decision and the shutting down its owner is killed, the master closes what it had,
 * and the number is a client's. */
static void whose_owner_dies_as_it_is_taken(void **state)
{
    struct db_borrower a = borrower(state, 0), b = borrower(state, 1);
    struct io io = {.ops = &sharing_ops};
    int pair[2];
    char byte;
    bool kept;

    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, scene.client), errno);
    scene.permits = *state;
    scene.number = pair[0];
    assert_int_equal(db_permit_take(&a, &io, in_ms(LONG_MS), &kept), 0);
    db_permit_give(&a, pair[0], true);
    before_shutdown = the_owner_dies;
    assert_int_equal(db_permit_take(&b, &io, in_ms(LONG_MS), &kept), 0);
    assert_null(before_shutdown);
    assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0); /* the database sees its end */
    assert_int_equal(recv(scene.client[1], &byte, 1, MSG_DONTWAIT), -1); /* the client does not */
    assert_int_equal(errno, EAGAIN);
    db_permit_give(&b, -1, false);
    close(pair[0]);
    close(pair[1]);
    close(scene.client[0]);
    close(scene.client[1]);
}

static void the_taker_dies(void)
{
    _exit(0);
}

/* So is the taker, in a process that shares the table as prefork's do: the master does it then. */
static void whose_taker_dies_before_it_is_shut_down(void **state)
{
    struct db_borrower a = borrower(state, 0), b = borrower(state, 1);
    struct io io = {.ops = &sharing_ops};
    int pair[2], status = 0;
    char byte;
    bool kept;
    pid_t taker;

    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
    assert_int_equal(db_permit_take(&a, &io, in_ms(LONG_MS), &kept), 0);
    db_permit_give(&a, pair[0], true);
    taker = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
    if (taker == 0) {
        before_shutdown = the_taker_dies;
        (void)!db_permit_take(&b, &io, in_ms(LONG_MS), &kept);
        _exit(1);
    }
    assert_int_equal(waitpid(taker, &status, 0), taker);
    assert_int_equal(status, 0);
    assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1); /* not yet */
    db_permits_died(*state, 1);
    assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(db_permit_take(&a, &io, in_ms(LONG_MS), &kept), 0);
    assert_false(kept);
    db_permit_give(&a, -1, false);
    close(pair[0]);
    close(pair[1]);
}

static void the_dead_hold_nothing(void **state)
{
    struct db_borrower a = borrower(state, 0), b = borrower(state, 1);
    struct io io = {.ops = &sharing_ops};
    bool kept;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(db_permit_take(&a, &io, in_ms(LONG_MS), &kept), 0);
        if (i == 1)
            db_permit_give(&a, -1, true);
        db_permits_died(*state, 0);
        a.slot = 0; /* a successor starts with nothing */
        assert_int_equal(db_permit_take(&b, &io, in_ms(LONG_MS), &kept), 0);
        db_permit_give(&b, -1, false);
    }
}

struct claimant {
    struct db_borrower b;
    struct io io;
    pthread_t thread;
    unsigned place;
    unsigned *served;
};

static void *claim(void *arg)
{
    struct claimant *c = arg;
    bool kept;

    if (db_permit_take(&c->b, &c->io, in_ms(LONG_MS), &kept) == 0) {
        c->place = ++*c->served;
        db_permit_give(&c->b, -1, false);
    }
    return NULL;
}

static void permits_in_the_order_they_came(void **state)
{
    struct db_borrower a = borrower(state, 0);
    struct io io = {.ops = &ops};
    struct claimant claimants[2] = {0};
    unsigned served = 0;
    bool kept;

    assert_int_equal(db_permit_take(&a, &io, in_ms(LONG_MS), &kept), 0);
    for (unsigned i = 0; i < 2; i++) { /* the later process first, so that order is not index */
        claimants[i] =
            (struct claimant){.b = borrower(state, 2 - i), .io.ops = &ops, .served = &served};
        assert_int_equal(pthread_create(&claimants[i].thread, NULL, claim, &claimants[i]), 0);
        while (db_permits_waiting(*state) != i + 1)
            sched_yield();
    }
    db_permit_give(&a, -1, false);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(claimants[i].thread, NULL), 0);
        assert_int_equal(claimants[i].place, i + 1);
    }
}

#define TEST(name)    cmocka_unit_test_setup_teardown(name, begin, end)
#define PERMITS(name) cmocka_unit_test_setup_teardown(name, begin_permits, end_permits)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_the_order_they_came),
        TEST(a_deadline_leaves_the_line),
        TEST(a_broken_one_is_closed),
        TEST(attempts_are_spaced_out),
        TEST(what_is_optional_rests),
        TEST(a_renewed_one_is_another),
        TEST(one_that_died_in_its_sleep_is_replaced),
        cmocka_unit_test(shares),
        PERMITS(a_permit_is_kept),
        PERMITS(where_a_socket_cannot_be_taken_it_may_not_stay),
        PERMITS(an_idle_one_is_taken),
        PERMITS(whose_owner_dies_as_it_is_taken),
        PERMITS(whose_taker_dies_before_it_is_shut_down),
        PERMITS(the_dead_hold_nothing),
        PERMITS(permits_in_the_order_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
