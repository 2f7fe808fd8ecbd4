/* SPDX-License-Identifier: MIT
 *
 * slow_clients.h: how long a worker waits, and which client is given up when. A wait whose client
 * is ready looks at the others once, so most of this needs no second thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "models/pool/slow_clients.h"
#include "system/kept.h"
#include "tests/unit/http/clocks.h"

enum { WORKERS = 4, SELF = 3, LONG_MS = 1000000 };

struct fixture {
    struct slow_clients *slow;
    int work_fd;
    int ready[2], silent[2]; /* a client that has sent something, and one that has not */
};

static int begin(void **state)
{
    static struct fixture f;

    f.slow = calloc(1, slow_clients_size(WORKERS));
    f.work_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f.slow == NULL || f.work_fd < 0 || slow_clients_init(f.slow, WORKERS, f.work_fd) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, f.ready) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, f.silent) < 0 || write(f.ready[1], "x", 1) != 1)
        return -1;
    *state = &f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    slow_clients_term(f->slow);
    free(f->slow);
    close(f->work_fd);
    for (int i = 0; i < 2; i++) {
        close(f->ready[i]);
        close(f->silent[i]);
    }
    return 0;
}

static void a_connection_waits(const struct fixture *f)
{
    assert_return_code(eventfd_write(f->work_fd, 1), errno);
}

/* The others wait, since so long; 0: that one does not. */
static void others_wait(struct fixture *f, int64_t first, int64_t second, int64_t third)
{
    const int64_t since[] = {first, second, third};

    for (unsigned i = 0; i < 3; i++) {
        atomic_store(&f->slow->each[i].since_ms, since[i] == 0 ? 0 : io_now_ms() - since[i]);
        atomic_store(&f->slow->each[i].wait, 10 + i);
    }
}

static bool is_given_up(const struct fixture *f, unsigned worker)
{
    return atomic_load(&f->slow->each[worker].given_up) == atomic_load(&f->slow->each[worker].wait);
}

/* One look by SELF, whose client is ready. */
static void look(struct fixture *f)
{
    assert_int_equal(
        slow_clients_wait(f->slow, SELF, f->ready[0], IO_READ, io_now_ms() + LONG_MS, 0), IO_READ);
}

static void a_quarter_is_kept_free_at_least_one(void **state)
{
    static const unsigned cases[][2] = {{1, 0}, {2, 1}, {3, 2}, {4, 3}, {8, 6}, {11, 9}, {64, 48}};
    struct fixture *f = *state;

    assert_int_equal(f->slow->limit, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        slow_clients_set_workers(f->slow, cases[i][0]);
        assert_int_equal(f->slow->limit, cases[i][1]);
    }
}

static void it_ends_when_the_client_is_ready_or_its_time_is_over(void **state)
{
    struct fixture *f = *state;
    int64_t deadline = io_now_ms() + LONG_MS;

    look(f);
    assert_int_equal(f->slow->each[SELF].since_ms, 0);
    assert_int_equal(f->slow->each[SELF].bell, 0);
    assert_int_equal(
        slow_clients_wait(f->slow, SELF, f->silent[0], IO_READ | IO_WRITE, deadline, 0), IO_WRITE);
    assert_int_equal(slow_clients_wait(f->slow, SELF, f->silent[0], IO_READ, io_now_ms(), 0),
                     -ETIMEDOUT);
    close(f->silent[1]); /* the end of the client counts as ready */
    f->silent[1] = -1;
    assert_int_equal(slow_clients_wait(f->slow, SELF, f->silent[0], IO_READ, deadline, 0), IO_READ);
    for (unsigned i = 0; i < BELLS_COUNT; i++)
        assert_int_equal(f->slow->bells.each[i].holder, 0);
}

static void the_slowest_is_given_up_once_it_is_too_slow(void **state)
{
    struct fixture *f = *state;

    a_connection_waits(*state);
    others_wait(f, 50, SLOW_CLIENTS_PATIENCE_MS - 1, 70);
    look(f);
    for (unsigned i = 0; i < 3; i++)
        assert_false(is_given_up(f, i));
    others_wait(f, 50, SLOW_CLIENTS_PATIENCE_MS, 70);
    look(f);
    assert_false(is_given_up(f, 0));
    assert_true(is_given_up(f, 1));
    assert_false(is_given_up(f, 2));
    others_wait(f, 500, 1000, 700);
    look(f); /* it waits no more: the others may */
    assert_false(is_given_up(f, 0) || is_given_up(f, 2));
    slow_clients_set_workers(f->slow, 3);
    look(f); /* now they are too many without it */
    assert_true(!is_given_up(f, 0) && is_given_up(f, 2));
    atomic_fetch_add(&f->slow->each[1].wait, 1); /* for its next client it waits again */
    look(f);
    assert_true(is_given_up(f, 1));
}

static void nobody_is_given_up_for_nothing(void **state)
{
    struct fixture *f = *state;

    others_wait(f, 500, 1000, 700);
    look(f); /* no connection waits */
    assert_false(is_given_up(f, 1));
    a_connection_waits(f);
    others_wait(f, 500, 1000, 0);
    look(f); /* and no more than may are slow */
    assert_false(is_given_up(f, 1));
    others_wait(f, 500, 1000, 700);
    look(f);
    assert_true(is_given_up(f, 1));
}

/* What the client was slow before counts, too. */
static void a_worker_gives_its_own_client_up(void **state)
{
    struct fixture *f = *state;

    a_connection_waits(f);
    others_wait(f, 500, 1000, 700);
    assert_int_equal(
        slow_clients_wait(f->slow, SELF, f->silent[0], IO_READ, io_now_ms() + LONG_MS, 1001),
        -EBUSY);
    for (unsigned i = 0; i < 3; i++)
        assert_false(is_given_up(f, i));
    assert_int_equal(f->slow->each[SELF].since_ms, 0);
}

static void *wait_in_vain(void *arg)
{
    struct fixture *f = arg;

    return (void *)(intptr_t)slow_clients_wait(f->slow, 1, f->silent[0], IO_READ,
                                               io_now_ms() + LONG_MS, 1000);
}

/* With a bell it is told at once; without one it looks for itself. */
static void who_is_given_up_is_told(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    void *result;

    for (int with_bell = 1; with_bell >= 0; with_bell--) {
        for (unsigned i = 0; i < BELLS_COUNT && !with_bell; i++)
            atomic_store(&f->slow->bells.each[i].holder, 100 + i);
        assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, f), 0);
        while (atomic_load(&f->slow->each[1].since_ms) == 0 ||
               (atomic_load(&f->slow->each[1].bell) != 0) != (with_bell != 0))
            sched_yield();
        a_connection_waits(f);
        atomic_store(&f->slow->each[0].since_ms, io_now_ms());
        atomic_store(&f->slow->each[2].since_ms, io_now_ms());
        atomic_store(&f->slow->each[0].wait, 1);
        atomic_store(&f->slow->each[2].wait, 1);
        look(f);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_int_equal((intptr_t)result, -EBUSY);
        others_wait(f, 0, 0, 0);
    }
}

static void the_dead_wait_for_nobody(void **state)
{
    struct fixture *f = *state;

    a_connection_waits(f);
    others_wait(f, 500, 1000, 700);
    assert_true(bells_take(&f->slow->bells, 1) > 0);
    look(f); /* so that all are looked at */
    atomic_fetch_add(&f->slow->each[1].wait, 1);
    slow_clients_died(f->slow, 1);
    assert_int_equal(f->slow->bells.each[0].holder, 0);
    look(f);
    for (unsigned i = 0; i < 3; i++)
        assert_false(is_given_up(f, i));
}

static void its_bells_are_its_own(void **state)
{
    struct fixture *f = *state;
    struct kept own = {.count = 0};

    slow_clients_keep(f->slow, &own);
    assert_int_equal(own.count, BELLS_COUNT);
    for (unsigned i = 0; i < BELLS_COUNT; i++)
        assert_true(kept_has(&own, f->slow->bells.each[i].fd));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_quarter_is_kept_free_at_least_one),
        TEST(it_ends_when_the_client_is_ready_or_its_time_is_over),
        TEST(the_slowest_is_given_up_once_it_is_too_slow),
        TEST(nobody_is_given_up_for_nothing),
        TEST(a_worker_gives_its_own_client_up),
        TEST(who_is_given_up_is_told),
        TEST(the_dead_wait_for_nobody),
        TEST(its_bells_are_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
