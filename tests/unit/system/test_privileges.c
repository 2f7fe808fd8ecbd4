/* SPDX-License-Identifier: MIT
 *
 * privileges.h: what names and numbers mean, and that whoever was given up cannot be regained.
 * Only root can try that.
 */
#include "tests/unit/child.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "system/privileges.h"

static void find(const char *user, const char *group, int result, const char *expected)
{
    struct privileges p;
    char error[200] = "";

    assert_int_equal(privileges_find(&p, user, group, error, sizeof error), result);
    assert_string_equal(error, expected);
}

static void who_is_not_known_is_told(void **state)
{
    (void)state;
    find("no-such-user", NULL, -ENOENT,
         "--user=no-such-user: no such user here; expected a name or a number");
    find("root", "no-such-group", -ENOENT,
         "--group=no-such-group: no such group here; expected a name or a number");
    find("-1", NULL, -ENOENT, "--user=-1: no such user here; expected a name or a number");
    find("1x", NULL, -ENOENT, "--user=1x: no such user here; expected a name or a number");
    find("4294967295", NULL, -ENOENT, /* to the kernel: unchanged */
         "--user=4294967295: no such user here; expected a name or a number");
    find("\x1b", NULL, -ENOENT, "--user=\\x1b: no such user here; expected a name or a number");
}

static void nothing_is_to_be_done(void **state)
{
    struct privileges p = {.change = true};
    char error[200], self[20];

    (void)state;
    assert_int_equal(privileges_find(&p, NULL, "no-such-group", error, sizeof error), 0);
    assert_false(p.change); /* a group counts only with a user */
    snprintf(self, sizeof self, "%u", (unsigned)getuid());
    assert_int_equal(privileges_find(&p, self, NULL, error, sizeof error), 0);
    assert_false(p.change);
}

static void names_and_numbers(void **state)
{
    struct privileges p;
    char error[200];

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(privileges_find(&p, "nobody", NULL, error, sizeof error), 0);
    assert_true(p.change && p.uid == 65534 && p.gid == 65534 && !p.own_group);
    assert_string_equal(p.user, "nobody");
    assert_int_equal(privileges_find(&p, "65534", "0", error, sizeof error), 0);
    assert_true(p.change && p.uid == 65534 && p.gid == 0 && p.own_group);
    assert_string_equal(p.user, "nobody");
    assert_int_equal(privileges_find(&p, "123456789", NULL, error, sizeof error), 0);
    assert_true(p.change && p.uid == 123456789 && p.gid == 123456789);
    assert_string_equal(p.user, "");
    assert_int_equal(privileges_find(&p, "root", "1", error, sizeof error), 0);
    assert_true(p.change && p.uid == 0 && p.gid == 1);
}

static void try_as_nobody(void *arg)
{
    struct privileges p;
    char error[200];
    gid_t group;

    (void)arg;
    CHILD_EXPECT(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
    CHILD_EXPECT(privileges_find(&p, "nobody", NULL, error, sizeof error) == 0 && !p.change);
    CHILD_EXPECT(privileges_find(&p, "root", NULL, error, sizeof error) == -EPERM);
    CHILD_EXPECT(strcmp(error, "--user: only root can become another user or group") == 0);
    CHILD_EXPECT(privileges_find(&p, "nobody", "1", error, sizeof error) == -EPERM);
    CHILD_EXPECT(getgroups(1, &group) == 0);
}

static void others_cannot_change(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    in_child(try_as_nobody, NULL);
}

static void drop(void *arg)
{
    struct privileges p;
    char error[200];
    uid_t uid[3];
    gid_t gid[3], groups[64];

    CHILD_EXPECT(privileges_find(&p, "nobody", arg, error, sizeof error) == 0);
    CHILD_EXPECT(privileges_drop(&p, error, sizeof error) == 0);
    CHILD_EXPECT(getresuid(&uid[0], &uid[1], &uid[2]) == 0);
    CHILD_EXPECT(getresgid(&gid[0], &gid[1], &gid[2]) == 0);
    for (int i = 0; i < 3; i++)
        CHILD_EXPECT(uid[i] == 65534 && gid[i] == p.gid);
    CHILD_EXPECT(getgroups(64, groups) == 1 && groups[0] == p.gid);
    CHILD_EXPECT(setuid(0) < 0 && setgid(0) < 0 && setgroups(0, NULL) < 0);
    CHILD_EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHILD_EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
}

static void root_is_given_up_for_good(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    in_child(drop, NULL);
    in_child(drop, "1");
}

static void drop_nothing(void *arg)
{
    const struct privileges p = {.change = false};
    char error[200];
    uid_t before = getuid();

    (void)arg;
    CHILD_EXPECT(privileges_drop(&p, error, sizeof error) == 0);
    CHILD_EXPECT(getuid() == before);
    CHILD_EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void nobody_gains_by_executing(void **state)
{
    (void)state;
    in_child(drop_nothing, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_known_is_told),  cmocka_unit_test(nothing_is_to_be_done),
        cmocka_unit_test(names_and_numbers),         cmocka_unit_test(others_cannot_change),
        cmocka_unit_test(root_is_given_up_for_good), cmocka_unit_test(nobody_gains_by_executing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
