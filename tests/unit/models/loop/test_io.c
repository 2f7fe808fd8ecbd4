/* SPDX-License-Identifier: MIT
 *
 * models/loop/io.c: a cancellation that comes while a request gives others their turn is not lost;
 * when a slice ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "models/loop/loop.h"

enum when { BEFORE, WHILE_IN_LINE, WHILE_PAUSED };

/* One request and how it gives way. */
struct case_of {
    struct loop_process process;
    struct loop_context context;
    bool between_requests;
    int told; /* what the wait after it said */
};

static void *request(void *arg)
{
    struct case_of *c = arg;
    struct io *io = &c->context.io;

    if (c->between_requests)
        assert_false(loop_io_ops.give_way(io));
    else
        loop_io_ops.pause(io);
    c->told = loop_io_ops.sleep(io, 1);
    return NULL;
}

static void *cancel(void *arg)
{
    struct case_of *c = arg;

    assert_int_equal(coro_task_cancel(c->context.task), 0);
    return NULL;
}

static void is_told(enum when when, bool between_requests)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    struct case_of c = {.between_requests = between_requests};

    assert_non_null(loop);
    coro_sem_init(&c.process.movers, when == WHILE_IN_LINE ? 0 : 1);
    c.context.process = &c.process;
    c.context.task = coro_spawn(loop, request, &c, "request");
    assert_non_null(c.context.task);
    if (when == BEFORE)
        cancel(&c);
    else
        assert_non_null(coro_spawn(loop, cancel, &c, "cancel"));
    assert_int_equal(coro_loop_run(loop), -EDEADLK); /* all have ended */
    assert_int_equal(coro_loop_tasks(loop), 0);
    assert_int_equal(c.told, -ECANCELED);
    coro_loop_free(loop);
}

static void test_a_cancellation_is_told_after_a_pause(void **state)
{
    (void)state;
    is_told(BEFORE, false);
    is_told(WHILE_IN_LINE, false);
    is_told(WHILE_PAUSED, false);
}

static void test_a_cancellation_is_told_after_giving_way(void **state)
{
    (void)state;
    is_told(BEFORE, true);
    is_told(WHILE_PAUSED, true);
}

/* ---- slices ---- */

enum { HOUR_S = 3600 };

/* A handler that comes to a checkpoint, and another task that waits for its turn. */
struct computing {
    struct loop_process process;
    struct loop_context context;
    int64_t began_s; /* its slice, after now */
    bool other_ran, other_ran_before;
};

static void *compute(void *arg)
{
    struct computing *c = arg;
    struct io *io = &c->context.io;

    loop_io_ops.begin(io);
    c->context.slice_from_ns += c->began_s * 1000000000;
    loop_io_ops.checkpoint(io);
    c->other_ran_before = c->other_ran;
    return NULL;
}

static void *other(void *arg)
{
    ((struct computing *)arg)->other_ran = true;
    return NULL;
}

/* Whether it gave way. */
static bool gives_way(unsigned slice_ms, int64_t began_s)
{
    struct config config = {.slice_ms = slice_ms};
    struct server server = {.config = &config};
    struct computing c = {.began_s = began_s};
    struct coro_loop *loop = coro_loop_new(NULL);

    assert_non_null(loop);
    coro_sem_init(&c.process.movers, 1);
    c.context.process = &c.process;
    c.context.io.server = &server;
    c.context.task = coro_spawn(loop, compute, &c, "request");
    assert_non_null(c.context.task);
    assert_non_null(coro_spawn(loop, other, &c, "other"));
    assert_int_equal(coro_loop_run(loop), -EDEADLK); /* both have ended */
    coro_loop_free(loop);
    assert_true(c.other_ran);
    assert_int_equal(c.process.movers.count, 1);
    return c.other_ran_before;
}

static void test_a_handler_gives_way_when_its_slice_is_over(void **state)
{
    (void)state;
    assert_true(gives_way(1, -HOUR_S));
    assert_false(gives_way(1, HOUR_S)); /* not over */
    assert_false(gives_way(0, -HOUR_S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cancellation_is_told_after_a_pause),
        cmocka_unit_test(test_a_cancellation_is_told_after_giving_way),
        cmocka_unit_test(test_a_handler_gives_way_when_its_slice_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
