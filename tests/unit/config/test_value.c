/* SPDX-License-Identifier: MIT
 *
 * option.c and value.c: the values that each option accepts and refuses, and their spelling.
 */
#include "fixture.h"
#include "log.h"

static void defaults_are_those_of_the_contract(void **state)
{
    struct loaded loaded;
    const struct config *config;

    (void)state;
    load(&loaded, NULL, NULL);
    assert_int_equal(loaded.result, 0);
    assert_int_equal(loaded.action, CONFIG_RUN);
    config = &loaded.config;
    assert_string_equal(config->model, "coro");
    assert_string_equal(config->listen, "127.0.0.1:8080");
    assert_int_equal(config->workers, 0);
    assert_int_equal(config->dispatch, DISPATCH_REQUEST);
    assert_int_equal(config->pool, POOL_BEFORE);
    assert_false(config->gil);
    assert_null(config->root);
    assert_int_equal(config->max_connections, 0);
    assert_int_equal(config->header_timeout_ms, 10000);
    assert_int_equal(config->body_timeout_ms, 30000);
    assert_int_equal(config->write_timeout_ms, 30000);
    assert_int_equal(config->keepalive_timeout_ms, 75000);
    assert_int_equal(config->shutdown_timeout_ms, 10000);
    assert_int_equal(config->lame_duck_ms, 0);
    assert_null(config->trusted_proxies);
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
    {"model", "\x7f", NULL},
    {"listen", "unix:/\x1b", NULL},
    {"trusted-proxies", "", ""},
    {"trusted-proxies", "10.0.0.0/8, ::1,unix", "\"10.0.0.0/8, ::1,unix\""},
    {"trusted-proxies", "10.0.0.1", "10.0.0.1"},
    {"trusted-proxies", "10.0.0.1/8", NULL},
    {"trusted-proxies", "localhost", NULL},
    {"lame-duck", "0", "0"},
    {"lame-duck", "2.5", "2.5"},
    {"lame-duck", "86400", "86400"},
    {"lame-duck", "86400.001", NULL},
    {"lame-duck", "auto", NULL},
    {"lame-duck", "-1", NULL},
    {"listen", "0.0.0.0:0", "0.0.0.0:0"},
    {"listen", "localhost:65535", "localhost:65535"},
    {"listen", "[::1]:80", "[::1]:80"},
    {"listen", "[fe80::1%lo]:80", "[fe80::1%lo]:80"},
    {"listen", "[fe80::1%eth0.100]:0", "[fe80::1%eth0.100]:0"},
    {"listen", "[fe80::abcd:ef01%1]:80", "[fe80::abcd:ef01%1]:80"},
    {"listen", "[ff02::1%abcdefghijklmno]:80", "[ff02::1%abcdefghijklmno]:80"},
    {"listen", "[fe80::1%abcdefghijklmnop]:80", NULL},
    {"listen", "[fe80::1%]:80", NULL},
    {"listen", "[fe80::1%%]:80", NULL},
    {"listen", "[fe80::1%a/b]:80", NULL},
    {"listen", "[fe80::1%a b]:80", NULL},
    {"listen", "[fe80::1%lo\n]:80", NULL},
    {"listen", "[fe80::1%\xe9]:80", NULL},
    {"listen", "[%lo]:80", NULL},
    {"listen", "[fe80::1%lo]", NULL},
    {"listen", "[fe80%lo]:80", NULL},
    {"listen", "[]:80", NULL},
    {"listen", "127.0.0.1%lo:80", NULL},
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
    {"workers", "10000", "10000"},
    {"workers", "007", "7"},
    {"workers", "auto", "auto"},
    {"workers", "0", NULL},
    {"workers", "10001", NULL},
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
    {"pool", "before", "before"},
    {"pool", "none", "none"},
    {"pool", "None", NULL},
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
    {"db-connections", "auto", "16"},
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
        char argument[320];
        char spelt[256];
        snprintf(argument, sizeof(argument), "--%s=%s", values[i].option, values[i].given);
        load(&loaded, ARGUMENTS(argument), NULL);
        if (!values[i].spelt) {
            bool quoted;

            if (loaded.result != -EINVAL)
                fail_msg("%s was accepted", argument);
            quoted = strcmp(values[i].option, "db") != 0 && strcmp(values[i].option, "redis") != 0;
            log_escape(spelt, sizeof(spelt), values[i].given, strlen(values[i].given));
            snprintf(argument, sizeof(argument),
                     "bad value %s%s%sfor --%s; accepted: ", quoted ? "\"" : "",
                     quoted ? spelt : "", quoted ? "\" " : "", values[i].option);
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
    char argument[160];

    (void)state;
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

static void a_host_must_fit_a_name(void **state)
{
    char argument[320];

    (void)state;
    for (int length = 252; length < 258; length++) {
        struct loaded loaded;
        snprintf(argument, sizeof(argument), "--listen=%0*d.example:80", length - 8, 0);
        load(&loaded, ARGUMENTS(argument), NULL);
        assert_int_equal(loaded.result, length <= 253 ? 0 : -EINVAL);
        if (loaded.result == 0)
            config_free(&loaded.config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(each_value_is_read_or_refused),
        cmocka_unit_test(a_unix_path_must_fit_a_socket_address),
        cmocka_unit_test(a_host_must_fit_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
