/* SPDX-License-Identifier: MIT
 *
 * postgres.c: which URIs are refused before anything is opened, and that the reason gives no
 * password away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "db/backend.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void good(void **state)
{
    static const char *const uris[] = {
        "postgresql://",
        "postgresql://h",
        "postgresql://h:5432/d",
        "postgresql://h:/d",
        "postgres://u:p@[::1]:1/d",
        "postgresql://a:1,b:2,c/d",
        "postgresql://%2Ftmp/d",
        "postgresql://world@/world?host=/tmp/a&port=65535",
        "postgresql:///d?host=a,b&port=5432",
        "postgresql://h/d?sslmode=require&connect_timeout=3&keepalives=0",
    };
    char reason[200];

    (void)state;
    for (size_t i = 0; i < COUNT(uris); i++)
        if (db_postgres.check(uris[i], reason, sizeof reason) != 0)
            fail_msg("%s: %s", uris[i], reason);
}

static void bad(void **state)
{
    static const struct {
        const char *uri, *about; /* "secret" is what may not be repeated */
    } cases[] = {
        {"postgresql://h:notaport/d", "port"},
        {"postgresql://user:secret/d", "port"},
        {"postgresql://h:0/d", "port"},
        {"postgresql://h:65536/d", "port"},
        {"postgresql://h:-1/d", "port"},
        {"postgresql://h:1:2/d", "port"},
        {"postgresql://h:12a/d", "port"},
        {"postgresql://a:1,b:x/d", "port"},
        {"postgresql:///d?port=x", "port"},
        {"postgresql:///d?host=a,b&port=1,2,3", "port"},
        {"postgresql:///d?connect_timeout=soon", "connect_timeout"},
        {"postgresql:///d?connect_timeout=", "connect_timeout"},
        {"postgresql:///d?keepalives_idle=9x", "keepalives_idle"},
        {"postgresql:///d?nosuch=secret", "\"nosuch\""},
        {"postgresql:///d?host", "="},
        {"postgresql://u:secret@[::1/d", "]"},
        {"postgresql://u:secret%zz@h/d", "percent"},
        {"postgresql://u:secret@[::1]x/d", "unexpected character"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char reason[200] = "";

        if (db_postgres.check(cases[i].uri, reason, sizeof reason) != -EINVAL)
            fail_msg("%s is accepted", cases[i].uri);
        if (strstr(reason, cases[i].about) == NULL || strstr(reason, "secret") != NULL ||
            strpbrk(reason, "\r\n") != NULL)
            fail_msg("%s: %s", cases[i].uri, reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
