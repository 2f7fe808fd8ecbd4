/* SPDX-License-Identifier: MIT
 *
 * The command line: what each option sets, and the line that says what is wrong with one.
 */
#include "load/options.h"

#include "tests/unit/scratch.h"

#include <errno.h>

#define URL "http://localhost/"

static char error[512];

/* Reads a command line, whose words are given without the program's name. */
#define PARSE(options, ...)                                                                        \
    parse((options), (char *const[]){"load", __VA_ARGS__, NULL},                                   \
          sizeof((char *const[]){"load", __VA_ARGS__}) / sizeof(char *))

static int parse(struct options *options, char *const *argv, size_t count)
{
    error[0] = '\0';
    return options_parse(options, (int)count, argv, error, sizeof error);
}

static void what_is_not_given_has_its_default(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(PARSE(&o, "--rate=5", URL), 0);
    assert_string_equal(o.url, URL);
    assert_true(o.rate == 5 && o.duration_s == 10 && o.ramp_s == 0);
    assert_true(o.timeout_s == 10 && o.drain_s == 1 && o.give_up_s == 0 && o.start_at == 0);
    assert_true(o.spin_us == 100);
    assert_int_equal(o.connections, 1000);
    assert_int_equal(o.threads, 1);
    assert_int_equal(o.share, 0);
    assert_int_equal(o.shares, 1);
    assert_int_equal(o.spacing, ARRIVALS_POISSON);
    assert_int_not_equal(o.seed, 0);
    assert_int_equal(o.path_count, 0);
    assert_true(o.body == NULL && o.unix_path == NULL && o.json == NULL);
    assert_false(o.close);
    options_free(&o);
}

static void each_option_sets_its_field(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(PARSE(&o, "--rate=0.5", "--duration", "20.5", "--ramp=3", "--connections=7",
                           "--spacing=constant", "--seed=18446744073709551615", "--threads=2",
                           "--path=/a*b", "--path=/c?d*1.5", "--body=text", "--close",
                           "--unix=/tmp/s", "--timeout=0.5", "--give-up=2", "--json=-", "--spin=0",
                           "--share=1/3", "--start-at=1000000000.25", "--", URL),
                     0);
    assert_true(o.rate == 0.5 && o.duration_s == 20.5 && o.ramp_s == 3);
    assert_true(o.timeout_s == 0.5 && o.drain_s == 0.5 && o.give_up_s == 2);
    assert_true(o.start_at == 1000000000.25 && o.spin_us == 0);
    assert_int_equal(o.connections, 7);
    assert_int_equal(o.spacing, ARRIVALS_CONSTANT);
    assert_true(o.seed == UINT64_MAX);
    assert_int_equal(o.threads, 2);
    assert_int_equal(o.path_count, 2);
    assert_string_equal(o.paths[0].path, "/a*b");
    assert_true(o.paths[0].weight == 0.4);
    assert_string_equal(o.paths[1].path, "/c?d");
    assert_true(o.paths[1].weight == 0.6);
    assert_int_equal(o.body_length, 4);
    assert_memory_equal(o.body, "text", 4);
    assert_true(o.close);
    assert_string_equal(o.unix_path, "/tmp/s");
    assert_string_equal(o.json, "-");
    assert_int_equal(o.share, 1);
    assert_int_equal(o.shares, 3);
    options_free(&o);
}

static void agents_give_shares_themselves(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(PARSE(&o, "--rate=1", "--agents=a,b", URL), 0);
    assert_string_equal(o.agents, "a,b");
    assert_false(o.agent);
    options_free(&o);
    assert_int_equal(PARSE(&o, "--rate=1", "--agents=a,b", "--share=1/2", URL), -EINVAL);
    assert_string_equal(error, "--share=1/2: expected without --agents, each of which has a share");
    options_free(&o);
    assert_int_equal(PARSE(&o, "--rate=1", "--agents=a,b", URL, "--agent", "--share=1/2"), 0);
    assert_true(o.agent);
    options_free(&o);
}

static void a_body_can_be_a_file(void **state)
{
    struct options o;

    (void)state;
    scratch_write("body", "of a file");
    assert_int_equal(PARSE(&o, "--rate=1", "--body=@body", URL), 0);
    assert_int_equal(o.body_length, 9);
    assert_memory_equal(o.body, "of a file", 9);
    options_free(&o);
    assert_int_equal(PARSE(&o, "--rate=1", "--body=@nowhere", URL), -EINVAL);
    assert_string_equal(error, "--body=@nowhere: expected text, or @ and a file that can be read");
    options_free(&o);
}

static void help_and_version_need_nothing_else(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(PARSE(&o, "--help"), 0);
    assert_int_equal(o.wish, OPTIONS_HELP);
    options_free(&o);
    assert_int_equal(PARSE(&o, "--version"), 0);
    assert_int_equal(o.wish, OPTIONS_VERSION);
    options_free(&o);
}

static void what_is_wrong_is_said_in_a_line(void **state)
{
    static const struct {
        const char *words[3], *line;
    } cases[] = {
        {{URL}, "expected --rate=R, requests a second; see --help"},
        {{"--rate=1"}, "expected the URL of a server, http://HOST[:PORT]/PATH; see --help"},
        {{"--rate=1", URL, "/x"}, "/x: expected one URL, and there is " URL " before it"},
        {{"--rate=-5", URL},
         "--rate=-5: expected requests a second, more than 0 and at most 10000000"},
        {{"--rate=0", URL},
         "--rate=0: expected requests a second, more than 0 and at most 10000000"},
        {{"--rate=nan", URL},
         "--rate=nan: expected requests a second, more than 0 and at most 10000000"},
        {{"--rate=1e8", URL},
         "--rate=1e8: expected requests a second, more than 0 and at most 10000000"},
        {{"--rate=", URL}, "--rate=: expected requests a second, more than 0 and at most 10000000"},
        {{"--rate"}, "--rate: expected requests a second, more than 0 and at most 10000000"},
        {{"--rate=0.01", URL},
         "--rate=0.01 --duration=10: expected at least one request in that time"},
        {{"--duration=0", URL}, "--duration=0: expected seconds, 0.001 to 86400"},
        {{"--connections=0", URL}, "--connections=0: expected a number from 1 to 1000000"},
        {{"--connections=1k", URL}, "--connections=1k: expected a number from 1 to 1000000"},
        {{"--spacing=even", URL}, "--spacing=even: expected poisson or constant"},
        {{"--seed=-1", URL}, "--seed=-1: expected a whole number of up to 64 bits"},
        {{"--seed=18446744073709551616", URL},
         "--seed=18446744073709551616: expected a whole number of up to 64 bits"},
        {{"--path=a", URL},
         "--path=a: expected /PATH or /PATH*WEIGHT with a weight more than 0, at most 1024 times"},
        {{"--path=/a*0", URL},
         "--path=/a*0: expected /PATH or /PATH*WEIGHT with a weight more than 0, at most 1024 "
         "times"},
        {{"--share=3/3", URL},
         "--share=3/3: expected I/N, where I is 0 to N-1 and N at most 65536"},
        {{"--close=yes", URL}, "--close=yes: takes no value"},
        {{"--threads=3", "--connections=2", "--rate=1"}, NULL},
        {{"--rates=1", URL}, "--rates: there is no such option; see --help"},
        {{"--drain=11", "--rate=1", URL}, "--drain=11: expected at most --timeout=10"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *argv[5] = {(char *)(uintptr_t) "load"};
        size_t count = 1;
        struct options o;

        while (count < 4 && cases[i].words[count - 1] != NULL) {
            argv[count] = (char *)(uintptr_t)cases[i].words[count - 1];
            count++;
        }
        assert_int_equal(parse(&o, argv, count), -EINVAL);
        if (cases[i].line != NULL)
            assert_string_equal(error, cases[i].line);
        options_free(&o);
    }
}

static void no_more_threads_than_connections(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(PARSE(&o, "--threads=3", "--connections=2", "--rate=1", URL), -EINVAL);
    assert_string_equal(error, "--threads=3: expected at most as many as --connections=2");
    options_free(&o);
}

static void help_names_every_option(void **state)
{
    static const char *const names[] = {
        "rate",   "duration", "ramp",  "connections", "spacing", "seed",   "threads", "path",
        "body",   "close",    "unix",  "timeout",     "drain",   "json",   "spin",    "give-up",
        "agents", "agent",    "share", "start-at",    "help",    "version"};
    static char text[8192];
    FILE *file = fmemopen(text, sizeof text, "w");

    (void)state;
    assert_non_null(file);
    options_help(file);
    fclose(file);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[32];

        snprintf(name, sizeof name, "\n  --%s", names[i]);
        assert_contains(text, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(each_option_sets_its_field),
        cmocka_unit_test(agents_give_shares_themselves),
        IN_SCRATCH(a_body_can_be_a_file),
        cmocka_unit_test(help_and_version_need_nothing_else),
        cmocka_unit_test(what_is_wrong_is_said_in_a_line),
        cmocka_unit_test(no_more_threads_than_connections),
        cmocka_unit_test(help_names_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
