/* SPDX-License-Identifier: MIT
 *
 * The routes of the database, db.c, fortunes.c and cache.c with rows.c: which rows they ask for,
 * what they make of them, and what they answer when there is no database.
 */
#include "fake_db.h"
#include "serving.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/syscall.h>

static bool interrupted; /* signals come */

/* In place of the C library's: as getrandom(2) may be interrupted, in turn before it begins and
 * after 256 bytes. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
    static bool began;

    if (interrupted && length > 256) {
        began = !began;
        if (began) {
            errno = EINTR;
            return -1;
        }
        length = 256;
    }
    return syscall(SYS_getrandom, buffer, length, flags);
}

static void test_rows(void **state)
{
    static const size_t counts[] = {1, 2, 20, 500};
    struct fake fake;
    char target[32];

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        snprintf(target, sizeof target, "/updates?n=%zu", counts[i]);
        get(&fake, target);
        assert_int_equal(fake.status, 200);
        assert_string_equal(fake.type, "application/json");
        assert_int_equal(fake_db_count, counts[i]);
        for (size_t row = 0; row < fake_db_count; row++) {
            assert_in_range(fake_db_asked[row].id, 1, DB_ROWS);
            assert_in_range(fake_db_asked[row].number, 1, DB_ROWS);
            if (row > 0) /* sorted, none twice */
                assert_true(fake_db_asked[row].id > fake_db_asked[row - 1].id);
        }
        fake_term(&fake);
        snprintf(target, sizeof target, "/queries?n=%zu", counts[i]);
        get(&fake, target);
        assert_int_equal(fake.status, 200);
        assert_int_equal(fake_db_count, counts[i]);
        snprintf(target, sizeof target, "[{\"id\":%d,\"randomNumber\":%d}", fake_db_asked[0].id,
                 fake_db_asked[0].id);
        assert_memory_equal(fake.sent, target, strlen(target));
        fake_term(&fake);
    }
}

static void test_rows_between_signals(void **state)
{
    interrupted = true;
    test_rows(state);
    interrupted = false;
}

static void test_fortunes(void **state)
{
    struct fake fake;

    (void)state;
    get(&fake, "/fortunes");
    assert_int_equal(fake.status, 200);
    assert_string_equal(fake.type, "text/html; charset=utf-8");
    assert_string_equal(
        fake.sent, "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
                   "<tr><th>id</th><th>message</th></tr>"
                   "<tr><td>0</td><td>Additional fortune added at request time.</td></tr>"
                   "<tr><td>2</td><td>Z</td></tr><tr><td>4</td><td>a</td></tr>"
                   "<tr><td>1</td><td>b&lt;i&gt;</td></tr><tr><td>3</td><td>\xe3\x83\x95</td></tr>"
                   "</table></body></html>");
    fake_term(&fake);
}

static void test_no_database(void **state)
{
    static const char *const targets[] = {"/db", "/queries?n=2", "/updates?n=2", "/fortunes",
                                          "/cache?n=2"};
    static const struct {
        int error;
        unsigned status;
        const char *headers;
    } cases[] = {
        {-ECONNREFUSED, 503, "Retry-After: 1\n"},
        {-ETIMEDOUT, 503, "Retry-After: 1\n"},
        {-EAGAIN, 503, "Retry-After: 1\n"},
        {-ENOENT, 503, "Retry-After: 1\n"},
        {-ENODATA, 500, ""},
        {-EPROTO, 500, ""},
        {-EOPNOTSUPP, 404, ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t j = 0; j < COUNT(targets); j++) {
            struct fake fake;

            fake_db_error = cases[i].error;
            get(&fake, targets[j]);
            assert_int_equal(fake.status, cases[i].status);
            assert_string_equal(fake.headers, cases[i].headers);
            fake_term(&fake);
        }
    }
    for (size_t j = 0; j < COUNT(targets); j++) { /* given up: nothing is answered */
        struct fake fake;

        fake_db_error = -ECANCELED;
        fake_init(&fake, HTTP_METHOD_GET, "GET", targets[j], 1);
        assert_int_equal(serve(&fake), -ECANCELED);
        assert_int_equal(fake.status, 0);
        fake_term(&fake);
    }
    fake_db_error = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_between_signals),
        cmocka_unit_test(test_fortunes),
        cmocka_unit_test(test_no_database),
    };
    return cmocka_run_group_tests_name("handler/database", tests, NULL, NULL);
}
