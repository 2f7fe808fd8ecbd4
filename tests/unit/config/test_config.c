/* SPDX-License-Identifier: MIT
 *
 * config.c, environment.c, error.c and suggest.c: what is refused and with which message, which
 * source wins, and which name is suggested for a misspelt one.
 */
#include "fixture.h"

/* Command lines, and the message that each earns. */
static const struct {
    const char *arguments[4];
    const char *message;
} refused[] = {
    {{"--modle=coro"}, "unknown option --modle; did you mean --model?"},
    {{"--max-heder", "1k"}, "unknown option --max-heder; did you mean --max-header?"},
    {{"--keepalive=3"}, "unknown option --keepalive; did you mean --keepalive-timeout?"},
    {{"--hepl"}, "unknown option --hepl; did you mean --help?"},
    {{"--zzzzzz"}, "unknown option --zzzzzz; accepted: those that --help lists"},
    {{"--port=80"}, "unknown option --port; accepted: those that --help lists"},
    {{"--no-root"}, "unknown option --no-root; accepted: those that --help lists"},
    {{"--no-gil=on"}, "bad value \"on\" for --no-gil; accepted: no value"},
    {{"--a\nb"}, "unknown option --a...; accepted: those that --help lists"},
    {{"--dispatch=requst"},
     "bad value \"requst\" for --dispatch; accepted: request or connection; did you mean request?"},
    {{"--gil=maybe"}, "bad value \"maybe\" for --gil; accepted: on or off"},
    {{"--gil", "maybe"}, "bad value \"maybe\" for --gil; accepted: on or off"},
    {{"--workers", "-1"}, "bad value \"-1\" for --workers; accepted: 1 to 10000, or auto"},
    {{"--body-timeout=x\ny"},
     "bad value \"x\\x0ay\" for --body-timeout; accepted: seconds from 0.001 to 86400"},
    {{"--max-header=1"},
     "bad value \"1\" for --max-header; accepted: bytes from 256 to 1M, suffixes k, M, G"},
    {{"--workers"}, "no value for --workers; accepted: 1 to 10000, or auto"},
    {{"--root", "--gil"}, "no value for --root; accepted: a DIR"},
    {{"--config"}, "no value for --config; accepted: a FILE"},
    {{"--config="}, "bad value \"\" for --config; accepted: a FILE"},
    {{"--help=all"}, "bad value \"all\" for --help; accepted: no value"},
    {{"--check-config", "--print-config"},
     "bad option --print-config; accepted: only one of --check-config and --print-config"},
    {{"coro"}, "unexpected argument \"coro\"; accepted: --name=value"},
    {{"--"}, "unexpected argument \"--\"; accepted: --name=value"},
    {{""}, "unexpected argument \"\"; accepted: --name=value"},
    {{"-model=coro"},
     "unexpected argument \"-model=coro\"; accepted: --name=value; did you mean --model?"},
    /* What may hold a secret is not quoted, whatever the slip. */
    {{"--db=postgre://u:secret@h/d"},
     "bad value for --db; accepted: sqlite:PATH, "
     "postgresql://[USER[:PASSWORD]@]HOST/DATABASE or auto"},
    {{"--db", "secret"},
     "bad value for --db; accepted: sqlite:PATH, "
     "postgresql://[USER[:PASSWORD]@]HOST/DATABASE or auto"},
    {{"--redis=redis://:secret@h:6379"},
     "bad value for --redis; accepted: HOST:PORT, [ADDR]:PORT or unix:/path"},
    {{"--redis=secret@h:6379"},
     "bad value for --redis; accepted: HOST:PORT, [ADDR]:PORT or unix:/path"},
    {{"--dispatch=postgresql://u:secret@h/d"},
     "bad value for --dispatch; accepted: request or connection"},
    {{"--db:postgresql://u:secret@h/d"}, "unknown option --db...; did you mean --db?"},
    {{"--postgresql://u:secret@h/d?a=b"},
     "unknown option --postgresql...; accepted: those that --help lists"},
    {{"-db=postgresql://u:secret@h/d"},
     "unexpected argument \"-db...\"; accepted: --name=value; did you mean --db?"},
    {{"-db", "secret"}, "unexpected argument \"-db\"; accepted: --name=value; did you mean --db?"},
    {{"postgresql://u:secret@h/d"},
     "unexpected argument \"postgresql...\"; accepted: --name=value"},
    {{"--db=postgresql://u:my", "secret", "word@h/d"},
     "unexpected argument \"...\"; accepted: --name=value"},
    /* What is overridden is checked all the same. */
    {{"--workers=x", "--workers=1"},
     "bad value \"x\" for --workers; accepted: 1 to 10000, or auto"},
};

static void each_bad_command_line_earns_its_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct loaded loaded;
        load(&loaded, refused[i].arguments, NULL);
        assert_int_equal(loaded.result, -EINVAL);
        assert_string_equal(loaded.error, refused[i].message);
    }
}

static void a_long_argument_is_cut_in_the_message(void **state)
{
    struct loaded loaded;
    static char name[5000] = "--";
    static char value[5000] = "--workers=";

    (void)state;
    memset(name + 2, 'a', sizeof(name) - 3);
    memset(value + 10, '\n', sizeof(value) - 11);
    load(&loaded, ARGUMENTS(name), NULL);
    assert_int_equal(loaded.result, -EINVAL);
    load(&loaded, ARGUMENTS(value), NULL);
    assert_int_equal(loaded.result, -EINVAL);
    assert_non_null(strstr(loaded.error, "for --workers; accepted: 1 to 10000"));
}

static void a_small_error_buffer_is_terminated(void **state)
{
    char program[] = "server";
    char bad[] = "--modle";
    char *argv[] = {program, bad, NULL};

    (void)state;
    for (size_t size = 1; size < 20; size++) {
        struct config config;
        enum config_action action;
        char error[32];
        memset(error, 'x', sizeof(error));
        assert_int_equal(config_load(&config, 2, argv, NULL, &action, error, size), -EINVAL);
        assert_int_equal(strlen(error), size - 1);
        assert_int_equal(error[size], 'x');
    }
}

static void flags_have_four_spellings(void **state)
{
    static const struct {
        const char *arguments[4];
        bool gil;
    } cases[] = {
        {{"--gil"}, true},
        {{"--gil=on"}, true},
        {{"--gil", "on"}, true},
        {{"--gil=off"}, false},
        {{"--gil", "off"}, false},
        {{"--gil", "--no-gil"}, false},
        {{"--no-gil", "--gil"}, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loaded loaded;
        load(&loaded, cases[i].arguments, NULL);
        assert_int_equal(loaded.result, 0);
        assert_int_equal(loaded.config.gil, cases[i].gil);
        config_free(&loaded.config);
    }
}

static void on_the_command_line_the_last_one_wins(void **state)
{
    struct loaded loaded;

    (void)state;
    load(&loaded, ARGUMENTS("--workers=3", "--root", "/a", "--workers", "5", "--root="), NULL);
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.config.workers, 5);
    assert_null(loaded.config.root);
    config_free(&loaded.config);
}

static void actions_are_reported(void **state)
{
    static const struct {
        const char *argument;
        enum config_action action;
    } cases[] = {
        {"--list-models", CONFIG_LIST_MODELS},
        {"--check-config", CONFIG_CHECK},
        {"--print-config", CONFIG_PRINT},
        {"--version", CONFIG_VERSION},
        {"--help", CONFIG_HELP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loaded loaded;
        load(&loaded, ARGUMENTS("--workers=2", cases[i].argument), NULL);
        assert_int_equal(loaded.result, 0);
        assert_int_equal(loaded.action, cases[i].action);
        config_free(&loaded.config);
    }
}

static void help_works_whatever_else_is_wrong(void **state)
{
    struct loaded loaded;

    (void)state;
    load(&loaded, ARGUMENTS("--config=/no/such/file", "--help", "--workers=x"),
         ENVIRONMENT("SERVER_WORKERS=y"));
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.action, CONFIG_HELP);
    config_free(&loaded.config);
    /* --check-config is for finding what is wrong. */
    load(&loaded, ARGUMENTS("--check-config"), ENVIRONMENT("SERVER_WORKERS=y"));
    assert_int_equal(loaded.result, -EINVAL);
}

static void each_source_overrides_the_one_before(void **state)
{
    static const char file[] = "workers = 2\nroot = /file\nmax-body = 1k\n";
    char path[PATH_SIZE];
    char variable[PATH_SIZE + 16];
    struct loaded loaded;
    char **environment;

    (void)state;
    write_file(path, file, strlen(file));
    environment = ENVIRONMENT("SERVER_WORKERS=3", "SERVER_ROOT=/environment");
    load(&loaded, ARGUMENTS("--config", path, "--workers=4"), environment);
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.config.workers, 4);
    assert_string_equal(loaded.config.root, "/environment");
    assert_int_equal(loaded.config.max_body, 1024);
    assert_int_equal(loaded.config.header_timeout_ms, 10000);
    config_free(&loaded.config);

    /* The order of the arguments does not matter to that. */
    load(&loaded, ARGUMENTS("--workers=4", "--config", path), NULL);
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.config.workers, 4);
    assert_string_equal(loaded.config.root, "/file");
    config_free(&loaded.config);

    /* The file may be named by the environment, and the command line names another. */
    snprintf(variable, sizeof(variable), "SERVER_CONFIG=%s", path);
    load(&loaded, NULL, ENVIRONMENT("SERVER_ROOT=/environment", variable));
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.config.workers, 2);
    assert_string_equal(loaded.config.root, "/environment");
    config_free(&loaded.config);
    load(&loaded, ARGUMENTS("--config=/dev/null"), ENVIRONMENT(variable));
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.config.workers, 0);
    config_free(&loaded.config);
    unlink(path);
}

static void unknown_variables_are_ignored_unless_misspelt(void **state)
{
    static const struct {
        const char *variable;
        const char *message; /* NULL: ignored */
    } cases[] = {
        {"SERVER_NAME=example.org", NULL},
        {"SERVER_PORT=80", NULL},
        {"SERVER_HOST=a", NULL},
        {"SERVER_ADDR=127.0.0.1", NULL},
        {"SERVER_SOFTWARE=x", NULL},
        {"SERVER_PROTOCOL=HTTP/1.1", NULL},
        {"SERVER_ADMIN=x", NULL},
        {"SERVER_VERSION=7", NULL},
        {"SERVER_HELP=1", NULL},
        {"SERVER_VARIANT=asan", NULL},
        {"SERVER_=x", NULL},
        {"SERVER=x", NULL},
        {"SERVER_workers=x", NULL},
        {"SERVER_WORKERS=", NULL},
        {"SERVER_WORKERS", NULL},
        {"WORKERS=x", NULL},
        {"SERVER_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=x", NULL},
        {"SERVER_MODLE=x", "unknown environment variable SERVER_MODLE; did you mean SERVER_MODEL?"},
        {"SERVER_MAXHEADERS=1",
         "unknown environment variable SERVER_MAXHEADERS; did you mean SERVER_MAX_HEADER?"},
        {"SERVER_DB=postgres:/u:secret@h", "bad value for SERVER_DB; accepted: sqlite:PATH, "
                                           "postgresql://[USER[:PASSWORD]@]HOST/DATABASE or auto"},
        {"SERVER_REDIS=:secret@h:1",
         "bad value for SERVER_REDIS; accepted: HOST:PORT, [ADDR]:PORT or unix:/path"},
        {"SERVER_WORKERS=x", "bad value \"x\" for SERVER_WORKERS; accepted: 1 to 10000, or auto"},
        {"SERVER_MAX_HEADER=1k", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loaded loaded;
        char variable[128];
        snprintf(variable, sizeof(variable), "%s", cases[i].variable);
        load(&loaded, NULL, ENVIRONMENT(variable));
        if (cases[i].message) {
            assert_int_equal(loaded.result, -EINVAL);
            assert_string_equal(loaded.error, cases[i].message);
        } else if (loaded.result != 0)
            fail_msg("%s: %s", variable, loaded.error);
        else
            config_free(&loaded.config);
    }
}

static void the_closest_name_is_suggested(void **state)
{
    static const char *const names[] = {"prefork", "threads", "coro", "keepalive-timeout"};
    char long_word[1000];
    static const struct {
        const char *word;
        const char *suggestion;
    } cases[] = {
        {"thread", "threads"},
        {"treads", "threads"},
        {"therads", "threads"},
        {"prefrok", "prefork"},
        {"fork", "prefork"},
        {"core", "coro"},
        {"cor", "coro"},
        {"keepalive", "keepalive-timeout"},
        {"epoll", NULL},
        {"", NULL},
        {"c", NULL},
        {"zz", NULL},
        {"coroutine", NULL},
        {"async", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = config_suggest(cases[i].word, names, 4);
        if (cases[i].suggestion)
            assert_string_equal(found ? found : "nothing", cases[i].suggestion);
        else
            assert_null(found);
    }
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    assert_null(config_suggest(long_word, names, 4));
    assert_null(config_suggest("coro", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_command_line_earns_its_message),
        cmocka_unit_test(a_long_argument_is_cut_in_the_message),
        cmocka_unit_test(a_small_error_buffer_is_terminated),
        cmocka_unit_test(flags_have_four_spellings),
        cmocka_unit_test(on_the_command_line_the_last_one_wins),
        cmocka_unit_test(actions_are_reported),
        cmocka_unit_test(help_works_whatever_else_is_wrong),
        cmocka_unit_test(each_source_overrides_the_one_before),
        cmocka_unit_test(unknown_variables_are_ignored_unless_misspelt),
        cmocka_unit_test(the_closest_name_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
