/* SPDX-License-Identifier: MIT
 *
 * What the keeper of the time sees: when the limit rises and falls, when it rests, whom it
 * replaces.
 */
#include "tests/unit/models/pool/crew.h"

/* Back to as many places as cores. */
static void calm_down(struct crew *crew)
{
    do {
        while (atomic_load(&crew->leaders->limit) > CORES || count_leaders(crew) > CORES) {
            leaders_watch(crew->leaders); /* where all lead, nobody else lets it fall */
            order_all(crew, ONCE);        /* who is beyond the limit quits when it looks */
            pause_ms(1);
        }
        order_all(crew, IDLE);
        await(atomic_load(&crew->leaders->resting)); /* it may have risen meanwhile */
    } while (count_leaders(crew) > CORES);
    settle(crew);
}

static void slow_leaders_make_the_limit_rise_and_fall(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    for (unsigned i = 0; i < WORKERS; i++)
        if (leads(crew, i))
            atomic_store(&crew->workers[i].order, COMPUTE);
    await(count_leaders(crew) > CORES); /* somebody waits for what comes */
    calm_down(crew);
}

static void where_connections_wait_it_rises_twofold(void **state)
{
    struct crew *crew = *state;
    eventfd_t waiting;

    settle(crew);
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    order_all(crew, COMPUTE);
    await(count_leaders(crew) == WORKERS);
    assert_int_equal(atomic_load(&crew->leaders->limit), WORKERS); /* and no further */
    assert_int_equal(atomic_load(&crew->leaders->keeper), 0);
    assert_return_code(eventfd_read(crew->work_fd, &waiting), errno);
    calm_down(crew);
}

static void busy_leaders_do_not_make_it_rise(void **state)
{
    struct crew *crew = *state;
    unsigned leader, limit;
    uint32_t events;

    settle(crew);
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    leader = find_leader(crew, NOBODY);
    atomic_store(&crew->workers[leader].order, SERVE);
    for (unsigned i = 0; i < WORKERS; i++)
        if (i != leader && leads(crew, i))
            atomic_store(&crew->workers[i].order, COMPUTE);
    do { /* on a busy machine it may be kept from its core for some milliseconds */
        limit = atomic_load(&crew->leaders->limit);
        events = atomic_load(&control_of(crew, leader)->events);
        await(atomic_load(&control_of(crew, leader)->events) - events > 20000);
    } while (atomic_load(&crew->leaders->limit) > limit);
}

/* Who is kept from its core is slow: on a busy machine there may be no try without. */
static void short_computing_does_not_make_it_rise(void **state)
{
    struct crew *crew = *state;
    time_t until = time(NULL) + PATIENCE_S;
    bool rose, always_held = true;

    settle(crew);
    do {
        atomic_store(&crew->held, false);
        order_all(crew, COMPUTE_SHORTLY);
        for (int ms = 0; ms < 50 && atomic_load(&crew->leaders->limit) == CORES; ms++)
            pause_ms(1);
        rose = atomic_load(&crew->leaders->limit) > CORES;
        calm_down(crew);
        always_held &= atomic_load(&crew->held);
    } while (rose && time(NULL) < until);
    if (rose && always_held)
        skip();
    assert_false(rose);
}

/* Within some ticks: on a busy machine it rises sooner or later in any case. */
static void short_waits_make_it_rise(void **state)
{
    struct crew *crew = *state;
    time_t until = time(NULL) + PATIENCE_S;
    bool rose;

    settle(crew);
    do {
        order_all(crew, SLEEP_SHORTLY);
        pause_ms(30);
        rose = atomic_load(&crew->leaders->limit) == WORKERS;
        calm_down(crew);
    } while (!rose && time(NULL) < until);
    assert_true(rose);
}

static void where_nothing_goes_on_the_keeper_rests(void **state)
{
    struct crew *crew = *state;
    unsigned leader;

    settle(crew);
    await(atomic_load(&crew->leaders->resting));
    leader = find_leader(crew, NOBODY);
    atomic_store(&crew->workers[leader].order, COMPUTE);
    await(atomic_load(&crew->workers[leader].doing) == COMPUTE);
    await(!atomic_load(&crew->leaders->resting));
    atomic_store(&crew->workers[find_leader(crew, leader)].order, COMPUTE);
    await(count_leaders(crew) == CORES + 1); /* it keeps the time again */
}

static void leaders_that_do_not_come_are_replaced(void **state)
{
    struct crew *crew = *state;
    unsigned first, second;

    settle(crew);
    first = find_leader(crew, NOBODY);
    second = find_leader(crew, first);
    leaders_watch(crew->leaders);
    assert_true(atomic_load(&crew->leaders->resting)); /* nothing waits */
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    leaders_watch(crew->leaders);
    await(!leads(crew, first) || !leads(crew, second));
    order_all(crew, ONCE); /* who comes late finds that its place is another's */
    await(count_leaders(crew) >= CORES && count_in(crew, LEADERS_STANDBY) > 0);
}

static void a_keeper_that_does_not_come_is_replaced(void **state)
{
    struct crew *crew = *state;
    const unsigned stopped = WORKERS - 1;

    atomic_store(&crew->leaders->keeper, stopped + 1);
    start(crew, WORKERS - 1);
    await(count_in(crew, LEADERS_STANDBY) == WORKERS - 1 - CORES);
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    leaders_watch(crew->leaders); /* events were taken, or none was known */
    leaders_watch(crew->leaders);
    await(atomic_load(&crew->leaders->keeper) != 0 &&
          atomic_load(&crew->leaders->keeper) != stopped + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slow_leaders_make_the_limit_rise_and_fall, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(where_connections_wait_it_rises_twofold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(busy_leaders_do_not_make_it_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_computing_does_not_make_it_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_waits_make_it_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_nothing_goes_on_the_keeper_rests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaders_that_do_not_come_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_keeper_that_does_not_come_is_replaced, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
