/* SPDX-License-Identifier: MIT
 *
 * Plain futures and done callbacks, and what a future leaves to that which it is part of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/tasks.h"

static void *sets_future(void *arg)
{
    assert_int_equal(coro_sleep(1), 0);
    assert_int_equal(coro_future_set_result(arg, arg), 0);
    assert_int_equal(coro_future_set_result(arg, NULL), -EALREADY);
    assert_int_equal(coro_future_cancel(arg), -EALREADY);
    return NULL;
}

static void on_done(struct coro_future *f, void *arg)
{
    assert_null(coro_task_self());
    assert_true(coro_future_state(f) >= CORO_DONE);
    note(arg);
}

static void *plain_main(void *arg)
{
    struct coro_future *f = coro_future_new(this_loop()), *g = coro_future_new(this_loop());
    struct coro_done d[4];
    void *value;

    (void)arg;
    assert_int_equal(coro_await(f, &value, coro_now_ms() + 5), -ETIMEDOUT);
    assert_int_equal(coro_future_state(f), CORO_PENDING);
    for (int i = 0; i < 3; i++)
        coro_future_add_done(f, &d[i], on_done, i == 0 ? "1" : i == 1 ? "2" : "3");
    coro_future_remove_done(&d[1]);
    coro_future_unref(go(sets_future, f));
    assert_int_equal(coro_await(f, &value, CORO_FOREVER), 0);
    assert_ptr_equal(value, f);
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "13");
    coro_future_add_done(f, &d[3], on_done, "4"); /* of one that is done: next turn */
    assert_string_equal(trace, "13");
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "134");
    coro_future_add_done(f, &d[1], on_done, "never");
    coro_future_remove_done(&d[1]);
    coro_future_remove_done(&d[1]);
    assert_int_equal(coro_future_set_error(g, -EPERM), 0);
    assert_int_equal(coro_await(g, NULL, CORO_FOREVER), -EPERM);
    assert_int_equal(coro_pause(), 0);
    assert_string_equal(trace, "134");
    coro_future_unref(f);
    coro_future_unref(g);
    return NULL;
}

static void test_plain_future_and_callbacks(void **state)
{
    (void)state;
    run_main(plain_main, NULL);
}

/* ---- part of something else ---- */

struct part {
    struct coro_future future;
    int cancelled, released;
};

static int cancel_part(struct coro_future *f)
{
    CORO_HOLDER(f, struct part, future)->cancelled++;
    return -EALREADY;
}

static void release_part(struct coro_future *f)
{
    CORO_HOLDER(f, struct part, future)->released++;
}

static void test_a_part_is_cancelled_and_released_by_its_owner(void **state)
{
    const struct coro_future_hooks hooks = {cancel_part, release_part};
    struct part part = {.future = {.hooks = &hooks, .refs = 1}};

    (void)state;
    assert_int_equal(coro_future_cancel(&part.future), -EALREADY);
    assert_int_equal(coro_future_state(&part.future), CORO_PENDING); /* it is the owner's to say */
    assert_int_equal(part.cancelled, 1);
    coro_future_unref(coro_future_ref(&part.future));
    assert_int_equal(part.released, 0);
    coro_future_unref(&part.future);
    assert_int_equal(part.released, 1);
}

/* ---- who is told ---- */

struct told {
    struct coro_waiter waiter;
    const char *name;
};

static void tell(struct coro_waiter *waiter)
{
    note(CORO_HOLDER(waiter, struct told, waiter)->name);
}

static void test_all_are_told_in_the_order_they_came(void **state)
{
    struct coro_loop *loop = new_loop();
    struct coro_future *f = coro_future_new(loop);
    struct told told[] = {{{.tell = tell}, "a"}, {{.tell = tell}, "b"}, {{.tell = tell}, "c"}};
    struct coro_done done[2];

    (void)state;
    coro_future_add_done(f, &done[0], on_done, "1");
    for (int i = 0; i < 3; i++)
        coro_list_append(&f->waiters, &told[i].waiter.link);
    coro_future_add_done(f, &done[1], on_done, "2");
    coro_list_remove(&f->waiters, &told[1].waiter.link);
    assert_int_equal(coro_future_cancel(f), 0);
    assert_int_equal(coro_future_result(f, NULL), -ECANCELED);
    assert_string_equal(trace, "ac"); /* at once */
    assert_int_equal(coro_loop_run(loop), -EDEADLK);
    assert_string_equal(trace, "ac12"); /* in the loop's next turn */
    coro_future_unref(f);
    coro_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_future_and_callbacks),
        cmocka_unit_test(test_a_part_is_cancelled_and_released_by_its_owner),
        cmocka_unit_test(test_all_are_told_in_the_order_they_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
