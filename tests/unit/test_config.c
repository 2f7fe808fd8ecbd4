/* SPDX-License-Identifier: MIT
 *
 * config.h: what each source accepts, which source wins, what the messages say,
 * and that what is printed is read back to the same settings.
 *
 * The tests do not repeat the table of options where they can loop over it. The
 * environment is always the test's own, never that of the process.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "config_option.h"

enum { ARGUMENTS_MAX = 8, ERROR_SIZE = 512, PATH_SIZE = 64 };

/* One call of config_load() and what came of it. */
struct loaded {
    struct config config;
    enum config_action action;
    int result;
    char error[ERROR_SIZE];
    char *argv[ARGUMENTS_MAX + 2];
};

/* arguments and environment are NULL-terminated, and may be NULL. */
static void load(struct loaded *loaded, const char *const *arguments, char **environment)
{
    int argc = 0;
    static char program[] = "server";

    loaded->argv[argc++] = program;
    for (size_t i = 0; arguments && arguments[i]; i++) {
        assert_true(i < ARGUMENTS_MAX);
        /* main()'s argv is writable, but config_load() promises to leave it alone. */
        loaded->argv[argc++] = (char *)(uintptr_t)arguments[i];
    }
    loaded->argv[argc] = NULL;
    memset(loaded->error, 'x', sizeof(loaded->error));
    loaded->result = config_load(&loaded->config, argc, loaded->argv, environment, &loaded->action,
                                 loaded->error, sizeof(loaded->error));
    assert_non_null(memchr(loaded->error, '\0', sizeof(loaded->error)));
    assert_null(strchr(loaded->error, '\n'));
    if (loaded->result == 0)
        assert_string_equal(loaded->error, "");
    else
        assert_true(strlen(loaded->error) > 0);
}

#define ARGUMENTS(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define ENVIRONMENT(...) ((char *[]){__VA_ARGS__, NULL})

/* A temporary file with that content; the caller unlinks it. */
static void write_file(char path[PATH_SIZE], const char *content, size_t length)
{
    snprintf(path, PATH_SIZE, "/tmp/test_config.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, length), length);
    close(fd);
}

static void load_file(struct loaded *loaded, const char *content, size_t length, char *path)
{
    write_file(path, content, length);
    load(loaded, ARGUMENTS("--config", path), NULL);
    unlink(path);
}

static void defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    struct loaded loaded;
    load(&loaded, NULL, NULL);
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.action, CONFIG_RUN);
    const struct config *config = &loaded.config;
    assert_string_equal(config->model, "coro");
    assert_string_equal(config->listen, "127.0.0.1:8080");
    assert_int_equal(config->workers, 0);
    assert_int_equal(config->dispatch, DISPATCH_REQUEST);
    assert_false(config->gil);
    assert_null(config->root);
    assert_int_equal(config->max_connections, 0);
    assert_int_equal(config->header_timeout_ms, 10000);
    assert_int_equal(config->body_timeout_ms, 30000);
    assert_int_equal(config->write_timeout_ms, 30000);
    assert_int_equal(config->keepalive_timeout_ms, 75000);
    assert_int_equal(config->shutdown_timeout_ms, 10000);
    assert_int_equal(config->max_header, 16 * 1024);
    assert_int_equal(config->max_body, 8 * 1024 * 1024);
    assert_int_equal(config->stack_size, 64 * 1024);
    assert_null(config->access_log);
    config_free(&loaded.config);
}

/* Each value as given, and as config_describe() spells it; NULL: refused. */
static const struct {
    const char *option;
    const char *given;
    const char *spelt;
} values[] = {
    {"model", "threads", "threads"},
    {"model", "no such model", "\"no such model\""}, /* for main() to judge */
    {"model", "", NULL},
    {"listen", "0.0.0.0:0", "0.0.0.0:0"},
    {"listen", "localhost:65535", "localhost:65535"},
    {"listen", "[::1]:80", "[::1]:80"},
    {"listen", "unix:/run/s", "unix:/run/s"},
    {"listen", "unix:", NULL},
    {"listen", "", NULL},
    {"listen", "8080", NULL},
    {"listen", ":8080", NULL},
    {"listen", "127.0.0.1", NULL},
    {"listen", "127.0.0.1:", NULL},
    {"listen", "127.0.0.1:65536", NULL},
    {"listen", "127.0.0.1:80x", NULL},
    {"listen", "127.0.0.1:-1", NULL},
    {"listen", "127.0.0.256:80", NULL},
    {"listen", "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19:80", NULL},
    {"listen", "::1:80", NULL},
    {"listen", "[::1]80", NULL},
    {"listen", "[]:80", NULL},
    {"listen", "[:80", NULL},
    {"listen", "[127.0.0.1]:80", NULL},
    {"listen", "a b:80", NULL},
    {"workers", "1", "1"},
    {"workers", "4096", "4096"},
    {"workers", "007", "7"},
    {"workers", "auto", "auto"},
    {"workers", "0", NULL},
    {"workers", "4097", NULL},
    {"workers", "-1", NULL},
    {"workers", "+1", NULL},
    {"workers", " 1", NULL},
    {"workers", "1 ", NULL},
    {"workers", "0x10", NULL},
    {"workers", "1k", NULL},
    {"workers", "", NULL},
    {"workers", "4294967297", NULL},
    {"workers", "18446744073709551617", NULL},
    {"dispatch", "request", "request"},
    {"dispatch", "connection", "connection"},
    {"dispatch", "Request", NULL},
    {"dispatch", "", NULL},
    {"gil", "on", "on"},
    {"gil", "off", "off"},
    {"gil", "true", "on"},
    {"gil", "no", "off"},
    {"gil", "1", "on"},
    {"gil", "2", NULL},
    {"gil", "", NULL},
    {"root", "/srv", "/srv"},
    {"root", "", ""},
    {"max-connections", "1000000", "1000000"},
    {"max-connections", "1000001", NULL},
    {"max-connections", "auto", "auto"},
    {"header-timeout", "10", "10"},
    {"header-timeout", "0.25", "0.25"},
    {"header-timeout", ".5", "0.5"},
    {"header-timeout", "1.000000", "1"},
    {"header-timeout", "0.001", "0.001"},
    {"header-timeout", "86400", "86400"},
    {"header-timeout", "86400.001", NULL},
    {"header-timeout", "0", NULL},
    {"header-timeout", "0.0001", NULL},
    {"header-timeout", "1.", NULL},
    {"header-timeout", ".", NULL},
    {"header-timeout", "1.2.3", NULL},
    {"header-timeout", "1,5", NULL},
    {"header-timeout", "1e3", NULL},
    {"header-timeout", "inf", NULL},
    {"header-timeout", "nan", NULL},
    {"header-timeout", "-1", NULL},
    {"header-timeout", "10s", NULL},
    {"header-timeout", "18446744073709551615", NULL},
    {"header-timeout", "18446744073709552", NULL},
    {"header-timeout", "", NULL},
    {"max-header", "256", "256"},
    {"max-header", "255", NULL},
    {"max-header", "1M", "1M"},
    {"max-header", "1024k", "1M"},
    {"max-header", "1025k", NULL},
    {"max-header", "1000", "1000"},
    {"max-body", "0", "0"},
    {"max-body", "1K", "1k"},
    {"max-body", "1m", "1M"},
    {"max-body", "1g", "1G"},
    {"max-body", "1536k", "1536k"},
    {"max-body", "1024G", "1024G"},
    {"max-body", "1025G", NULL},
    {"max-body", "1T", NULL},
    {"max-body", "1kB", NULL},
    {"max-body", "k", NULL},
    {"max-body", "1.5M", NULL},
    {"max-body", "-1", NULL},
    {"max-body", "18446744073709551615G", NULL},
    {"stack-size", "16k", "16k"},
    {"stack-size", "16383", NULL},
    {"stack-size", "64M", "64M"},
    {"stack-size", "65537k", NULL},
    {"access-log", "-", "-"},
    {"access-log", "/var/log/a b", "\"/var/log/a b\""},
    {"access-log", "", ""},
};

/* The spelling of one setting, from config_describe(). */
static void describe(const struct config *config, const char *wanted, char *value, size_t size)
{
    const char *name;

    for (size_t i = 0; config_describe(config, i, &name, value, size); i++) {
        if (strcmp(name, wanted) == 0)
            return;
    }
    fail_msg("%s is not described", wanted);
}

static void each_value_is_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct loaded loaded;
        char argument[256];
        char spelt[256];
        snprintf(argument, sizeof(argument), "--%s=%s", values[i].option, values[i].given);
        load(&loaded, ARGUMENTS(argument), NULL);
        if (!values[i].spelt) {
            if (loaded.result != -EINVAL)
                fail_msg("%s was accepted", argument);
            snprintf(argument, sizeof(argument),
                     "bad value \"%s\" for --%s; accepted: ", values[i].given, values[i].option);
            if (strncmp(loaded.error, argument, strlen(argument)) != 0)
                fail_msg("message: %s", loaded.error);
            continue;
        }
        if (loaded.result != 0)
            fail_msg("%s", loaded.error);
        describe(&loaded.config, values[i].option, spelt, sizeof(spelt));
        assert_string_equal(spelt, values[i].spelt);
        config_free(&loaded.config);
    }
}

static void a_unix_path_must_fit_a_socket_address(void **state)
{
    (void)state;
    char argument[160];
    for (size_t length = 100; length < 120; length++) {
        struct loaded loaded;
        int prefix = snprintf(argument, sizeof(argument), "--listen=unix:");
        memset(argument + prefix, 'x', length);
        argument[(size_t)prefix + length] = '\0';
        load(&loaded, ARGUMENTS(argument), NULL);
        assert_int_equal(loaded.result, length <= 107 ? 0 : -EINVAL);
        if (loaded.result == 0)
            config_free(&loaded.config);
    }
}

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
    {{"--a\nb"}, "unknown option --a\\x0ab; accepted: those that --help lists"},
    {{"--dispatch=requst"},
     "bad value \"requst\" for --dispatch; accepted: request or connection; did you mean request?"},
    {{"--gil=maybe"}, "bad value \"maybe\" for --gil; accepted: on or off"},
    {{"--gil", "maybe"}, "bad value \"maybe\" for --gil; accepted: on or off"},
    {{"--workers", "-1"}, "bad value \"-1\" for --workers; accepted: 1 to 4096, or auto"},
    {{"--body-timeout=x\ny"},
     "bad value \"x\\x0ay\" for --body-timeout; accepted: seconds from 0.001 to 86400"},
    {{"--max-header=1"},
     "bad value \"1\" for --max-header; accepted: bytes from 256 to 1M, suffixes k, M, G"},
    {{"--workers"}, "no value for --workers; accepted: 1 to 4096, or auto"},
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
    /* What is overridden is checked all the same. */
    {{"--workers=x", "--workers=1"}, "bad value \"x\" for --workers; accepted: 1 to 4096, or auto"},
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
    (void)state;
    struct loaded loaded;
    static char name[5000] = "--";
    static char value[5000] = "--workers=";
    memset(name + 2, 'a', sizeof(name) - 3);
    memset(value + 10, '\n', sizeof(value) - 11);
    load(&loaded, ARGUMENTS(name), NULL);
    assert_int_equal(loaded.result, -EINVAL);
    load(&loaded, ARGUMENTS(value), NULL);
    assert_int_equal(loaded.result, -EINVAL);
    assert_non_null(strstr(loaded.error, "for --workers; accepted: 1 to 4096"));
}

static void a_small_error_buffer_is_terminated(void **state)
{
    (void)state;
    char program[] = "server";
    char bad[] = "--modle";
    char *argv[] = {program, bad, NULL};
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
    (void)state;
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
    (void)state;
    struct loaded loaded;
    load(&loaded, ARGUMENTS("--workers=3", "--root", "/a", "--workers", "5", "--root="), NULL);
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.config.workers, 5);
    assert_null(loaded.config.root);
    config_free(&loaded.config);
}

static void actions_are_reported(void **state)
{
    (void)state;
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
    (void)state;
    struct loaded loaded;
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
    (void)state;
    static const char file[] = "workers = 2\nroot = /file\nmax-body = 1k\n";
    char path[PATH_SIZE];
    char variable[PATH_SIZE + 16];
    struct loaded loaded;
    write_file(path, file, strlen(file));
    char **environment = ENVIRONMENT("SERVER_WORKERS=3", "SERVER_ROOT=/environment");
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
    (void)state;
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
        {"SERVER_WORKERS=x", "bad value \"x\" for SERVER_WORKERS; accepted: 1 to 4096, or auto"},
        {"SERVER_MAX_HEADER=1k", NULL},
    };
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

static void a_file_has_comments_white_space_and_quotes(void **state)
{
    (void)state;
    static const char file[] = "# comment = 1\n"
                               "\n"
                               "  \t \r\n"
                               "workers=3\r\n"
                               "\tmax-header\t=\t1k # trailing\n"
                               "root = \"/a # b \\\"c\\\\d\\n\" # trailing\n"
                               "access-log = /log#1 x\n"
                               "model = threads#\n"
                               "gil = on";
    struct loaded loaded;
    char path[PATH_SIZE];
    load_file(&loaded, file, strlen(file), path);
    if (loaded.result != 0)
        fail_msg("%s", loaded.error);
    assert_int_equal(loaded.config.workers, 3);
    assert_int_equal(loaded.config.max_header, 1024);
    assert_string_equal(loaded.config.root, "/a # b \"c\\d\n");
    assert_string_equal(loaded.config.access_log, "/log#1 x");
    assert_string_equal(loaded.config.model, "threads#");
    assert_true(loaded.config.gil);
    config_free(&loaded.config);
}

static void a_bad_line_is_reported_with_its_number(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *message;
    } cases[] = {
        {"workers", "1: bad line \"workers\"; accepted: name = value"},
        {"\n= 3\n", "2: bad line \"= 3\"; accepted: name = value"},
        {"max header = 3", "1: bad line \"max header = 3\"; accepted: name = value"},
        {"root = \"/a", "1: bad line \"root = \\x22/a\"; accepted: name = value"},
        {"root = \"/a\" b", "1: bad line \"root = \\x22/a\\x22 b\"; accepted: name = value"},
        {"root = \"\\t\"", "1: bad line \"root = \\x22\\x5ct\\x22\"; accepted: name = value"},
        {"root = \"\\", "1: bad line \"root = \\x22\\x5c\"; accepted: name = value"},
        {"#\n#\nworkers = 0", "3: bad value \"0\" for workers; accepted: 1 to 4096, or auto"},
        {"workers =", "1: bad value \"\" for workers; accepted: 1 to 4096, or auto"},
        {"wokers = 1", "1: unknown setting wokers; did you mean workers?"},
        {"--workers = 1", "1: unknown setting --workers; did you mean workers?"},
        {"hlep = 1", "1: unknown setting hlep; accepted: those that --help lists"},
        {"help = 1", "1: unknown setting help; accepted: on the command line only, as --help"},
        {"config = a",
         "1: unknown setting config; accepted: on the command line only, as --config"},
        {"gil = on\n\ngil = off",
         "3: gil is set a second time; accepted: once (it was set in line 1)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct loaded loaded;
        char path[PATH_SIZE];
        char message[ERROR_SIZE];
        load_file(&loaded, cases[i].file, strlen(cases[i].file), path);
        assert_int_equal(loaded.result, -EINVAL);
        snprintf(message, sizeof(message), "%s:%s", path, cases[i].message);
        assert_string_equal(loaded.error, message);
    }
}

static void a_file_that_is_no_text_is_refused(void **state)
{
    (void)state;
    static char large[64 * 1024 + 1];
    struct loaded loaded;
    char path[PATH_SIZE];
    load_file(&loaded, "workers = 1\n\0gil = on\n", 22, path);
    assert_int_equal(loaded.result, -EINVAL);
    assert_non_null(strstr(loaded.error, ":2: bad byte NUL"));
    memset(large, '#', sizeof(large));
    load_file(&loaded, large, sizeof(large), path);
    assert_int_equal(loaded.result, -EFBIG);
    load_file(&loaded, large, sizeof(large) - 1, path);
    assert_int_equal(loaded.result, 0);
    config_free(&loaded.config);
    load_file(&loaded, "", 0, path);
    assert_int_equal(loaded.result, 0);
    config_free(&loaded.config);
    load(&loaded, ARGUMENTS("--config=/"), NULL);
    assert_int_equal(loaded.result, -EISDIR);
    load(&loaded, ARGUMENTS("--config=/no/such/file"), NULL);
    assert_int_equal(loaded.result, -ENOENT);
    assert_string_equal(loaded.error, "cannot read config file \"/no/such/file\": No such file or "
                                      "directory; accepted: a file of name = value lines");
}

/* Prints config to a temporary file whose path is returned. */
static void print_to_file(const struct config *config, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "/tmp/test_config.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(config_print(config, fd), 0);
    assert_int_equal(close(fd), 0);
}

static void assert_same_settings(const struct config *a, const struct config *b)
{
    char in_a[CONFIG_SCRATCH];
    char in_b[CONFIG_SCRATCH];

    for (const struct config_option *option = config_options; option->name; option++) {
        if (config_option_is_setting(option))
            assert_string_equal(config_option_get(a, option, in_a),
                                config_option_get(b, option, in_b));
    }
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    static const char *const lines[][ARGUMENTS_MAX] = {
        {NULL},
        {"--model=x y", "--listen=[::1]:0", "--workers=4096", "--dispatch=connection", "--gil"},
        {"--root= a \"#\\ \n\t", "--access-log=-", "--max-body=0", "--max-header=257"},
        {"--root=#", "--access-log=\\n", "--header-timeout=.001", "--body-timeout=86400"},
        {"--root=a\\b", "--write-timeout=1.5", "--stack-size=65k", "--max-body=1025k"},
        {"--root=\xc3\xa9", "--max-connections=7", "--max-body=1G", "--keepalive-timeout=0.010"},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct loaded first;
        struct loaded second;
        char path[PATH_SIZE];
        load(&first, lines[i], NULL);
        assert_int_equal(first.result, 0);
        print_to_file(&first.config, path);
        load(&second, ARGUMENTS("--config", path), NULL);
        unlink(path);
        if (second.result != 0)
            fail_msg("%s", second.error);
        assert_same_settings(&first.config, &second.config);
        config_free(&first.config);
        config_free(&second.config);
    }
}

static void a_long_value_is_printed_whole(void **state)
{
    (void)state;
    static char argument[20000] = "--root=/";
    struct loaded first;
    struct loaded second;
    char path[PATH_SIZE];
    memset(argument + 8, '"', sizeof(argument) - 9);
    load(&first, ARGUMENTS(argument), NULL);
    assert_int_equal(first.result, 0);
    print_to_file(&first.config, path);
    load(&second, ARGUMENTS("--config", path), NULL);
    unlink(path);
    assert_int_equal(second.result, 0);
    assert_string_equal(second.config.root, argument + 7);
    config_free(&first.config);
    config_free(&second.config);
}

static void printing_to_a_full_device_fails(void **state)
{
    (void)state;
    struct loaded loaded;
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    load(&loaded, NULL, NULL);
    assert_int_equal(config_print(&loaded.config, fileno(full)), -ENOSPC);
    assert_int_equal(config_print_help(fileno(full)), -ENOSPC);
    assert_int_equal(config_print_help(-1), -EBADF);
    fclose(full);
    config_free(&loaded.config);
}

static void help_names_every_option_and_default(void **state)
{
    (void)state;
    static char help[16384];
    char path[PATH_SIZE];
    char wanted[128];
    snprintf(path, sizeof(path), "/tmp/test_config.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(config_print_help(fd), 0);
    assert_true(pread(fd, help, sizeof(help) - 1, 0) > 0);
    close(fd);
    for (const struct config_option *option = config_options; option->name; option++) {
        snprintf(wanted, sizeof(wanted), "  --%s%s", option->name, option->metavar ? "=" : " ");
        assert_non_null(strstr(help, wanted));
        assert_non_null(strstr(help, option->help));
        if (config_option_is_setting(option) && option->initial[0] != '\0') {
            snprintf(wanted, sizeof(wanted), "default %s)", option->initial);
            assert_non_null(strstr(help, wanted));
        }
    }
}

static void settings_are_described_in_order_and_cut(void **state)
{
    (void)state;
    struct loaded loaded;
    const char *name;
    char value[8];
    size_t count = 0;
    load(&loaded, ARGUMENTS("--root=/a long path"), NULL);
    while (config_describe(&loaded.config, count, &name, value, sizeof(value))) {
        assert_string_equal(name, config_options[count].name);
        if (strcmp(name, "root") == 0)
            assert_string_equal(value, "\"/a lon");
        count++;
    }
    assert_int_equal(count, 16);
    assert_false(config_describe(&loaded.config, 1000, &name, value, sizeof(value)));
    config_free(&loaded.config);
}

static void the_closest_name_is_suggested(void **state)
{
    (void)state;
    static const char *const names[] = {"prefork", "threads", "coro", "keepalive-timeout"};
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
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *found = config_suggest(cases[i].word, names, 4);
        if (cases[i].suggestion)
            assert_string_equal(found ? found : "nothing", cases[i].suggestion);
        else
            assert_null(found);
    }
    char long_word[1000];
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    assert_null(config_suggest(long_word, names, 4));
    assert_null(config_suggest("coro", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(each_value_is_read_or_refused),
        cmocka_unit_test(a_unix_path_must_fit_a_socket_address),
        cmocka_unit_test(each_bad_command_line_earns_its_message),
        cmocka_unit_test(a_long_argument_is_cut_in_the_message),
        cmocka_unit_test(a_small_error_buffer_is_terminated),
        cmocka_unit_test(flags_have_four_spellings),
        cmocka_unit_test(on_the_command_line_the_last_one_wins),
        cmocka_unit_test(actions_are_reported),
        cmocka_unit_test(help_works_whatever_else_is_wrong),
        cmocka_unit_test(each_source_overrides_the_one_before),
        cmocka_unit_test(unknown_variables_are_ignored_unless_misspelt),
        cmocka_unit_test(a_file_has_comments_white_space_and_quotes),
        cmocka_unit_test(a_bad_line_is_reported_with_its_number),
        cmocka_unit_test(a_file_that_is_no_text_is_refused),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(a_long_value_is_printed_whole),
        cmocka_unit_test(printing_to_a_full_device_fails),
        cmocka_unit_test(help_names_every_option_and_default),
        cmocka_unit_test(settings_are_described_in_order_and_cut),
        cmocka_unit_test(the_closest_name_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
