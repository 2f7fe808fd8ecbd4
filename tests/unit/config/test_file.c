/* SPDX-License-Identifier: MIT
 *
 * file.c and print.c: the syntax of configuration files, the messages with line numbers, and that
 * what is printed is read back to the same settings.
 */
#include "fixture.h"
#include "config/option.h"

static void a_file_has_comments_white_space_and_quotes(void **state)
{
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

    (void)state;
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
    static const struct {
        const char *file;
        const char *message;
    } cases[] = {
        {"workers", "1: bad line; accepted: name = value"},
        {"\n= 3\n", "2: bad line; accepted: name = value"},
        {"max header = 3", "1: bad line; accepted: name = value"},
        {"root = \"/a", "1: bad line; accepted: name = value"},
        {"root = \"/a\" b", "1: bad line; accepted: name = value"},
        {"root = \"\\t\"", "1: bad line; accepted: name = value"},
        {"root = \"\\", "1: bad line; accepted: name = value"},
        {"db postgresql://u:secret@h/d", "1: bad line; accepted: name = value"},
        {"db postgresql://u:secret@h/d?a=b", "1: bad line; accepted: name = value"},
        {"postgresql://u:secret@h/d?a=b",
         "1: unknown setting postgresql...; accepted: those that --help lists"},
        {"db: postgresql://u:secret@h/d?a=b", "1: bad line; accepted: name = value"},
        {"db:=postgresql://u:secret@h/d", "1: unknown setting db...; did you mean db?"},
        {"db = \"postgresql://u:secret@h/d", "1: bad line; accepted: name = value"},
        {"db = postgresq://u:secret@h/d", "1: bad value for db; accepted: sqlite:PATH, "
                                          "postgresql://[USER[:PASSWORD]@]HOST/DATABASE or auto"},
        {"#\n#\nworkers = 0", "3: bad value \"0\" for workers; accepted: 1 to 10000, or auto"},
        {"workers =", "1: bad value \"\" for workers; accepted: 1 to 10000, or auto"},
        {"wokers = 1", "1: unknown setting wokers; did you mean workers?"},
        {"--workers = 1", "1: unknown setting --workers; did you mean workers?"},
        {"hlep = 1", "1: unknown setting hlep; accepted: those that --help lists"},
        {"help = 1", "1: unknown setting help; accepted: on the command line only, as --help"},
        {"config = a",
         "1: unknown setting config; accepted: on the command line only, as --config"},
        {"gil = on\n\ngil = off",
         "3: gil is set a second time; accepted: once (it was set in line 1)"},
    };

    (void)state;
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
    static char large[64 * 1024 + 1];
    struct loaded loaded;
    char path[PATH_SIZE];

    (void)state;
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
    int fd;

    snprintf(path, PATH_SIZE, "/tmp/test_config.XXXXXX");
    fd = mkstemp(path);
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
    static const char *const lines[][ARGUMENTS_MAX] = {
        {NULL},
        {"--model=x y", "--listen=[::1]:0", "--workers=10000", "--dispatch=connection", "--gil"},
        {"--root= a \"#\\ \n\t", "--access-log=-", "--max-body=0", "--max-header=257"},
        {"--root=#", "--access-log=\\n", "--header-timeout=.001", "--body-timeout=86400"},
        {"--root=a\\b", "--write-timeout=1.5", "--stack-size=65k", "--max-body=1025k"},
        {"--root=\xc3\xa9", "--max-connections=7", "--max-body=1G", "--keepalive-timeout=0.010"},
    };

    (void)state;
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
    static char argument[20000] = "--root=/";
    struct loaded first;
    struct loaded second;
    char path[PATH_SIZE];

    (void)state;
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
    struct loaded loaded;
    FILE *full = fopen("/dev/full", "w");

    (void)state;
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
    static char help[16384];
    char path[PATH_SIZE];
    char wanted[128];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/test_config.XXXXXX");
    fd = mkstemp(path);
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
    struct loaded loaded;
    const char *name;
    char value[8];
    size_t count = 0;

    (void)state;
    load(&loaded, ARGUMENTS("--root=/a long path"), NULL);
    while (config_describe(&loaded.config, count, &name, value, sizeof(value))) {
        assert_string_equal(name, config_options[count].name);
        if (strcmp(name, "root") == 0)
            assert_string_equal(value, "\"/a lon");
        count++;
    }
    /* The rows after the settings are the actions, which have no value to describe. */
    assert_true(count > 0 && !config_option_is_setting(&config_options[count]));
    assert_false(config_describe(&loaded.config, 1000, &name, value, sizeof(value)));
    config_free(&loaded.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_comments_white_space_and_quotes),
        cmocka_unit_test(a_bad_line_is_reported_with_its_number),
        cmocka_unit_test(a_file_that_is_no_text_is_refused),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(a_long_value_is_printed_whole),
        cmocka_unit_test(printing_to_a_full_device_fails),
        cmocka_unit_test(help_names_every_option_and_default),
        cmocka_unit_test(settings_are_described_in_order_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
