/* SPDX-License-Identifier: MIT
 *
 * threads.c, coro.c and stealing.c, before they have workers: which settings they refuse, and what
 * they plan. What it is like to be served by them is for tests/http and tests/models.
 */
#include "planned.h"

#include "db/db.h"

extern const struct model threads_model, coro_model, stealing_model;

static void threads_are_of_one_process(void **state)
{
    (void)state;
    planned.config.gil = true;
    planned_takes(&threads_model, &planned.config);
    planned.config.dispatch = DISPATCH_CONNECTION;
    planned_takes(&threads_model, &planned.config);
    assert_int_equal(threads_model.open(&planned.server, NULL, &planned.plan), 0);
    assert_int_equal(planned.plan.processes, 1);
    assert_int_equal(planned.plan.slots_each, PLANNED_WORKERS + 1); /* the first thread's as well */
    assert_null(planned.plan.shared);
    planned.config.slice_ms = 2;
    planned_refuses(&threads_model, &planned.config, "--slice=2: ");
    assert_int_equal(planned.server.max_connections, planned.server.process_connections);
}

/* As with a pool, but that no thread needs an epoll set. */
static void without_a_pool_they_are_too(void **state)
{
    unsigned before;

    (void)state;
    planned.config.dispatch = DISPATCH_CONNECTION;
    assert_int_equal(threads_model.open(&planned.server, NULL, &planned.plan), 0);
    before = planned.server.max_connections;
    planned.config.pool = POOL_NONE;
    planned_takes(&threads_model, &planned.config);
    assert_int_equal(threads_model.open(&planned.server, NULL, &planned.plan), 0);
    assert_int_equal(planned.plan.processes, 1);
    assert_int_equal(planned.plan.slots_each, PLANNED_WORKERS + 1);
    assert_int_equal(planned.server.max_connections, before + PLANNED_WORKERS);
}

static void coro_refuses_what_threads_share(void **state)
{
    (void)state;
    planned.config.db = "redis://host";
    planned.config.stack_size = db_stack_bytes(&planned.config);
    planned.config.slice_ms = 2;
    planned_takes(&coro_model, &planned.config);
    planned.config.gil = true;
    planned_refuses(&coro_model, &planned.config, "--gil: ");
    planned.config.gil = false;
    planned.config.pool = POOL_NONE;
    planned_takes(&coro_model, &planned.config);
    planned.config.pool = POOL_BEFORE;
    planned.config.dispatch = DISPATCH_CONNECTION;
    planned_takes(&coro_model, &planned.config);
}

static void only_who_accepts_for_himself_does_it_in_turn(void **state)
{
    (void)state;
    planned.config.accept = ACCEPT_LOCK;
    planned.config.listen = "unix:socket";
    planned_refuses(&threads_model, &planned.config, "--accept=lock: ");
    planned.config.dispatch = DISPATCH_CONNECTION;
    planned_takes(&threads_model, &planned.config);
    planned_refuses(&coro_model, &planned.config, "--accept=lock: ");
    planned.config.accept = ACCEPT_REUSEPORT;
    planned_refuses(&threads_model, &planned.config, "--accept=reuseport: of a Unix socket");
    planned.config.listen = "127.0.0.1:0";
    planned_takes(&threads_model, &planned.config);
    planned.config.pool = POOL_NONE;
    planned_refuses(&threads_model, &planned.config, "--accept=reuseport: ");
}

static void coro_refuses_stacks_too_small_for_the_database(void **state)
{
    (void)state;
    planned.config.db = "sqlite:file";
    planned.config.stack_size = db_stack_bytes(&planned.config);
    planned_takes(&coro_model, &planned.config);
    planned.config.stack_size--;
    planned_refuses(&coro_model, &planned.config, "--stack-size=");
}

/* Its loops are what a plan says of itself: as many processes as workers. */
static void coro_changes_nothing_of_a_plan(void **state)
{
    (void)state;
    assert_null(coro_model.open);
    assert_null(coro_model.close);
}

static void stealing_is_of_one_process(void **state)
{
    (void)state;
    planned.config.db = "redis://host";
    planned.config.stack_size = db_stack_bytes(&planned.config);
    planned.config.slice_ms = 2;
    planned_takes(&stealing_model, &planned.config);
    assert_int_equal(stealing_model.open(&planned.server, NULL, &planned.plan), 0);
    assert_int_equal(planned.plan.processes, 1);
    assert_int_equal(planned.plan.slots_each, PLANNED_WORKERS + 1); /* the watch's as well */
    assert_int_equal(planned.server.max_connections, planned.server.process_connections);
    planned.config.gil = true;
    planned_refuses(&stealing_model, &planned.config, "--gil: ");
    planned.config.gil = false;
    planned.config.pool = POOL_NONE;
    planned_refuses(&stealing_model, &planned.config, "--pool=none: ");
    planned.config.pool = POOL_BEFORE;
    planned.config.dispatch = DISPATCH_CONNECTION;
    planned_refuses(&stealing_model, &planned.config, "--dispatch=connection: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLANNED_TEST(threads_are_of_one_process),
        PLANNED_TEST(without_a_pool_they_are_too),
        PLANNED_TEST(coro_refuses_what_threads_share),
        PLANNED_TEST(only_who_accepts_for_himself_does_it_in_turn),
        PLANNED_TEST(coro_refuses_stacks_too_small_for_the_database),
        PLANNED_TEST(coro_changes_nothing_of_a_plan),
        PLANNED_TEST(stealing_is_of_one_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
