/* SPDX-License-Identifier: MIT
 *
 * What is counted of requests that are taken up, wait, are out, answered, fail, and are left.
 */
#include "load/requests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MS = 1000000 };

#define START INT64_C(5000000000)

static const double one[] = {1};

struct given {
    struct requests requests;
    struct figures *figures;
};

/* Arrivals 0.5, 1.5, 2.5 ms ... after START; of them as many as ramp_s brings are of the ramp. */
static struct given begin(double duration_s, double ramp_s)
{
    const struct arrivals_plan plan = {.rate = 1000,
                                       .duration_s = duration_s,
                                       .ramp_s = ramp_s,
                                       .spacing = ARRIVALS_CONSTANT,
                                       .shares = 1,
                                       .weights = one,
                                       .paths = 1};
    struct given g = {.figures = figures_new()};

    assert_non_null(g.figures);
    assert_int_equal(requests_init(&g.requests, &plan, START, g.figures), 0);
    return g;
}

static void end(struct given *g)
{
    requests_term(&g->requests);
    figures_free(g->figures);
}

/* A histogram's steps are a thousandth at most. */
static void assert_near(int64_t ns, int64_t expected_ns)
{
    assert_true(llabs(ns - expected_ns) <= expected_ns / 1000);
}

static void one_is_taken_when_it_is_due(void **state)
{
    struct given g = begin(0.01, 0);
    struct request request;

    (void)state;
    assert_int_equal(requests_next_ns(&g.requests), START + MS / 2);
    assert_false(requests_take(&g.requests, START + MS / 2 - 1, &request));
    assert_int_equal(requests_oldest_ns(&g.requests, START), 0);
    assert_int_equal(requests_oldest_ns(&g.requests, START + MS), MS / 2); /* nobody took it */
    assert_true(requests_take(&g.requests, START + MS, &request));
    assert_int_equal(request.intended_ns, START + MS / 2);
    assert_int_equal(request.sent_ns, START + MS);
    assert_ptr_equal(requests_oldest(&g.requests), &request);
    assert_int_equal(requests_oldest_ns(&g.requests, START + 4 * MS), 7 * MS / 2);
    assert_near(histogram_max_ns(&g.figures->lag), MS / 2);
    assert_int_equal(g.figures->requests, 1);
    assert_int_equal(g.figures->due, 1);

    requests_answered(&g.requests, &request, START + 3 * MS, 404);
    assert_null(requests_oldest(&g.requests));
    assert_int_equal(g.figures->answered, 1);
    assert_int_equal(g.figures->statuses[404], 1);
    assert_near(histogram_max_ns(&g.figures->latency), 5 * MS / 2);
    assert_near(histogram_max_ns(&g.figures->service), 2 * MS);
    end(&g);
}

/* So many wait that the ring grows while its beginning is not at its start. */
static void those_that_wait_keep_their_order_and_time(void **state)
{
    enum { FEW = 700, MANY = 5000 };
    struct given g = begin(10, 0);
    int64_t now = START + (int64_t)20000 * MS;
    struct request request;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(requests_queue(&g.requests, now), 0);
        if (i < FEW) {
            assert_true(requests_take(&g.requests, now, &request));
            assert_int_equal(request.intended_ns, START + (int64_t)i * MS + MS / 2);
            requests_answered(&g.requests, &request, now, 200);
        }
    }
    assert_int_equal(g.figures->queued_most, MANY - FEW);
    for (size_t i = FEW; i < MANY; i++) {
        assert_true(requests_take(&g.requests, now, &request));
        assert_int_equal(request.intended_ns, START + (int64_t)i * MS + MS / 2);
        requests_answered(&g.requests, &request, now, 200);
    }
    assert_int_equal(histogram_total(&g.figures->lag), MANY); /* each once, when it was taken up */
    assert_int_equal(g.figures->answered, MANY);
    end(&g);
}

static void what_failed_has_no_latency(void **state)
{
    struct given g = begin(0.1, 0);
    struct request request;

    (void)state;
    for (enum figures_error e = FIGURES_CONNECT; e < FIGURES_ERRORS; e++) {
        assert_true(requests_take(&g.requests, START + 100 * MS, &request));
        requests_failed(&g.requests, &request, START + 200 * MS, e);
        assert_int_equal(g.figures->errors[e], 1);
    }
    assert_int_equal(g.figures->answered, 0);
    /* But for those of which it is known to be at least their age. */
    assert_int_equal(histogram_total(&g.figures->latency), 2);
    assert_int_equal(histogram_total(&g.figures->service), 2);
    assert_int_equal(g.figures->oldest_ns, 200 * MS - 11 * MS / 2); /* the sixth was unfinished */
    end(&g);
}

static void those_that_wait_too_long_are_timed_out(void **state)
{
    struct given g = begin(0.1, 0);

    (void)state;
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(requests_queue(&g.requests, START + 10 * MS), 0);
    requests_expire(&g.requests, START + 50 * MS, START + 4 * MS);
    assert_int_equal(g.figures->errors[FIGURES_TIMEOUT], 4);
    assert_int_equal(g.requests.count, 6);
    assert_near(histogram_max_ns(&g.figures->latency), 50 * MS - MS / 2);
    assert_int_equal(histogram_total(&g.figures->service), 0); /* they were never sent */
    requests_abandon(&g.requests, START + 60 * MS);
    assert_int_equal(g.figures->errors[FIGURES_UNFINISHED], 6);
    assert_int_equal(g.figures->oldest_ns, 60 * MS - 9 * MS / 2);
    assert_false(requests_pending(&g.requests));
    end(&g);
}

static void what_was_due_and_not_taken_up_is_counted(void **state)
{
    struct given g = begin(0.1, 0);
    struct request request;

    (void)state;
    assert_true(requests_take(&g.requests, START + MS, &request));
    requests_close(&g.requests, START + 50 * MS);
    assert_int_equal(g.figures->requests, 1);
    assert_int_equal(g.figures->due, 50);
    assert_int_equal(requests_next_ns(&g.requests), INT64_MAX);
    end(&g);
}

static void the_ramp_is_not_counted(void **state)
{
    struct given g = begin(0.01, 0.02); /* 10 of the ramp, then 10 */
    struct request request;
    int64_t now = START + 100 * MS;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(requests_take(&g.requests, now, &request));
        if (i % 2 == 0)
            requests_answered(&g.requests, &request, now, 200);
        else
            requests_failed(&g.requests, &request, now, FIGURES_TIMEOUT);
    }
    for (size_t i = 4; i < 12; i++)
        assert_int_equal(requests_queue(&g.requests, now), 0);
    requests_abandon(&g.requests, now);
    requests_close(&g.requests, now);
    assert_int_equal(g.figures->answered, 0);
    assert_int_equal(g.figures->errors[FIGURES_TIMEOUT], 0);
    assert_int_equal(g.figures->errors[FIGURES_UNFINISHED], 2);
    assert_int_equal(g.figures->requests, 2);
    assert_int_equal(g.figures->due, 10);
    assert_int_equal(histogram_total(&g.figures->lag), 2);
    end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_taken_when_it_is_due),
        cmocka_unit_test(those_that_wait_keep_their_order_and_time),
        cmocka_unit_test(what_failed_has_no_latency),
        cmocka_unit_test(those_that_wait_too_long_are_timed_out),
        cmocka_unit_test(what_was_due_and_not_taken_up_is_counted),
        cmocka_unit_test(the_ramp_is_not_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
