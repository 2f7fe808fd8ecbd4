/* SPDX-License-Identifier: MIT
 *
 * folder.h: which folder a path means, and whether files may be made there.
 */
#include "tests/unit/scratch.h"

#include <errno.h>

#include "system/folder.h"

static void the_folder_is_what_is_before_the_last_slash(void **state)
{
    static const char *const rows[][2] = {
        {"a", "."},          {"/a", "/"},      {"dir/a", "dir/"},
        {"/x/y/z", "/x/y/"}, {"dir/", "dir/"}, {"", "."},
    };
    char folder[100];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(folder_of(rows[i][0], folder, sizeof folder), 0);
        assert_string_equal(folder, rows[i][1]);
    }
}

static void a_folder_that_does_not_fit_is_refused(void **state)
{
    char folder[5] = "????";

    (void)state;
    assert_int_equal(folder_of("abc/x", folder, 5), 0);
    assert_string_equal(folder, "abc/");
    assert_int_equal(folder_of("abc/x", folder, 4), -ENAMETOOLONG);
    assert_int_equal(folder_of("x", folder, 1), -ENAMETOOLONG);
}

static void files_may_be_made_where_there_is_a_folder(void **state)
{
    (void)state;
    scratch_write("file", "");
    assert_int_equal(folder_check("new"), 0);
    assert_int_equal(folder_check("file"), 0);
    assert_int_equal(folder_check("missing/new"), -ENOENT);
    assert_int_equal(folder_check("file/new"), -ENOTDIR);
    assert_int_equal(access("new", F_OK), -1);
}

/* The effective user counts: a server asks this after it has become somebody. */
static void who_may_not_write_there_is_told(void **state)
{
    int result;

    (void)state;
    assert_int_equal(chmod(".", 0555), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0);
    result = folder_check("new");
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(".", 0700), 0);
    assert_int_equal(result, -EACCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folder_is_what_is_before_the_last_slash),
        cmocka_unit_test(a_folder_that_does_not_fit_is_refused),
        IN_SCRATCH(files_may_be_made_where_there_is_a_folder),
        IN_SCRATCH(who_may_not_write_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
