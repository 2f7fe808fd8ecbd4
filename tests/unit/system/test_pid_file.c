/* SPDX-License-Identifier: MIT
 *
 * pid_file.h: the file is whole and locked while it is held, another's is left alone, and what is
 * in the way is told in words.
 */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "system/pid_file.h"

/* 0, or the errno of locking the file anew. */
static int lock_error(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), error;

    assert_true(fd >= 0);
    error = flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
    close(fd);
    return error;
}

static void it_is_written_locked_and_removed(void **state)
{
    struct pid_file file = {0};
    struct stat st;

    (void)state;
    assert_int_equal(pid_file_write(&file, "pid", 4711), 0);
    assert_string_equal(scratch_read("pid"), "4711\n");
    assert_int_equal(lock_error("pid"), EWOULDBLOCK);
    assert_int_equal(stat("pid", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    pid_file_remove(&file);
    assert_null(file.path);
    assert_int_equal(access("pid", F_OK), -1);
    pid_file_remove(&file); /* and once more is nothing */
}

/* The text it was named by is the caller's to change and free. */
static void it_keeps_its_name(void **state)
{
    struct pid_file file = {0};
    char path[] = "pid";

    (void)state;
    assert_int_equal(pid_file_write(&file, path, 4711), 0);
    memset(path, 'x', sizeof path - 1);
    pid_file_remove(&file);
    assert_int_equal(access("pid", F_OK), -1);
}

static void what_a_successor_wrote_is_left(void **state)
{
    struct pid_file mine = {0}, successors = {0};

    (void)state;
    assert_int_equal(pid_file_write(&mine, "pid", 1), 0);
    assert_int_equal(pid_file_write(&successors, "pid", 2), 0);
    pid_file_remove(&mine);
    assert_string_equal(scratch_read("pid"), "2\n");
    assert_int_equal(lock_error("pid"), EWOULDBLOCK);
    pid_file_remove(&successors);
    assert_int_equal(access("pid", F_OK), -1);
}

static void what_is_abandoned_stays_without_a_lock(void **state)
{
    struct pid_file file = {0};

    (void)state;
    assert_int_equal(pid_file_write(&file, "pid", 1), 0);
    pid_file_abandon(&file);
    assert_null(file.path);
    assert_string_equal(scratch_read("pid"), "1\n");
    assert_int_equal(lock_error("pid"), 0);
}

static void a_file_that_is_held_is_only_a_successors(void **state)
{
    struct pid_file file = {0};
    char error[200] = "";

    (void)state;
    assert_int_equal(pid_file_check("pid", false, error, sizeof error), 0);
    assert_int_equal(pid_file_write(&file, "pid", 4711), 0);
    assert_int_equal(pid_file_check("pid", false, error, sizeof error), -EEXIST);
    assert_string_equal(error,
                        "cannot write --pid-file=pid: a server that runs holds it (pid 4711)");
    assert_int_equal(pid_file_check("pid", true, error, sizeof error), 0);
    pid_file_abandon(&file);
    assert_int_equal(pid_file_check("pid", false, error, sizeof error), 0); /* left by a dead one */
}

static void what_is_in_the_way_is_told(void **state)
{
    struct pid_file file = {0};
    char error[200] = "";

    (void)state;
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(symlink("elsewhere", "link"), 0);
    assert_int_equal(pid_file_check("folder", false, error, sizeof error), -EINVAL);
    assert_string_equal(error, "cannot write --pid-file=folder: not a regular file");
    assert_int_equal(pid_file_check("link", false, error, sizeof error), -ELOOP);
    assert_int_equal(pid_file_check("no/pid", false, error, sizeof error), -ENOENT);
    assert_string_equal(error, "cannot write --pid-file=no/pid: No such file or directory");
    assert_int_equal(pid_file_write(&file, "folder", 1), -EISDIR);
    assert_null(file.path);
    assert_int_equal(rmdir("folder"), 0);
    assert_int_equal(unlink("link"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(scratch_path), 0); /* nothing was left behind */
    assert_int_equal(mkdir(scratch_path, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(it_is_written_locked_and_removed),
        IN_SCRATCH(it_keeps_its_name),
        IN_SCRATCH(what_a_successor_wrote_is_left),
        IN_SCRATCH(what_is_abandoned_stays_without_a_lock),
        IN_SCRATCH(a_file_that_is_held_is_only_a_successors),
        IN_SCRATCH(what_is_in_the_way_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
