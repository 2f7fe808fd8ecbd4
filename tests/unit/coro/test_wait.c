/* SPDX-License-Identifier: MIT
 *
 * Sleeping, waiting for a descriptor, several calls at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

#include <sys/socket.h>
#include <unistd.h>

static void *sleep_a_little(void *arg)
{
    (void)arg;
    assert_int_equal(coro_sleep(30), 0);
    return NULL;
}

static void *sleep_cases(void *arg)
{
    struct coro_call calls[50];
    int64_t before = coro_now_ms();

    (void)arg;
    for (int i = 0; i < 50; i++)
        calls[i] = (struct coro_call){.fn = sleep_a_little};
    assert_int_equal(coro_run_all(calls, 50, CORO_FOREVER), 0);
    assert_true(coro_now_ms() - before >= 30);
    assert_true(coro_now_ms() - before < 30 * 50); /* together, not one after the other */
    return NULL;
}

static void test_sleeps_overlap(void **state)
{
    (void)state;
    run_main(sleep_cases, NULL);
}

static void *fd_cases(void *arg)
{
    int s[2];
    char c;

    (void)arg;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(coro_wait_fd(s[0], CORO_READ, coro_now_ms() + 10), -ETIMEDOUT);
    assert_int_equal(coro_wait_fd(s[0], CORO_READ | CORO_WRITE, CORO_FOREVER), CORO_WRITE);
    assert_int_equal(write(s[1], "x", 1), 1);
    assert_int_equal(coro_wait_fd(s[0], CORO_READ, CORO_FOREVER), CORO_READ);
    assert_int_equal(read(s[0], &c, 1), 1);
    close(s[1]);
    assert_true(coro_wait_fd(s[0], CORO_READ, CORO_FOREVER) & CORO_READ);
    close(s[0]);
    return NULL;
}

static void test_wait_fd(void **state)
{
    (void)state;
    run_main(fd_cases, NULL);
}

static void *set_flag(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

static void *fails(void *arg)
{
    (void)arg;
    return coro_fail(-EIO);
}

static void *run_all_cases(void *arg)
{
    int one = 0, two = 0;
    struct coro_call calls[] = {
        {.fn = set_flag, .arg = &one}, {.fn = fails}, {.fn = set_flag, .arg = &two}};
    int slept;
    struct coro_call slow;

    (void)arg;
    assert_int_equal(coro_run_all(calls, 3, CORO_FOREVER), -EIO);
    assert_int_equal(one + two, 2);
    assert_int_equal(calls[0].error, 0);
    assert_int_equal(calls[1].error, -EIO);
    slept = 0;
    slow = (struct coro_call){.fn = wait_sleep, .arg = &slept};
    assert_int_equal(coro_run_all(&slow, 1, coro_now_ms() + 5), -ETIMEDOUT);
    assert_int_equal(slept, -ECANCELED);
    return NULL;
}

static void test_run_all(void **state)
{
    (void)state;
    run_main(run_all_cases, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleeps_overlap),
        cmocka_unit_test(test_wait_fd),
        cmocka_unit_test(test_run_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
