/* SPDX-License-Identifier: MIT
 *
 * files.h: in a descriptor table that several share, locks exclude and files are announced.
 *
 * Two openings of one file in this process stand for those of two processes that share its table:
 * to record locks they are one owner, which the first test makes sure of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/files.h"
#include "io.h"

static char told[64]; /* what the model was told: "o" opening, "h" hold, "c" close */
static size_t told_count;

static void note(char what)
{
    assert_true(told_count < sizeof told - 1);
    told[told_count++] = what;
    told[told_count] = '\0';
}

static void opening(struct io *io)
{
    (void)io;
    note('o');
}

static void hold(struct io *io, int fd)
{
    (void)io;
    note(fd >= 0 ? 'h' : 'n');
}

static void close_held(struct io *io, int fd)
{
    (void)io;
    note('c');
    close(fd);
}

static void unhold(struct io *io, int fd)
{
    (void)io;
    (void)fd;
    note('u');
}

static const struct io_sharing sharing = {
    .opening = opening, .hold = hold, .unhold = unhold, .close = close_held};
static const struct io_ops ops = {.sharing = &sharing};

struct two {
    struct io io;
    char path[32];
    int a, b;
};

static int begin(void **state)
{
    static struct two two;

    snprintf(two.path, sizeof two.path, "/tmp/files-XXXXXX");
    close(mkstemp(two.path));
    told_count = 0;
    two.io.ops = &ops;
    db_files_use(&two.io);
    two.a = db_files_open(two.path, O_RDWR | O_CLOEXEC, 0);
    two.b = db_files_open(two.path, O_RDWR | O_CLOEXEC, 0);
    *state = &two;
    return two.a < 0 || two.b < 0;
}

static int end(void **state)
{
    struct two *two = *state;

    db_files_close(two->a);
    db_files_close(two->b);
    return unlink(two->path);
}

static struct flock lock(short type)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = 100, .l_len = 1};

    l.l_pid = 4711; /* as one who knows record locks only may leave it */
    return l;
}

static void record_locks_do_not_exclude(void **state)
{
    const struct two *two = *state;
    struct flock l = lock(F_WRLCK);

    assert_return_code(fcntl(two->a, F_SETLK, &l), errno);
    assert_return_code(fcntl(two->b, F_SETLK, &l), errno);
}

static void these_do(void **state)
{
    const struct two *two = *state;
    struct flock l = lock(F_WRLCK);

    assert_return_code(db_files_fcntl(two->a, F_SETLK, &l), errno);
    assert_int_equal(db_files_fcntl(two->b, F_SETLK, &l), -1);
    assert_true(errno == EAGAIN || errno == EACCES);
    assert_return_code(db_files_fcntl(two->b, F_GETLK, &l), errno);
    assert_int_equal(l.l_type, F_WRLCK);
    l = lock(F_UNLCK);
    assert_return_code(db_files_fcntl(two->a, F_SETLK, &l), errno);
    l = lock(F_WRLCK);
    assert_return_code(db_files_fcntl(two->b, F_GETLK, &l), errno);
    assert_int_equal(l.l_type, F_UNLCK);
    l = lock(F_WRLCK);
    assert_return_code(db_files_fcntl(two->b, F_SETLKW, &l), errno);
}

static void readers_share(void **state)
{
    const struct two *two = *state;
    struct flock l = lock(F_RDLCK);

    assert_return_code(db_files_fcntl(two->a, F_SETLK, &l), errno);
    assert_return_code(db_files_fcntl(two->b, F_SETLK, &l), errno);
    l = lock(F_WRLCK);
    assert_int_equal(db_files_fcntl(two->b, F_SETLK, &l), -1);
}

static void closing_releases(void **state)
{
    struct two *two = *state;
    struct flock l = lock(F_WRLCK);

    assert_return_code(db_files_fcntl(two->a, F_SETLK, &l), errno);
    db_files_close(two->a);
    assert_return_code(db_files_fcntl(two->b, F_SETLK, &l), errno);
    two->a = db_files_open(two->path, O_RDWR | O_CLOEXEC, 0);
}

static void other_commands_pass(void **state)
{
    const struct two *two = *state;

    assert_int_equal(db_files_fcntl(two->a, F_GETFD), FD_CLOEXEC);
    assert_return_code(db_files_fcntl(two->a, F_SETFD, 0), errno);
    assert_int_equal(db_files_fcntl(two->a, F_GETFD), 0);
}

static void the_model_is_told(void **state)
{
    struct two *two = *state;

    assert_string_equal(told, "ohoh");
    assert_int_equal(db_files_open("/nonexistent/file", O_RDONLY, 0), -1);
    assert_int_equal(errno, ENOENT);
    db_files_close(two->a);
    assert_string_equal(told, "ohohonc");
    two->a = db_files_open(two->path, O_RDWR | O_CLOEXEC, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(record_locks_do_not_exclude),
        TEST(these_do),
        TEST(readers_share),
        TEST(closing_releases),
        TEST(other_commands_pass),
        TEST(the_model_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
