/* SPDX-License-Identifier: MIT
 *
 * db.h: from a question to a connection and back, over a file of SQLite, and what a cache that
 * cannot be reached changes: nothing.
 */
#include "tests/unit/scratch.h"

#include <errno.h>

#include "config.h"
#include "db/db.h"
#include "io.h"
#include "server.h"

static const struct io_ops blocks; /* a context that is a process to itself */
static struct server_shared shared;
static struct config config;
static struct server server = {.config = &config, .shared = &shared};
static struct io io = {.ops = &blocks, .server = &server};

static int begin(void **state)
{
    config = (struct config){.db = "sqlite:world", .db_connections = 16, .db_timeout_ms = 60000};
    return scratch_begin(state);
}

static void ask_for(unsigned processes)
{
    assert_int_equal(db_new(&server.db, &config, processes), 0);
    assert_int_equal(access("world", F_OK), -1); /* on first use only */
}

static void questions_and_answers(void **state)
{
    const struct db_row set[] = {{1, 10}, {2, 20}};
    struct db_row rows[] = {{.id = 2}, {.id = 1}, {.id = 2}};
    struct db_fortunes list = {0};

    (void)state;
    ask_for(1);
    assert_int_equal(db_update(&io, set, 2), 0);
    assert_int_equal(db_read(&io, rows, 3), 0);
    assert_true(rows[0].number == 20 && rows[1].number == 10 && rows[2].number == 20);
    assert_int_equal(db_read_fortunes(&io, &list), 0);
    assert_int_equal(list.count, 12);
    db_fortunes_term(&list);
    db_free(server.db);
}

/* Of more processes than connections each borrows one. */
static void a_connection_that_is_borrowed(void **state)
{
    struct db_row row = {.id = 1};

    (void)state;
    config.db_connections = 1;
    ask_for(4);
    server.process = 3;
    assert_int_equal(db_read(&io, &row, 1), 0);
    assert_true(row.number > 0);
    db_process_died(server.db, 2);
    assert_int_equal(db_read(&io, &row, 1), 0);
    server.process = 0;
    db_free(server.db);
}

static void without_a_cache_nothing_is_cached(void **state)
{
    struct db_row row = {.id = 1};

    (void)state;
    ask_for(1);
    assert_int_equal(db_read_cached(&io, &row, 1), -EOPNOTSUPP);
    db_free(server.db);
}

static void a_cache_that_is_not_there_is_done_without(void **state)
{
    const struct db_row set[] = {{1, 10}};
    struct db_row rows[] = {{.id = 1, .number = 99}, {.id = 2}};

    (void)state;
    config.redis = "unix:missing";
    ask_for(1);
    assert_int_equal(db_update(&io, set, 1), 0);
    assert_int_equal(db_read_cached(&io, rows, 2), 0);
    assert_int_equal(rows[0].number, 10);
    assert_true(rows[1].number > 0);
    db_free(server.db);
}

static void a_database_that_cannot_be_opened(void **state)
{
    struct db_row row = {.id = 1};
    struct db_fortunes list = {0};

    (void)state;
    config.db = "sqlite:missing/world";
    ask_for(1);
    assert_int_equal(db_read(&io, &row, 1), -EIO);
    assert_int_equal(db_update(&io, &row, 1), -EIO);
    assert_int_equal(db_read_fortunes(&io, &list), -EIO);
    db_free(server.db);
    db_free(NULL);
}

static void what_is_judged_and_shown(void **state)
{
    char error[300], shown[300] = "as it was";

    (void)state;
    assert_int_equal(db_check(&config, error, sizeof error), 0);
    db_show(&config, shown, sizeof shown);
    assert_string_equal(shown, "as it was");
    config.db = "postgresql://u:secret@h:1/d";
    assert_int_equal(db_check(&config, error, sizeof error), 0);
    db_show(&config, shown, sizeof shown);
    assert_null(strstr(shown, "secret"));
    assert_contains(shown, "h:1");
    config.db = "postgresql://u:secret@h:x/d";
    assert_int_equal(db_check(&config, error, sizeof error), -EINVAL);
    assert_int_equal(strncmp(error, "--db: ", 6), 0);
    assert_contains(error, "; accepted: postgresql://[USER[:PASSWORD]@]HOST/DATABASE");
    assert_null(strstr(error, "secret"));
}

/* SQLite runs on the stack of who asks where nothing is offloaded. */
static void stacks(void **state)
{
    (void)state;
    config.offload = true;
    assert_int_equal(db_stack_bytes(&config), 0);
    config.offload = false;
    assert_true(db_stack_bytes(&config) > 0);
}

#define HERE(test) cmocka_unit_test_setup_teardown(test, begin, scratch_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HERE(questions_and_answers),
        HERE(a_connection_that_is_borrowed),
        HERE(without_a_cache_nothing_is_cached),
        HERE(a_cache_that_is_not_there_is_done_without),
        HERE(a_database_that_cannot_be_opened),
        HERE(what_is_judged_and_shown),
        HERE(stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
