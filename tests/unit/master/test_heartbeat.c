/* SPDX-License-Identifier: MIT
 *
 * heartbeat.h: what is held against a worker process, and what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config.h"
#include "master/heartbeat.h"
#include "server.h"

enum { LOOK_MS = 250, STOPPED_MS = 1000, STILL_MS = 20000, SLOW_MS = 5000 };

struct patient {
    struct heartbeat heart;
    struct worker_stats stats;
    struct config config;
    int64_t now_ms;
};

static void init(struct patient *p)
{
    *p = (struct patient){.now_ms = 1000000};
    p->config.stopped_timeout_ms = STOPPED_MS;
    p->config.heartbeat_timeout_ms = STILL_MS;
    heartbeat_init(&p->heart);
}

static enum heart look(struct patient *p, int64_t after_ms)
{
    p->now_ms += after_ms;
    return heartbeat_look(&p->heart, atomic_load(&p->stats.control.beat_ms),
                          stats_get(&p->stats.requests), &p->config, p->now_ms);
}

/* Looks for so long; returns the first judgement that is another than HEART_BEATS. */
static enum heart watch(struct patient *p, int64_t ms)
{
    for (int64_t passed = 0; passed < ms; passed += LOOK_MS) {
        enum heart heart = look(p, LOOK_MS);

        if (heart != HEART_BEATS)
            return heart;
    }
    return HEART_BEATS;
}

static void without_a_beat_nothing_is_expected(void **state)
{
    struct patient p;

    (void)state;
    init(&p);
    assert_int_equal(watch(&p, 10 * STILL_MS), HEART_BEATS);
}

static void a_loop_that_turns(void **state)
{
    struct patient p;

    (void)state;
    init(&p);
    for (int i = 0; i < 1000; i++) {
        atomic_store(&p.stats.control.beat_ms, p.now_ms);
        assert_int_equal(look(&p, LOOK_MS), HEART_BEATS);
    }
}

static void a_loop_that_stands_still(void **state)
{
    struct patient p;
    int64_t since;

    (void)state;
    init(&p);
    since = p.now_ms;
    atomic_store(&p.stats.control.beat_ms, p.now_ms);
    assert_int_equal(watch(&p, SLOW_MS - LOOK_MS), HEART_BEATS);
    assert_int_equal(watch(&p, 4 * LOOK_MS), HEART_SLOW);
    assert_int_equal(watch(&p, SLOW_MS), HEART_BEATS); /* said once */
    assert_int_equal(watch(&p, STILL_MS), HEART_STILL);
    assert_in_range(p.now_ms - since, STILL_MS, STILL_MS + 4 * LOOK_MS);
}

static void a_loop_that_turns_again(void **state)
{
    struct patient p;

    (void)state;
    init(&p);
    atomic_store(&p.stats.control.beat_ms, p.now_ms);
    assert_int_equal(watch(&p, 2 * SLOW_MS), HEART_SLOW);
    atomic_store(&p.stats.control.beat_ms, p.now_ms);
    assert_int_equal(look(&p, LOOK_MS), HEART_AGAIN);
    assert_int_equal(watch(&p, SLOW_MS - 2 * LOOK_MS), HEART_BEATS);
}

/* Each request takes nearly as long as a loop may stand still, and it does not turn in between. */
static void a_loop_that_answers(void **state)
{
    struct patient p;

    (void)state;
    init(&p);
    p.config.heartbeat_timeout_ms = SLOW_MS;
    atomic_store(&p.stats.control.beat_ms, p.now_ms);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(watch(&p, SLOW_MS - LOOK_MS), HEART_BEATS);
        stats_add(&p.stats.requests, 1);
        assert_int_equal(look(&p, LOOK_MS), HEART_BEATS);
    }
    assert_int_equal(watch(&p, SLOW_MS), HEART_STILL);
}

static void a_process_that_is_stopped(void **state)
{
    struct patient p;

    (void)state;
    init(&p); /* whether it has a beat or not */
    look(&p, LOOK_MS);
    heartbeat_report(&p.heart, true);
    assert_int_equal(watch(&p, STOPPED_MS - LOOK_MS), HEART_BEATS);
    assert_int_equal(watch(&p, 2 * LOOK_MS), HEART_STOPPED);
    heartbeat_init(&p.heart); /* another in its place */
    assert_int_equal(watch(&p, 10 * STOPPED_MS), HEART_BEATS);
}

static void a_process_that_goes_on_in_time(void **state)
{
    struct patient p;

    (void)state;
    init(&p);
    look(&p, LOOK_MS);
    for (int i = 0; i < 10; i++) {
        heartbeat_report(&p.heart, true);
        assert_int_equal(watch(&p, STOPPED_MS - LOOK_MS), HEART_BEATS);
        heartbeat_report(&p.heart, false);
        assert_int_equal(look(&p, LOOK_MS), HEART_BEATS);
    }
}

/* Ctrl-Z and, an hour later, fg: the workers were stopped as long, and one is still said to be. */
static void a_master_that_did_not_look(void **state)
{
    struct patient p;

    (void)state;
    init(&p);
    atomic_store(&p.stats.control.beat_ms, p.now_ms);
    look(&p, LOOK_MS);
    heartbeat_report(&p.heart, true);
    assert_int_equal(look(&p, 3600000), HEART_BEATS);
    heartbeat_report(&p.heart, false);
    assert_int_equal(look(&p, LOOK_MS), HEART_BEATS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_beat_nothing_is_expected),
        cmocka_unit_test(a_loop_that_turns),
        cmocka_unit_test(a_loop_that_stands_still),
        cmocka_unit_test(a_loop_that_turns_again),
        cmocka_unit_test(a_loop_that_answers),
        cmocka_unit_test(a_process_that_is_stopped),
        cmocka_unit_test(a_process_that_goes_on_in_time),
        cmocka_unit_test(a_master_that_did_not_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
