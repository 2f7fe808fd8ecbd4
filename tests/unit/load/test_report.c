/* SPDX-License-Identifier: MIT
 *
 * What report.c, report_json.c and report_summary.c make of figures, whole, so that one sees how it
 * reads. That the JSON is JSON is for tests/load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/hdr.h"
#include "load/report.h"

enum { COUNT = 10000 };

/* A run, and what was asked for; all but the figures is constant. */
struct run {
    struct figures *figures;
    struct reasons reasons;
    struct report report;
};

static char *const command[] = {"load", "--rate=1000", NULL};
static const struct report_path paths[] = {{"/hello", 0.75}, {"/sleep?ms=20", 0.25}};

/* Of 10,000 requests, each 1 µs later than the one before it. */
static struct run run_of(int requests)
{
    struct run run = {.figures = figures_new()};

    assert_non_null(run.figures);
    for (int i = 0; i < requests; i++) {
        histogram_record(&run.figures->latency, 2000 + i * 1000);
        histogram_record(&run.figures->service, 1000 + i * 1000);
        histogram_record(&run.figures->lag, 100);
    }
    run.figures->due = run.figures->requests = run.figures->answered = (uint64_t)requests;
    run.figures->statuses[200] = (uint64_t)requests;
    run.figures->seconds = 10;
    run.figures->busy = 0.5;
    run.figures->waited = 0.02;
    run.figures->connections_most = 7;
    run.figures->connections_opened = 9;
    run.report = (struct report){
        .command = command,
        .command_length = 2,
        .version = "1.0.0",
        .url = "http://127.0.0.1:8080/hello",
        .paths = paths,
        .path_count = 1,
        .seed = 42,
        .spacing = "poisson",
        .threads = 1,
        .shares = 1,
        .started = 1764424000.25,
        .seconds = 10,
        .rate = 1000,
        .connections = 1000,
        .figures = run.figures,
    };
    return run;
}

/* What a report is written as, to be freed. It makes the run's own reasons the report's. */
static char *written(struct run *run, bool json)
{
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);

    assert_non_null(to);
    run->report.reasons = &run->reasons;
    if (json)
        assert_int_equal(report_json(&run->report, to), 0);
    else
        report_summary(&run->report, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void end(struct run *run, char *text)
{
    free(text);
    reasons_free(&run->reasons);
    figures_free(run->figures);
}

static void test_a_summary(void **state)
{
    struct run run = run_of(COUNT);
    char *text = written(&run, false);

    (void)state;
    assert_string_equal(text,
                        "http://127.0.0.1:8080/hello\n"
                        "  asked for    1,000 requests a second for 10 s, poisson, seed 42\n"
                        "\n"
                        "                      latency       service           lag\n"
                        "                  due to done  sent to done   due to sent\n"
                        "  mean                5.00 ms       5.00 ms        100 ns\n"
                        "  50 %                5.00 ms       5.00 ms        100 ns\n"
                        "  90 %                9.00 ms       9.00 ms        100 ns\n"
                        "  99 %                9.90 ms       9.90 ms        100 ns\n"
                        "  99.9 %              9.99 ms       9.99 ms        100 ns\n"
                        "  99.99 %                   -             -             -\n"
                        "  highest             10.0 ms       10.0 ms        100 ns\n"
                        "\n"
                        "  offered      1,000/s: 10,000 of 10,000 requests in 10 s\n"
                        "  answered     1,000/s: 10,000 requests\n"
                        "  statuses     200: 10,000\n"
                        "  errors       none\n"
                        "  connections  7 of 1,000 open at most, 9 opened\n"
                        "  generator    used 50 % of its core, waited for it 2 % of the time\n");
    end(&run, text);
}

static void test_a_summary_of_what_went_wrong(void **state)
{
    static const char *const lines[] = {
        "  paths        /hello (75 %), /sleep?ms=20 (25 %)\n",
        "seed 42, share 1 of 3,\n"
        "               2 threads\n",
        "  offered      99.9/s: 999 of 1,000 requests in 10 s\n",
        "  answered     90/s: 900 requests\n",
        "  statuses     200: 900\n"
        "               503: 1,234,567\n",
        "  errors       1 could not connect\n"
        "               2 closed by the server before an answer\n"
        "               3 closed by the server amid an answer\n"
        "               4 answered with what is no HTTP\n"
        "               5 not answered in time\n"
        "               6 unfinished at the end, the oldest for 1.50 s\n",
        "  connections  7 of 1,000 open at most, 9 opened,\n"
        "               up to 5,000,000 requests waited for one\n",
        "  generator    used 50 % of its core, waited for it 2 % of the time,\n"
        "               was stopped by SIGINT\n",
        "\nvoid: this says nothing of the server\n"
        "  late\n"
        "  a reason of many words that needs more than the eighty columns of a longer\n"
        "    99 % terminal to be said\n",
    };
    struct run run = run_of(900);
    char *text;

    (void)state;
    run.report.path_count = 2;
    run.report.share = 1;
    run.report.shares = 3;
    run.report.threads = 2;
    run.figures->due = 1000;
    run.figures->requests = 999;
    run.figures->statuses[503] = 1234567;
    for (int i = 0; i < FIGURES_ERRORS; i++)
        run.figures->errors[i] = (uint64_t)i + 1;
    run.figures->oldest_ns = 1500000000;
    run.figures->queued_most = 5000000;
    run.figures->stopped = FIGURES_SIGINT;
    assert_int_equal(reasons_add(&run.reasons, "late"), 0);
    assert_int_equal(reasons_add(&run.reasons, "a reason of many words that needs more than the "
                                               "eighty columns of a longer 99 %% terminal to be "
                                               "said"),
                     0);
    text = written(&run, false);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("no\n%sin\n%s", lines[i], text);
    end(&run, text);
}

static void test_a_summary_of_nothing(void **state)
{
    struct run run = run_of(0);
    char *text = written(&run, false);

    (void)state;
    assert_non_null(strstr(text, "  mean                      -             -             -\n"));
    assert_non_null(strstr(text, "  statuses     none\n"));
    end(&run, text);
}

/* Every percentile stands where ten are beyond it, and not where nine are. */
static void test_percentiles_need_ten_beyond_them(void **state)
{
    static const int least[REPORT_PERCENTILES] = {20, 100, 1000, 10000, 100000};

    (void)state;
    for (size_t i = 0; i < REPORT_PERCENTILES; i++) {
        struct run enough = run_of(least[i]), few = run_of(least[i] - 1);

        assert_true(report_shows(&enough.figures->lag, &report_percentiles[i]));
        assert_false(report_shows(&few.figures->lag, &report_percentiles[i]));
        end(&enough, NULL);
        end(&few, NULL);
    }
}

static void test_agents_have_a_line_each(void **state)
{
    struct run run = run_of(COUNT);
    const struct report_agent agents[] = {
        {.host = "one", .figures = run.figures, .rate = 500, .connections = 500},
        {.host = "two", .failure = "no route to \"two\"", .rate = 500, .connections = 500},
    };
    char *text;

    (void)state;
    run.report.agents = agents;
    run.report.agent_count = 2;
    text = written(&run, false);
    assert_non_null(strstr(
        text, "\n"
              "  agent                  offered/s  99 % latency      99 % lag          core\n"
              "  one                        1,000       9.90 ms        100 ns          50 %\n"
              "  two                failed: no route to \"two\"\n"));
    free(text);
    text = written(&run, true);
    assert_non_null(strstr(text, "{\"host\": \"one\", \"failure\": null,\n \"seconds\": 10, "));
    assert_non_null(strstr(text, "{\"host\": \"two\", \"failure\": \"no route to \\\"two\\\"\"}]"));
    end(&run, text);
}

static void test_json(void **state)
{
    struct run run = run_of(1000);
    char *lag = hdr_encode(&run.figures->lag), *latency = hdr_encode(&run.figures->latency);
    char *service = hdr_encode(&run.figures->service), *expected = NULL, *text;

    (void)state;
    assert_int_equal(figures_add_backlog(run.figures, 0), 0);
    assert_int_equal(figures_add_backlog(run.figures, 1500), 0);
    run.figures->statuses[404] = 3;
    run.figures->errors[FIGURES_UNFINISHED] = 4;
    run.figures->oldest_ns = 1234;
    run.figures->bytes = 5;
    run.figures->queued_most = 6;
    run.figures->stopped = FIGURES_GIVE_UP;
    run.report.path_count = 2;
    assert_int_equal(reasons_add(&run.reasons, "late"), 0);
    assert_int_equal(reasons_add(&run.reasons, "busy"), 0);
    assert_true(
        asprintf(
            &expected,
            "{\"schema\": 1, \"version\": \"1.0.0\",\n"
            " \"command\": [\"load\", \"--rate=1000\"],\n"
            " \"url\": \"http://127.0.0.1:8080/hello\", "
            "\"paths\": {\"/hello\": 0.75, \"/sleep?ms=20\": 0.25},\n"
            " \"seed\": 42, \"spacing\": \"poisson\", \"threads\": 1, \"share\": [0, 1],\n"
            " \"started\": 1764424000.250000, \"seconds_asked\": 10, "
            "\"seconds\": 10, \"due\": 1000, \"requests\": 1000, \"answered\": 1000,\n"
            " \"rate_asked\": 1000, \"rate_offered\": 100.000, \"rate_answered\": 100.000,\n"
            " \"lag_us\": {\"count\": 1000, \"mean\": 0.100, \"p50\": 0.100, \"p90\": 0.100, "
            "\"p99\": 0.100, \"p999\": null, \"p9999\": null, \"max\": 0.100, \"hdr\": \"%s\"},\n"
            " \"latency_us\": {\"count\": 1000, \"mean\": 501.505, \"p50\": 501.247, "
            "\"p90\": 901.119, \"p99\": 991.231, \"p999\": null, \"p9999\": null, "
            "\"max\": 1001.471, \"hdr\": \"%s\"},\n"
            " \"service_us\": {\"count\": 1000, \"mean\": 500.505, \"p50\": 500.223, "
            "\"p90\": 900.095, \"p99\": 990.207, \"p999\": null, \"p9999\": null, "
            "\"max\": 1000.447, \"hdr\": \"%s\"},\n"
            " \"statuses\": {\"200\": 1000, \"404\": 3},\n"
            " \"errors\": {\"connect\": 0, \"reset\": 0, \"short\": 0, \"malformed\": 0, "
            "\"timeout\": 0, \"unfinished\": 4},\n"
            " \"unfinished\": {\"count\": 4, \"oldest_us\": 1.234},\n"
            " \"connections\": {\"asked\": 1000, \"most\": 7, \"opened\": 9, \"queued_most\": 6},\n"
            " \"bytes\": 5, \"cpu\": {\"busy\": 0.5000, \"waited\": 0.0200},\n"
            " \"backlog\": [[1, 0.000], [2, 1.500]],\n"
            " \"stopped\": \"give-up\",\n"
            " \"void\": [\"late\", \"busy\"]}\n",
            lag, latency, service) > 0);
    text = written(&run, true);
    assert_string_equal(text, expected);
    free(expected);
    free(lag);
    free(latency);
    free(service);
    end(&run, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_summary),
        cmocka_unit_test(test_a_summary_of_what_went_wrong),
        cmocka_unit_test(test_a_summary_of_nothing),
        cmocka_unit_test(test_percentiles_need_ten_beyond_them),
        cmocka_unit_test(test_agents_have_a_line_each),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
