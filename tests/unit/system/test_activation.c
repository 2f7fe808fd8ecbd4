/* SPDX-License-Identifier: MIT
 *
 * activation.h: which of the descriptors that were passed is taken, that the others are closed and
 * the variables gone, and what is no passing of sockets at all.
 */
#include "tests/unit/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "system/activation.h"

enum { FIRST = 3, OPEN = 3 };

struct passed {
    const char *fds, *names; /* NULL: no such variable */
    const char *pid;         /* NULL: this process's */
    int result;
    const char *error; /* a part of it */
};

static void take(void *arg)
{
    const struct passed *passed = arg;
    char pid[20], error[200] = "";

    for (int i = 0; i < OPEN; i++)
        CHILD_EXPECT(dup2(STDIN_FILENO, FIRST + i) >= 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", passed->pid != NULL ? passed->pid : pid, 1);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (passed->fds != NULL)
        setenv("LISTEN_FDS", passed->fds, 1);
    if (passed->names != NULL)
        setenv("LISTEN_FDNAMES", passed->names, 1);
    CHILD_EXPECT(activation_take(error, sizeof error) == passed->result);
    CHILD_EXPECT(strstr(error, passed->error) != NULL);
    for (int i = 0; i < OPEN; i++)
        CHILD_EXPECT((fcntl(FIRST + i, F_GETFD) >= 0) ==
                     (passed->result < 0 || FIRST + i == passed->result));
    CHILD_EXPECT((getenv("LISTEN_PID") == NULL) == (passed->result != -ENOENT));
    CHILD_EXPECT(passed->result == -ENOENT ||
                 (getenv("LISTEN_FDS") == NULL && getenv("LISTEN_FDNAMES") == NULL));
}

static void what_is_taken(void **state)
{
    static struct passed rows[] = {
        {"3", "http:a:b", NULL, 3, ""},
        {"3", "a:http:b", NULL, 4, ""},
        {"3", "a:b:http", NULL, 5, ""},
        {"3", "http", NULL, 3, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        in_child(take, &rows[i]);
}

static void one_needs_no_name(void *arg)
{
    char pid[20], error[200];

    (void)arg;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "other", 1);
    CHILD_EXPECT(activation_take(error, sizeof error) == FIRST);
}

static void one_is_taken_whatever_its_name(void **state)
{
    (void)state;
    in_child(one_needs_no_name, NULL);
}

static void what_is_refused(void **state)
{
    static struct passed rows[] = {
        {"3", "a:b:c", NULL, -EINVAL, "exactly one must be named \"http\""},
        {"3", "http:b:http", NULL, -EINVAL, "exactly one must be named \"http\""},
        {"3", NULL, NULL, -EINVAL, "LISTEN_FDS=3: one socket is served"},
        {"3", "xhttp:httpx:", NULL, -EINVAL, "exactly one"},
        {NULL, NULL, NULL, -EINVAL, "LISTEN_FDS=: expected the number"},
        {"0", NULL, NULL, -EINVAL, "LISTEN_FDS=0: expected"},
        {"257", NULL, NULL, -EINVAL, "expected the number of sockets passed, 1 to 256"},
        {"1x", NULL, NULL, -EINVAL, "LISTEN_FDS=1x: expected"},
        {" 1", NULL, NULL, -EINVAL, "expected"},
        {"\x1b", NULL, NULL, -EINVAL, "LISTEN_FDS=\\x1b: expected"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        in_child(take, &rows[i]);
}

/* A variable that a parent left, or one that cannot be read, is not for this process. */
static void what_is_for_others(void **state)
{
    static struct passed rows[] = {
        {"1", NULL, "1", -ENOENT, ""},
        {"1", NULL, "", -ENOENT, ""},
        {"1", NULL, "x", -ENOENT, ""},
        {"1", NULL, "99999999999999999999", -ENOENT, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        in_child(take, &rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken),
        cmocka_unit_test(one_is_taken_whatever_its_name),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(what_is_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
