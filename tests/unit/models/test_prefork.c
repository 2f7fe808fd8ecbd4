/* SPDX-License-Identifier: MIT
 *
 * prefork.c, before it has workers: which settings it refuses, and when the workers of a new
 * generation go on in the pool of the one before. What it is like to be served by it is for
 * tests/http and tests/models.
 */
#include "planned.h"

extern const struct model prefork_model;

/* Of the next generation. */
static struct model_plan open_after(const struct model_plan *before)
{
    struct model_plan plan = planned.plan;

    assert_int_equal(prefork_model.open(&planned.server, before, &plan), 0);
    assert_int_equal(plan.processes, PLANNED_WORKERS);
    assert_int_equal(plan.slots_each, 1);
    return plan;
}

static void what_others_have_is_refused(void **state)
{
    (void)state;
    planned_takes(&prefork_model, &planned.config);
    planned.config.dispatch = DISPATCH_CONNECTION;
    planned_takes(&prefork_model, &planned.config);
    planned.config.gil = true;
    planned_refuses(&prefork_model, &planned.config, "--gil: ");
    planned.config.gil = false;
    planned.config.slice_ms = 2;
    planned_refuses(&prefork_model, &planned.config, "--slice=2: ");
}

static void a_pool_goes_on_until_its_last_generation_ends(void **state)
{
    struct model_plan first = open_after(NULL), second;

    (void)state;
    assert_non_null(first.shared);
    assert_non_null(first.arg);
    assert_true(first.shared->owns(first.arg, PLANNED_DESCRIPTORS)); /* nobody can say whose */
    assert_false(first.shared->owns(first.arg, planned.server.listen_fd));
    second = open_after(&first);
    assert_ptr_equal(second.arg, first.arg);
    prefork_model.close(&first);
    assert_int_equal(second.shared->connections(second.arg), 0);
    assert_true(second.shared->drained(&planned.server, second.arg));
    prefork_model.close(&second);
}

static void heads_of_another_size_need_a_pool_of_their_own(void **state)
{
    struct model_plan first = open_after(NULL), second;

    (void)state;
    planned.config.max_header = 8192;
    second = open_after(&first);
    assert_ptr_not_equal(second.arg, first.arg);
    prefork_model.close(&first);
    prefork_model.close(&second);
}

static void a_process_to_a_connection_shares_nothing(void **state)
{
    struct model_plan alone, pool;

    (void)state;
    planned.config.dispatch = DISPATCH_CONNECTION;
    alone = open_after(NULL);
    assert_true(alone.shared == NULL && alone.arg == NULL);
    planned.config.dispatch = DISPATCH_REQUEST;
    pool = open_after(&alone); /* which has no pool that could go on */
    assert_non_null(pool.arg);
    prefork_model.close(&alone);
    prefork_model.close(&pool);
}

/* One that makes the others, which have a slot and what they ask databases with each. */
static void without_a_pool_one_process_is_started(void **state)
{
    struct model_plan plan = planned.plan;

    (void)state;
    planned.config.pool = POOL_NONE;
    planned_takes(&prefork_model, &planned.config);
    assert_int_equal(prefork_model.open(&planned.server, NULL, &plan), 0);
    assert_int_equal(plan.processes, 1);
    assert_int_equal(plan.slots_each, PLANNED_WORKERS + 1);
    assert_int_equal(plan.serving_each, PLANNED_WORKERS);
    assert_true(plan.shared == NULL && plan.arg == NULL);
    prefork_model.close(&plan);
}

/* Descriptors that workers keep beside connections are of one table, and so is the limit. */
static void its_descriptors_are_those_of_one_process(void **state)
{
    struct model_plan plan = open_after(NULL);

    (void)state;
    assert_int_equal(planned.server.max_connections, planned.server.process_connections);
    assert_true(planned.server.max_connections < PLANNED_DESCRIPTORS - PLANNED_WORKERS);
    prefork_model.close(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLANNED_TEST(what_others_have_is_refused),
        PLANNED_TEST(a_pool_goes_on_until_its_last_generation_ends),
        PLANNED_TEST(heads_of_another_size_need_a_pool_of_their_own),
        PLANNED_TEST(a_process_to_a_connection_shares_nothing),
        PLANNED_TEST(without_a_pool_one_process_is_started),
        PLANNED_TEST(its_descriptors_are_those_of_one_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
