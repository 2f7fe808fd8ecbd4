/* SPDX-License-Identifier: MIT
 *
 * settings.h: the number of workers where the configuration leaves it open, on machines of any
 * size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http.h"
#include "system/cores.h"
#include "master/settings.h"

static unsigned cores;

static const struct http_application application;

/* Used instead of that of src/system/cores.c. */
unsigned cores_available(void)
{
    return cores;
}

static unsigned workers(char *model, char *option)
{
    char program[] = "server", error[512];
    char *argv[] = {program, model, option, NULL}, *none[] = {NULL};
    const struct command command = {option != NULL ? 3 : 2, argv, none, &application};
    struct settings settings;
    enum config_action action;

    assert_int_equal(settings_load(&settings, &command, &action, error, sizeof error), 0);
    assert_ptr_equal(settings.application, &application);
    settings_free(&settings);
    return settings.workers;
}

static void the_default_goes_by_the_cores(void **state)
{
    static const unsigned many[] = {625, 626, 1024, 1025, 1 << 20, UINT32_MAX};
    char threads[] = "--model=threads", prefork[] = "--model=prefork", coro[] = "--model=coro";
    char seven[] = "--workers=7";

    (void)state;
    cores = 1;
    assert_int_equal(workers(threads, NULL), 16);
    cores = 3;
    assert_int_equal(workers(threads, NULL), 48);
    assert_int_equal(workers(prefork, NULL), 48);
    assert_int_equal(workers(coro, NULL), 1);
    assert_int_equal(workers(threads, seven), 7);
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        cores = many[i];
        assert_int_equal(workers(prefork, NULL), CONFIG_MAX_WORKERS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_goes_by_the_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
