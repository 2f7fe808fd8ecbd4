/* SPDX-License-Identifier: MIT
 *
 * sqlite.c: a file is made whole or not at all, what is asked of it, and what is said of a file
 * that somebody else has made.
 */
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>

#include "db/backend.h"
#include "io.h"
#include "server.h"

static const struct io_ops blocks; /* a context that is a process to itself */
static struct server_shared shared;
static struct server server = {.shared = &shared};
static struct io io = {.ops = &blocks, .server = &server};
static int64_t until;
static size_t room = SIZE_MAX;

static int begin(void **state)
{
    setenv("STATE_DIRECTORY", "/nonexistent", 1);
    until = io_now_ms() + 60000;
    return scratch_begin(state);
}

static struct db_conn opened(void)
{
    struct db_conn conn = {.uri = "sqlite:world", .fd = -1};

    assert_int_equal(db_sqlite.open(&conn, &io, until), 0);
    assert_non_null(conn.handle);
    return conn;
}

/* As another program would change the file. */
static void change(const char *sql)
{
    char command[400];

    snprintf(command, sizeof command,
             "/usr/bin/python3 -c 'import sqlite3; c = sqlite3.connect(\"world\"); "
             "c.executescript(\"%s\")'",
             sql);
    assert_int_equal(system(command), 0);
}

static void a_file_is_made_whole(void **state)
{
    struct db_row rows[] = {{.id = 1}, {.id = DB_ROWS}, {.id = 1}};
    struct db_fortunes list = {0};
    struct db_conn conn = opened();
    DIR *here = opendir(".");
    const struct dirent *entry;

    (void)state;
    assert_int_equal(db_sqlite.read(&conn, &io, rows, 3, until), 0);
    for (int i = 0; i < 3; i++)
        assert_true(db_number_is_valid(rows[i].number));
    assert_int_equal(rows[0].number, rows[2].number);
    assert_int_equal(db_sqlite.fortunes(&conn, &io, &list, until), 0);
    assert_int_equal(list.count, 12);
    db_fortunes_term(&list);
    assert_int_equal(scratch_read("world")[18], 2); /* its version: with a write-ahead log */
    while ((entry = readdir(here)) != NULL)
        if (strstr(entry->d_name, "draft") != NULL)
            fail_msg("%s is left", entry->d_name);
    closedir(here);
    db_sqlite.close(&conn, &io);
}

/* In place of the C library's, for SQLite: a disk with `room` for so many bytes.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    if (length > room) {
        errno = ENOSPC;
        return -1;
    }
    room -= length;
    return syscall(SYS_pwrite64, fd, data, length, offset);
}

/* However far it comes on a disk that is full: all or nothing. */
static void nothing_is_left_of_half_a_file(void **state)
{
    size_t least = 512; /* pages, and a few bytes for who opens what was made */

    for (;; least += 8192) {
        struct db_conn conn = {.uri = "sqlite:world", .fd = -1};
        int result;

        room = least;
        result = db_sqlite.open(&conn, &io, until);
        room = SIZE_MAX;
        if (result == 0) {
            db_sqlite.close(&conn, &io);
            break;
        }
        assert_int_equal(rmdir(scratch_path), 0); /* it is empty */
        assert_int_equal(mkdir(scratch_path, 0700), 0);
        assert_int_equal(chdir(scratch_path), 0);
    }
    assert_true(least > 8192);
    a_file_is_made_whole(state);
}

static void what_is_set_is_read_by_others(void **state)
{
    const struct db_row set[] = {{2, 4242}, {5, 1}};
    struct db_row rows[] = {{.id = 5}, {.id = 2}};
    struct db_conn conn = opened(), other = opened();

    (void)state;
    assert_int_equal(db_sqlite.update(&conn, &io, set, 2, until), 0);
    assert_int_equal(db_sqlite.read(&other, &io, rows, 2, until), 0);
    assert_int_equal(rows[0].number, 1);
    assert_int_equal(rows[1].number, 4242);
    db_sqlite.close(&other, &io);
    db_sqlite.close(&conn, NULL);
    conn = opened(); /* and so when it is opened once more: it is not made again */
    assert_int_equal(db_sqlite.read(&conn, &io, rows, 2, until), 0);
    assert_int_equal(rows[1].number, 4242);
    db_sqlite.close(&conn, &io);
}

static void a_row_that_is_not_there(void **state)
{
    const struct db_row fair[] = {{3, 77}}, set[] = {{3, 78}, {DB_ROWS + 1, 1}};
    struct db_row rows[] = {{.id = DB_ROWS + 1}, {.id = 3}};
    struct db_conn conn = opened();

    (void)state;
    assert_int_equal(db_sqlite.read(&conn, &io, rows, 2, until), -ENODATA);
    assert_string_equal(conn.reason, "world has no row 10001");
    assert_int_equal(db_sqlite.update(&conn, &io, fair, 1, until), 0);
    assert_int_equal(db_sqlite.update(&conn, &io, set, 2, until), -ENODATA);
    assert_int_equal(db_sqlite.read(&conn, &io, &rows[1], 1, until), 0);
    assert_int_equal(rows[1].number, 77); /* all or none */
    assert_false(conn.broken);
    db_sqlite.close(&conn, &io);
}

static void rows_that_hold_something_else(void **state)
{
    struct db_row rows[] = {{.id = 1}};
    struct db_fortunes list = {0};
    struct db_conn conn = opened();

    (void)state;
    change("UPDATE world SET randomnumber = 10001 WHERE id = 1");
    assert_int_equal(db_sqlite.read(&conn, &io, rows, 1, until), -ENODATA);
    assert_string_equal(conn.reason, "row 1 of world holds no number from 1 to 10000");
    rows[0].id = 2;
    change("UPDATE world SET randomnumber = 31.5 WHERE id = 2");
    db_sqlite.close(&conn, &io);
    conn = opened();
    assert_int_equal(db_sqlite.read(&conn, &io, rows, 1, until), -ENODATA);
    change("INSERT INTO fortune VALUES (99, 1.5)");
    change("UPDATE fortune SET message = zeroblob(3) WHERE id = 99");
    assert_int_equal(db_sqlite.fortunes(&conn, &io, &list, until), -ENODATA);
    assert_string_equal(conn.reason, "fortune holds something else than ids and texts");
    db_fortunes_term(&list);
    db_sqlite.close(&conn, &io);
}

static void what_cannot_be_opened(void **state)
{
    struct db_conn conn = {.uri = "sqlite:world", .fd = -1};

    (void)state;
    scratch_write("world", "this is no database, and much too long for an empty one");
    assert_int_equal(db_sqlite.open(&conn, &io, until), -EIO);
    assert_contains(conn.reason, "file is not a database");
    assert_null(conn.handle);
    conn = (struct db_conn){.uri = "sqlite:missing/world", .fd = -1};
    assert_int_equal(db_sqlite.open(&conn, &io, until), -EIO);
    assert_contains(conn.reason, "cannot make sqlite:missing/world");
    assert_int_equal(unlink("world"), 0);
    change("CREATE TABLE world (id)");
    conn = (struct db_conn){.uri = "sqlite:world", .fd = -1};
    assert_int_equal(db_sqlite.open(&conn, &io, until), -EIO);
    assert_contains(conn.reason, "no such column: randomnumber");
}

/* Another writer has it, and keeps it for longer than there is time. */
static void a_lock_is_waited_for_no_longer_than_there_is_time(void **state)
{
    const struct db_row set[] = {{1, 1}};
    struct db_conn conn = opened();
    FILE *other;

    (void)state;
    other = popen("exec /usr/bin/python3 -c 'import os, sqlite3, sys; "
                  "c = sqlite3.connect(\"world\"); c.execute(\"BEGIN IMMEDIATE\"); "
                  "os.close(os.open(\"locked\", os.O_CREAT)); sys.stdin.read()'",
                  "w");
    assert_non_null(other);
    while (access("locked", F_OK) < 0)
        sched_yield();
    assert_int_equal(db_sqlite.update(&conn, &io, set, 1, io_now_ms() + 50), -ETIMEDOUT);
    assert_contains(conn.reason, "database is locked");
    pclose(other);
    db_sqlite.close(&conn, &io);
}

#define HERE(test) cmocka_unit_test_setup_teardown(test, begin, scratch_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HERE(a_file_is_made_whole),
        HERE(nothing_is_left_of_half_a_file),
        HERE(what_is_set_is_read_by_others),
        HERE(a_row_that_is_not_there),
        HERE(rows_that_hold_something_else),
        HERE(what_cannot_be_opened),
        HERE(a_lock_is_waited_for_no_longer_than_there_is_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
