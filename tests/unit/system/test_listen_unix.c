/* SPDX-License-Identifier: MIT
 *
 * listen_unix.h: what is replaced when a file is in the way, what is not, and that only our own
 * file is removed.
 */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <sys/socket.h>

#include "system/listen_unix.h"

static mode_t mode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void the_file_has_the_mode_asked_for(void **state)
{
    mode_t before = umask(027);
    int fd = listen_unix_open("by-umask", 0, 1), with_mode = listen_unix_open("by-mode", 0666, 1);

    (void)state;
    assert_true(fd >= 0 && with_mode >= 0);
    assert_int_equal(mode_of("by-umask"), 0750);
    assert_int_equal(mode_of("by-mode"), 0666);
    assert_int_equal(umask(before), 027); /* as it was */
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    close(with_mode);
}

static void who_listens_is_left_alone(void **state)
{
    int fd = listen_unix_open("socket", 0, 1);
    struct listen_file before = listen_file_of("unix:socket"), after;

    (void)state;
    assert_int_equal(listen_unix_open("socket", 0, 1), -EADDRINUSE);
    after = listen_file_of("unix:socket");
    assert_true(before.inode != 0 && after.inode == before.inode);
    assert_int_equal(listen_unix_probe("socket"), 0); /* none of its business */
    close(fd);
}

static void what_a_dead_server_left_is_replaced(void **state)
{
    int fd = listen_unix_open("socket", 0, 1);

    (void)state;
    close(fd);
    assert_true(listen_file_of("unix:socket").inode != 0);
    fd = listen_unix_open("socket", 0, 1);
    assert_true(fd >= 0);
    close(fd);
}

static void what_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    scratch_write("file", "text");
    assert_int_equal(listen_unix_open("file", 0, 1), -ENOTSOCK);
    assert_int_equal(listen_unix_probe("file"), -ENOTSOCK);
    assert_string_equal(scratch_read("file"), "text");
    assert_int_equal(listen_unix_open("no/socket", 0, 1), -ENOENT);
    assert_int_equal(listen_unix_probe("no/socket"), -ENOENT);
    assert_int_equal(listen_unix_probe("new"), 0);
    assert_int_equal(access("new", F_OK), -1);
}

static void only_our_own_file_is_removed(void **state)
{
    int fd = listen_unix_open("socket", 0, 1), other;
    struct listen_file ours = listen_file_of("unix:socket"), none = {0};

    (void)state;
    assert_int_equal(rename("socket", "kept"), 0); /* so that its number is not used again */
    other = listen_unix_open("socket", 0, 1);
    assert_true(other >= 0);
    assert_int_equal(listen_file_remove("unix:socket", &ours), 0);
    assert_int_equal(access("socket", F_OK), 0);
    assert_int_equal(listen_file_remove("unix:kept", &none), 0);
    assert_int_equal(access("kept", F_OK), 0);
    assert_int_equal(listen_file_remove("unix:kept", &ours), 0);
    assert_int_equal(access("kept", F_OK), -1);
    assert_int_equal(listen_file_remove("unix:kept", &ours), 0); /* gone is gone */
    close(other);
    close(fd);
}

static void only_our_own_file_gets_another_mode(void **state)
{
    int fd = listen_unix_open("socket", 0640, 1);
    struct listen_file ours = listen_file_of("unix:socket"), none = {0};
    mode_t mask = umask(027);
    unsigned before;

    (void)state;
    assert_int_equal(listen_file_set_mode("unix:socket", &ours, 0600, &before), 0);
    assert_int_equal(before, 0640);
    assert_int_equal(mode_of("socket"), 0600);
    assert_int_equal(listen_file_set_mode("unix:socket", &ours, 0600, &before), 0);
    assert_int_equal(before, 0);
    assert_int_equal(listen_file_set_mode("unix:socket", &ours, 0, &before), 0);
    assert_int_equal(mode_of("socket"), 0750);
    assert_int_equal(umask(mask), 027);
    assert_int_equal(listen_file_set_mode("unix:socket", &none, 0600, &before), 0);
    assert_int_equal(mode_of("socket"), 0750);
    assert_int_equal(rename("socket", "moved"), 0);
    assert_int_equal(listen_file_set_mode("unix:socket", &ours, 0600, &before), 0); /* gone */
    assert_int_equal(symlink("moved", "socket"), 0);
    assert_int_equal(listen_file_set_mode("unix:socket", &ours, 0600, &before), 0);
    assert_int_equal(before, 0);
    assert_int_equal(mode_of("moved"), 0750);
    close(fd);
}

static void names_without_a_file(void **state)
{
    int fd = listen_unix_open("@socket", 0, 1); /* a path, as it is written here */

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    scratch_write("file", "");
    assert_true(listen_file_of("unix:file").inode == 0);
    assert_true(listen_file_of("unix:missing").inode == 0);
    assert_true(listen_file_of("unix:@socket").inode == 0);
    assert_true(listen_file_of("127.0.0.1:80").inode == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(the_file_has_the_mode_asked_for),
        IN_SCRATCH(who_listens_is_left_alone),
        IN_SCRATCH(what_a_dead_server_left_is_replaced),
        IN_SCRATCH(what_is_no_socket_is_left_alone),
        IN_SCRATCH(only_our_own_file_is_removed),
        IN_SCRATCH(only_our_own_file_gets_another_mode),
        IN_SCRATCH(names_without_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
