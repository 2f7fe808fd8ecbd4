/* SPDX-License-Identifier: MIT
 *
 * postgres.c and postgres_uri.c: which URIs are refused before anything is opened, that the reason
 * gives no password away, and what of a URI may be shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
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
        "postgresql://u@@abstract,@other/d",
        "postgresql://u:p%40q%2Fr@h/a%40b?user=a@b",
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
        {"postgresql:///d?nosuch=secret", "query parameter"},
        {"postgresql://u:1?secret=2/3@h/d", "query parameter"},
        {"postgresql:///d?host", "separator"},
        {"postgresql://u:secret@[::1/d", "matching"},
        {"postgresql://u:secret%zz@h/d", "percent"},
        {"postgresql://u:secret@[::1]x/d", "unexpected character"},
        {"postgresql://u:12/secret@h/d", "%2F"},
        {"postgresql://u:12@secret@h/d", "%40"},
        {"postgresql://u:1?host=2/secret@h/d", "%40"},
        {"postgresql://a,b@secret@c/d", "%40"},
        {"postgresql:///?dbname=postgresql://u:secret@h/d", "database"},
        {"postgresql://h&password=secret", "%40"},
        {"postgresql://h/d&password=secret", "%40"},
        {"postgresql://h/d password=secret", "%40"},
        {"postgresql://h password=secret", "%40"},
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

/* "secret" is in none of them, and long ones are not cut in the wrong place. */
static void what_may_be_shown(void **state)
{
    static const struct {
        const char *uri, *shown;
    } cases[] = {
        {"postgresql://", "postgresql://"},
        {"postgresql://h/d", "postgresql://h/d"},
        {"postgresql://secret@h/d", "postgresql://h/d"},
        {"postgresql://u:secret@h:1/d", "postgresql://h:1/d"},
        {"postgres://u:secret@h/d", "postgresql://h/d"},
        {"postgresql://u:secret#secret@h:1/d", "postgresql://h:1/d"},
        {"postgresql://u:secret\"secret@h:1/d", "postgresql://h:1/d"},
        {"postgresql://u:secret secret@h:1/d", "postgresql://h:1/d"},
        {"postgresql://u:secret?x@h:1/d", "postgresql://h:1/d"},
        {"postgresql://u:secret%2Fsecret@h:1/d", "postgresql://h:1/d"},
        {"postgresql://h:1/d?password=secret&application_name=my app", "postgresql://h:1/d"},
        {"postgresql://h/d?sslpassword=secret#secret", "postgresql://h/d"},
        {"postgresql:///d?host=/tmp&password=secret", "postgresql:///d?host=/tmp"},
        {"postgresql://u:secret@%2Ftmp:2/d", "postgresql:///d?host=/tmp&port=2"},
        {"postgresql://u:secret@[::1]:1/d", "postgresql:///d?host=::1&port=1"},
        {"postgresql://u:secret@a:1,b:2/d", "postgresql:///d?host=a,b&port=1,2"},
    };
    char longest[3000], shown[512];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        db_postgres.show(cases[i].uri, shown, sizeof shown);
        assert_string_equal(shown, cases[i].shown);
    }
    snprintf(longest, sizeof longest, "postgresql://u:%0*d@h:1/d", 2000, 7);
    db_postgres.show(longest, shown, sizeof shown);
    assert_string_equal(shown, "postgresql://h:1/d");
    snprintf(longest, sizeof longest, "postgresql://h:1/%0*d", 2000, 7);
    db_postgres.show(longest, shown, sizeof shown);
    assert_int_equal(strlen(shown), sizeof shown - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(bad),
        cmocka_unit_test(what_may_be_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
