/* SPDX-License-Identifier: MIT
 *
 * models.c: the models are found by their names, keep what model.h says of a table row, and their
 * workers begin under their number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "io.h"
#include "models/model.h"
#include "server.h"

static void each_is_found_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; models[i] != NULL; i++) {
        assert_ptr_equal(model_find(models[i]->name), models[i]);
        assert_non_null(models[i]->work);
        assert_true(models[i]->summary[0] != '\0' && strchr(models[i]->summary, '\n') == NULL);
    }
    assert_string_equal(model_find("coro")->name, "coro");
}

static void no_other_is(void **state)
{
    (void)state;
    assert_null(model_find(""));
    assert_null(model_find("cor"));
    assert_null(model_find("coros"));
    assert_null(model_find("Coro"));
}

static void a_worker_begins_under_its_number(void **state)
{
    struct server server = {.shared = shared_new()};
    struct io io = {.server = &server, .worker = 3};
    struct worker_stats *stats;

    (void)state;
    assert_non_null(server.shared);
    stats = &server.shared->workers[3];
    stats_add(&stats->requests, 5);
    model_begin_worker(&io, "test");
    assert_int_equal(atomic_load(&stats->pid), getpid());
    assert_int_equal(atomic_load(&stats->tid), gettid());
    assert_int_equal(stats_get(&stats->requests_before), 5);
    shared_free(server.shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_found_by_its_name),
        cmocka_unit_test(no_other_is),
        cmocka_unit_test(a_worker_begins_under_its_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
