/* SPDX-License-Identifier: MIT
 *
 * state.h: which folder counts, that it is made, and that among others none is used that is not
 * ours alone.
 */
#include "tests/unit/scratch.h"

#include <errno.h>

#include "db/state.h"

static int begin(void **state)
{
    unsetenv("STATE_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    unsetenv("TMPDIR");
    return scratch_begin(state);
}

static void assert_uri(const char *format, ...)
{
    char expected[200], uri[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(expected, sizeof expected, format, arguments);
    va_end(arguments);
    assert_int_equal(state_uri(uri, sizeof uri), 0);
    assert_string_equal(uri, expected);
    assert_true(state_is(expected));
    assert_false(state_is("sqlite:/elsewhere/world.sqlite"));
}

static void the_first_that_is_named_counts(void **state)
{
    (void)state;
    assert_uri("sqlite:/tmp/server-%ld/world.sqlite", (long)geteuid());
    setenv("TMPDIR", "/t", 1);
    assert_uri("sqlite:/t/server-%ld/world.sqlite", (long)geteuid());
    setenv("XDG_STATE_HOME", "/x", 1);
    assert_uri("sqlite:/x/server/world.sqlite");
    setenv("STATE_DIRECTORY", "/s:/other", 1);
    assert_uri("sqlite:/s/world.sqlite");
}

static void what_does_not_begin_with_a_slash_does_not_count(void **state)
{
    (void)state;
    setenv("STATE_DIRECTORY", "s", 1);
    setenv("XDG_STATE_HOME", "", 1);
    setenv("TMPDIR", "./t", 1);
    assert_uri("sqlite:/tmp/server-%ld/world.sqlite", (long)geteuid());
}

static void one_that_does_not_fit_is_refused(void **state)
{
    char uri[sizeof "sqlite:/s/world.sqlite"];

    (void)state;
    setenv("STATE_DIRECTORY", "/s", 1);
    assert_int_equal(state_uri(uri, sizeof uri), 0);
    assert_int_equal(state_uri(uri, sizeof uri - 1), -ENAMETOOLONG);
}

static void the_folder_and_those_above_are_made(void **state)
{
    char path[200], reason[300];
    struct stat st;

    (void)state;
    snprintf(path, sizeof path, "%s/a/b//c", scratch_path);
    setenv("STATE_DIRECTORY", path, 1);
    assert_int_equal(state_make_folder(reason, sizeof reason), 0);
    assert_int_equal(stat("a/b/c", &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(state_make_folder(reason, sizeof reason), 0); /* it may be there */
    scratch_write("file", "");
    snprintf(path, sizeof path, "%s/file/d", scratch_path);
    setenv("STATE_DIRECTORY", path, 1);
    assert_int_equal(state_make_folder(reason, sizeof reason), -EIO);
    assert_contains(reason, "cannot make the folder");
    assert_contains(reason, "Not a directory");
}

static void among_others_it_must_be_ours_alone(void **state)
{
    char name[40], reason[300];

    (void)state;
    setenv("TMPDIR", scratch_path, 1);
    snprintf(name, sizeof name, "server-%ld", (long)geteuid());
    assert_int_equal(state_make_folder(reason, sizeof reason), 0);
    assert_int_equal(chmod(name, 0710), 0);
    assert_int_equal(state_make_folder(reason, sizeof reason), -EIO);
    assert_contains(reason, "is not a folder that is ours alone");
    assert_int_equal(chmod(name, 0707), 0);
    assert_int_equal(state_make_folder(reason, sizeof reason), -EIO);
    assert_int_equal(rmdir(name), 0);
    assert_int_equal(mkdir("elsewhere", 0700), 0);
    assert_int_equal(symlink("elsewhere", name), 0);
    assert_int_equal(state_make_folder(reason, sizeof reason), -EIO);
}

static void not_anothers(void **state)
{
    char name[40], reason[300];

    (void)state;
    if (geteuid() != 0)
        skip();
    setenv("TMPDIR", scratch_path, 1);
    snprintf(name, sizeof name, "server-%ld", (long)geteuid());
    assert_int_equal(mkdir(name, 0700), 0);
    assert_int_equal(chown(name, 65534, 65534), 0);
    assert_int_equal(state_make_folder(reason, sizeof reason), -EIO);
}

#define HERE(test) cmocka_unit_test_setup_teardown(test, begin, scratch_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HERE(the_first_that_is_named_counts),
        HERE(what_does_not_begin_with_a_slash_does_not_count),
        HERE(one_that_does_not_fit_is_refused),
        HERE(the_folder_and_those_above_are_made),
        HERE(among_others_it_must_be_ours_alone),
        HERE(not_anothers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
