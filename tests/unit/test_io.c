/* SPDX-License-Identifier: MIT
 *
 * io.h where a model supplies nothing: contexts block in the kernel, by the clocks of io_clock.c,
 * and say so to whoever asked. Where it supplies a way of its own, that is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io.h"

enum { LONG_MS = 60000, SHORT_MS = 5 };

/* What was told, a letter each. */
static char told[32];

static void tell(const char *what)
{
    size_t length = strlen(told);

    snprintf(told + length, sizeof told - length, "%s", what);
}

static void expect_told(const char *what)
{
    assert_string_equal(told, what);
    told[0] = '\0';
}

static void blocks(struct io *io)
{
    (void)io;
    tell("(");
}

static void goes_on(struct io *io)
{
    (void)io;
    tell(")");
}

static const struct io_ops plain;
static const struct io_ops telling = {.blocks = blocks, .goes_on = goes_on};

static void a_wait_ends_with_what_is_ready(void **state)
{
    struct io io = {.ops = &telling};
    int ends[2];

    (void)state;
    assert_return_code(pipe(ends), errno);
    assert_int_equal(io_wait(&io, ends[1], IO_READ | IO_WRITE, IO_FOREVER), IO_WRITE);
    expect_told("()");
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(io_wait(&io, ends[0], IO_READ | IO_WRITE, io_now_ms() + LONG_MS), IO_READ);
    assert_int_equal(io_wait_client(&io, ends[0], IO_READ, io_now_ms() + LONG_MS, 0), IO_READ);
    expect_told("()()");
    close(ends[0]);
    assert_int_equal(io_wait(&io, ends[1], IO_WRITE, IO_FOREVER), IO_WRITE); /* nobody reads it */
    expect_told("()");
    close(ends[1]);
}

static void a_wait_ends_at_its_deadline(void **state)
{
    struct io io = {.ops = &plain};
    int64_t from = io_now_ms();
    int ends[2];

    (void)state;
    assert_return_code(pipe(ends), errno);
    assert_int_equal(io_wait(&io, ends[0], IO_READ, from + SHORT_MS), -ETIMEDOUT);
    assert_true(io_now_ms() >= from + SHORT_MS);
    assert_int_equal(io_wait(&io, ends[0], IO_READ, from), -ETIMEDOUT); /* it has passed */
    assert_int_equal(io_suspend(&io, io_now_ms() + SHORT_MS), -ETIMEDOUT);
    close(ends[0]);
    close(ends[1]);
}

static void a_sleep_is_never_shorter(void **state)
{
    struct io io = {.ops = &telling};
    int64_t from = io_now_ns();

    (void)state;
    assert_int_equal(io_sleep(&io, SHORT_MS), 0);
    assert_true(io_now_ns() - from >= SHORT_MS * INT64_C(1000000));
    expect_told("()");
}

static void *resume(void *arg)
{
    io_resume(arg);
    return NULL;
}

static void one_resume_is_remembered(void **state)
{
    struct io io = {.ops = &telling};
    pthread_t other;

    (void)state;
    io_resume(&io);
    io_resume(&io);
    assert_int_equal(io_suspend(&io, IO_FOREVER), 0);
    assert_int_equal(io_suspend(&io, io_now_ms() + SHORT_MS), -ETIMEDOUT);
    assert_int_equal(pthread_create(&other, NULL, resume, &io), 0);
    assert_int_equal(io_suspend(&io, IO_FOREVER), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    expect_told("()()()");
}

static int job(struct io *io, void *arg)
{
    const char *what = *(const char **)arg;

    (void)io;
    tell(what);
    return what[0] == 'b' ? -EIO : what[0] == 'c' ? -EAGAIN : 0;
}

static void jobs_run_one_after_another_to_the_last(void **state)
{
    struct io io = {.ops = &telling};
    const char *whats[] = {"a", "b", "c", "d"};

    (void)state;
    assert_int_equal(io_gather(&io, job, whats, sizeof whats[0], 4), -EIO);
    expect_told("abcd");
    assert_int_equal(io_gather(&io, job, whats, sizeof whats[0], 1), 0);
    expect_told("a");
    assert_string_equal(io_gather_how(&io), "one after another");
}

static void call(void *arg)
{
    tell(arg);
}

static void an_offloaded_call_runs_on_the_spot(void **state)
{
    struct io io = {.ops = &telling};
    char what[] = "call";

    (void)state;
    assert_int_equal(io_offload(&io, call, what, IO_FOREVER), 0);
    expect_told("(call)");
}

/* ---- a model with ways of its own ------------------------------------------------------------ */

static int own_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    (void)io;
    tell("w");
    return fd == 7 && events == IO_READ && deadline_ms == 8 ? 1 : 0;
}

static int own_wait_client(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms)
{
    (void)io;
    tell("c");
    return fd == 7 && events == IO_READ && deadline_ms == 8 && spent_ms == 9 ? 2 : 0;
}

static int own_sleep(struct io *io, int64_t ms)
{
    (void)io;
    return (int)ms + 1;
}

static int own_suspend(struct io *io, int64_t deadline_ms)
{
    (void)io;
    return (int)deadline_ms + 2;
}

static void own_resume(struct io *io)
{
    (void)io;
    tell("r");
}

static int own_gather(struct io *io, io_job *one, void *args, size_t arg_size, size_t count)
{
    (void)io;
    (void)one;
    (void)args;
    return (int)(arg_size + count);
}

static int own_offload(struct io *io, void (*offloaded)(void *arg), void *arg, int64_t deadline_ms)
{
    (void)io;
    (void)offloaded;
    (void)arg;
    return 11 + (int)deadline_ms;
}

static void a_way_of_its_own_is_taken(void **state)
{
    const struct io_ops own = {
        .gather_how = "somehow",
        .blocks = blocks,
        .goes_on = goes_on,
        .wait = own_wait,
        .sleep = own_sleep,
        .suspend = own_suspend,
        .resume = own_resume,
        .gather = own_gather,
        .offload = own_offload,
    };
    struct io_ops with_client = own;
    struct io io = {.ops = &own};

    (void)state;
    assert_int_equal(io_wait(&io, 7, IO_READ, 8), 1);
    assert_int_equal(io_wait_client(&io, 7, IO_READ, 8, 9), 1);
    expect_told("ww");
    assert_int_equal(io_sleep(&io, 1), 2);
    assert_int_equal(io_suspend(&io, 1), 3);
    io_resume(&io);
    expect_told("r");
    assert_int_equal(atomic_load(&io.resumed), 0);
    assert_int_equal(io_gather(&io, job, NULL, 3, 4), 7);
    assert_int_equal(io_offload(&io, call, NULL, 4), 11 + 4);
    assert_string_equal(io_gather_how(&io), "somehow");
    with_client.wait_client = own_wait_client;
    io.ops = &with_client;
    assert_int_equal(io_wait_client(&io, 7, IO_READ, 8, 9), 2);
    expect_told("(c)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_ends_with_what_is_ready),
        cmocka_unit_test(a_wait_ends_at_its_deadline),
        cmocka_unit_test(a_sleep_is_never_shorter),
        cmocka_unit_test(one_resume_is_remembered),
        cmocka_unit_test(jobs_run_one_after_another_to_the_last),
        cmocka_unit_test(an_offloaded_call_runs_on_the_spot),
        cmocka_unit_test(a_way_of_its_own_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
