/* SPDX-License-Identifier: MIT
 *
 * lookup.h: lists of hosts become lists of addresses, in step; names are found or not, in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "db/lookup.h"
#include "io.h"

enum { LONG_MS = 60000, THREADS = 4 };

static const struct io_ops ops; /* they block */

static int begin(void **state)
{
    *state = db_lookups_new();
    return *state == NULL;
}

static int end(void **state)
{
    db_lookups_free(*state);
    return 0;
}

static void lists(void **state)
{
    static const struct {
        const char *given, *given_ports, *hosts, *addresses, *ports;
    } cases[] = {
        {"127.0.0.1", NULL, "127.0.0.1", "127.0.0.1", ""},
        {"127.0.0.1", "7", "127.0.0.1", "127.0.0.1", "7"},
        {"::1", "7", "::1", "::1", "7"},
        {"", "7", "", "", "7"},
        {"/tmp/a", NULL, "/tmp/a", "", ""},
        {"@a/b,127.1.2.3,/c", "1,2,3", "@a/b,127.1.2.3,/c", ",127.1.2.3,", "1,2,3"},
        {"127.0.0.1,,127.0.0.2", "7", "127.0.0.1,,127.0.0.2", "127.0.0.1,,127.0.0.2", "7,7,7"},
        {"127.0.0.1,127.0.0.2", ",9", "127.0.0.1,127.0.0.2", "127.0.0.1,127.0.0.2", ",9"},
    };
    struct io io = {.ops = &ops};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct db_lookup_list list;
        const char *reason;

        assert_int_equal(db_lookup_list(*state, &io, cases[i].given, cases[i].given_ports,
                                        io_now_ms() + LONG_MS, &list, &reason),
                         0);
        assert_string_equal(list.hosts, cases[i].hosts);
        assert_string_equal(list.addresses, cases[i].addresses);
        assert_string_equal(list.ports, cases[i].ports);
    }
}

static void too_long(void **state)
{
    char host[10 * DB_LOOKUP_LIST], addresses[DB_LOOKUP_ADDRESSES];
    struct io io = {.ops = &ops};
    struct db_lookup_list list;
    const char *reason;

    memset(host, 'a', sizeof host);
    host[DB_LOOKUP_HOST] = '\0';
    assert_int_equal(db_lookup(*state, &io, host, io_now_ms() + LONG_MS, addresses, &reason),
                     -ENAMETOOLONG);
    for (size_t i = 0; i < sizeof host - 1; i++)
        host[i] = i % 2 == 0 ? '/' : ',';
    host[sizeof host - 1] = '\0';
    assert_int_equal(db_lookup_list(*state, &io, host, NULL, io_now_ms() + LONG_MS, &list, &reason),
                     -ENAMETOOLONG);
}

/* Each with an address of its own, which is among those of the machine itself. */
static void *ask(void *arg)
{
    struct io io = {.ops = &ops};
    char addresses[DB_LOOKUP_ADDRESSES] = "";
    const char *reason;

    for (int i = 0; i < 20; i++) {
        if (db_lookup(arg, &io, "localhost", io_now_ms() + LONG_MS, addresses, &reason) != 0 ||
            (strstr(addresses, "127.0.0.1") == NULL && strstr(addresses, "::1") == NULL))
            return arg;
        /* No time at all: what was begun ends by itself. */
        if (db_lookup(arg, &io, "localhost", io_now_ms() - 1, addresses, &reason) == -ECANCELED)
            return arg;
    }
    return NULL;
}

static void names(void **state)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists, begin, end),
        cmocka_unit_test_setup_teardown(too_long, begin, end),
        cmocka_unit_test_setup_teardown(names, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
