/* SPDX-License-Identifier: MIT
 *
 * The loop without tasks: turns, wake-ups from threads; and watches that the kernel has no room
 * for: told, had again later, and done without meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/aborts.h"
#include "tests/unit/coro/tasks.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool full; /* no descriptor is let into an epoll set */

/* In place of the C library's, for libev too. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    if (full && operation == EPOLL_CTL_ADD) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, set, operation, fd, event);
}

static int set_up(void **state)
{
    (void)state;
    full = false;
    return 0;
}

/* How often it began to wait, and had waited. */
static void note_wait(void *arg, bool waits)
{
    ((unsigned *)arg)[waits]++;
}

static void test_a_loop_tells_when_it_waits(void **state)
{
    struct coro_loop loop = {.active = 0};
    unsigned waits[2] = {0, 0};

    (void)state;
    assert_int_equal(coro_loop_open(&loop), 0);
    coro_loop_on_wait(&loop, note_wait, waits);
    (void)coro_loop_turn(&loop, 0);
    (void)coro_loop_turn(&loop, 1);
    assert_int_equal(waits[true], 2);
    assert_int_equal(waits[false], 2);
    coro_loop_close(&loop);
}

static void test_a_loop_needs_room_for_itself(void **state)
{
    (void)state;
    full = true;
    errno = 0;
    assert_null(coro_loop_new(NULL));
    assert_int_equal(errno, ENOSPC);
}

/* ---- turns ---- */

static void on_readable(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    (void)loop;
    *(int *)watch->data = events;
}

static void test_a_turn_ends_at_an_event_or_at_its_time(void **state)
{
    struct coro_loop loop = {.active = 0};
    struct coro_watch watch;
    int ends[2], seen = 0;
    int64_t at_ns;

    (void)state;
    assert_int_equal(coro_loop_open(&loop), 0);
    assert_int_equal(loop.active, 0);
    assert_true(coro_loop_turn(&loop, 0));
    at_ns = coro_now_ns() + 2500000;
    while (!coro_loop_turn(&loop, at_ns))
        continue;
    assert_true(coro_now_ns() >= at_ns);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    coro_watch_init(&watch, ends[0], CORO_READ, on_readable, &seen);
    coro_watch_start(&loop, &watch);
    assert_int_equal(loop.active, 1);
    assert_true(coro_loop_turn(&loop, 0));
    assert_int_equal(seen, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_false(coro_loop_turn(&loop, coro_now_ns() + INT64_C(60) * 1000000000));
    assert_int_equal(seen, CORO_READ);
    coro_watch_stop(&loop, &watch);
    assert_int_equal(loop.active, 0);
    coro_loop_close(&loop);
    close(ends[0]);
    close(ends[1]);
}

static void *sends(void *arg)
{
    coro_notifier_send(arg);
    return NULL;
}

static void on_notice(void *arg)
{
    ++*(int *)arg;
}

static void test_another_thread_ends_a_turn(void **state)
{
    struct coro_loop loop = {.active = 0};
    struct coro_notifier *notifier;
    int notices = 0;
    pthread_t id;

    (void)state;
    assert_int_equal(coro_loop_open(&loop), 0);
    notifier = coro_notifier_new(&loop, on_notice, &notices);
    assert_non_null(notifier);
    assert_int_equal(loop.active, 0); /* it wakes nobody by itself */
    assert_int_equal(pthread_create(&id, NULL, sends, notifier), 0);
    while (notices == 0)
        assert_false(coro_loop_turn(&loop, INT64_MAX));
    pthread_join(id, NULL);
    coro_loop_turn(&loop, 0);
    assert_int_equal(notices, 1);
    coro_notifier_free(notifier);
    coro_loop_close(&loop);
}

/* ---- no room ---- */

struct watched {
    struct coro_watch watch;
    struct coro_timer again;
    int ends[2];
    int failures, successes;
};

static void on_ready(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct watched *w = watch->data;

    if (events == 0) {
        w->failures++;
        assert_false(coro_watch_active(watch));
        coro_timer_start(loop, &w->again, 1, 0);
        return;
    }
    assert_int_equal(events, CORO_READ);
    w->successes++;
    coro_watch_stop(loop, watch);
}

static void on_again(struct coro_loop *loop, struct coro_timer *timer)
{
    struct watched *w = timer->data;

    full = w->failures < 3;
    coro_watch_start(loop, &w->watch);
}

static struct watched watched(void)
{
    struct watched w = {.failures = 0};

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, w.ends), 0);
    assert_int_equal(write(w.ends[1], "x", 1), 1);
    return w;
}

static void forget(const struct watched *w)
{
    close(w->ends[0]);
    close(w->ends[1]);
}

static void test_a_watch_that_failed_can_be_started_again(void **state)
{
    struct coro_loop *loop = new_loop();
    struct watched w = watched();

    (void)state;
    coro_watch_init(&w.watch, w.ends[0], CORO_READ, on_ready, &w);
    coro_timer_init(&w.again, on_again, &w);
    full = true;
    coro_watch_start(loop, &w.watch);
    assert_int_equal(coro_loop_run(loop), -EDEADLK); /* nothing is counted twice or left over */
    assert_int_equal(w.failures, 3);
    assert_int_equal(w.successes, 1);
    forget(&w);
    coro_loop_free(loop);
}

static void test_a_watch_started_now_says_so(void **state)
{
    struct coro_loop *loop = new_loop();
    struct watched w = watched();

    (void)state;
    coro_watch_init(&w.watch, w.ends[0], CORO_READ, on_ready, &w);
    full = true;
    assert_int_equal(coro_watch_start_now(loop, &w.watch), -ENOSPC);
    assert_false(coro_watch_active(&w.watch));
    full = false;
    assert_int_equal(coro_watch_start_now(loop, &w.watch), 0);
    assert_int_equal(w.successes, 0); /* nobody is called before the loop runs */
    assert_int_equal(coro_loop_run(loop), -EDEADLK);
    assert_int_equal(w.failures, 0);
    assert_int_equal(w.successes, 1);
    forget(&w);
    coro_loop_free(loop);
}

static void watch_a_closed_one(struct watched *w)
{
    struct coro_loop *loop = new_loop();

    coro_watch_init(&w->watch, w->ends[0], CORO_READ, on_ready, w);
    close(w->ends[0]);
    (void)!coro_watch_start_now(loop, &w->watch);
}

static void test_a_watched_descriptor_must_be_open(void **state)
{
    struct watched w = watched();

    (void)state;
    assert_aborts("invalid fd", watch_a_closed_one(&w));
    forget(&w);
}

static void *wait_readable(void *arg)
{
    const struct watched *w = arg;
    char byte;

    full = true;
    assert_int_equal(coro_wait_fd(w->ends[0], CORO_READ, CORO_FOREVER), CORO_READ);
    assert_int_equal(read(w->ends[0], &byte, 1), 1);
    assert_int_equal(coro_wait_fd(w->ends[0], CORO_READ, coro_now_ms() + 30), -ETIMEDOUT);
    assert_int_equal(coro_wait_fd(w->ends[0], CORO_WRITE, CORO_FOREVER), CORO_WRITE);
    assert_int_equal(coro_task_cancel(coro_task_self()), 0);
    assert_int_equal(coro_wait_fd(w->ends[0], CORO_READ, CORO_FOREVER), -ECANCELED);
    full = false;
    return NULL;
}

static void test_waiting_goes_on_without_a_watch(void **state)
{
    struct watched w = watched();

    (void)state;
    run_main(wait_readable, &w);
    forget(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_loop_needs_room_for_itself, set_up),
        cmocka_unit_test_setup(test_a_loop_tells_when_it_waits, set_up),
        cmocka_unit_test_setup(test_a_turn_ends_at_an_event_or_at_its_time, set_up),
        cmocka_unit_test_setup(test_another_thread_ends_a_turn, set_up),
        cmocka_unit_test_setup(test_a_watch_that_failed_can_be_started_again, set_up),
        cmocka_unit_test_setup(test_a_watch_started_now_says_so, set_up),
        cmocka_unit_test_setup(test_a_watched_descriptor_must_be_open, set_up),
        cmocka_unit_test_setup(test_waiting_goes_on_without_a_watch, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
