/* SPDX-License-Identifier: MIT
 *
 * crowd.h: of the connections that are offered those are kept that are idle and nearest to their
 * end, as many as are wanted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "http/crowd.h"

enum { OFFERS = 200 };

static struct server_shared *shared;
static struct server server;

static int begin(void **state)
{
    size_t size = sizeof *shared + alignof(struct server_shared);

    (void)state;
    shared = aligned_alloc(alignof(struct server_shared),
                           size / alignof(struct server_shared) * alignof(struct server_shared));
    assert_non_null(shared);
    server.shared = shared;
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(shared);
    return 0;
}

static void offer(struct crowd *crowd, int fd, int64_t deadline_ms, enum conn_phase phase)
{
    struct conn conn = {.fd = fd, .phase = (uint8_t)phase, .deadline_ms = deadline_ms};

    crowd_offer(crowd, &conn, fd);
}

static void the_first_to_end_are_kept_in_order(void **state)
{
    static const int32_t wanted[] = {-1, 0, 1, 2, 7, CROWD_MOST, CROWD_MOST + 1, OFFERS * 2};

    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        unsigned most = wanted[i] < 0 ? 0 : (unsigned)wanted[i];
        struct crowd crowd;

        if (most > CROWD_MOST)
            most = CROWD_MOST;
        atomic_store(&shared->places_of_idle, wanted[i]);
        crowd_begin(&crowd, &server);
        for (int fd = 0; fd < OFFERS; fd++)
            offer(&crowd, fd, 1000 + fd * 77 % OFFERS, CONN_IDLE); /* each deadline once */
        assert_int_equal(crowd.count, most);
        for (unsigned k = 0; k < most; k++) {
            assert_int_equal(crowd.idle[k].deadline_ms, 1000 + k);
            assert_int_equal(1000 + crowd.idle[k].fd * 77 % OFFERS, crowd.idle[k].deadline_ms);
        }
    }
}

static void only_idle_ones_are_kept(void **state)
{
    struct crowd crowd;

    (void)state;
    atomic_store(&shared->places_of_idle, 10);
    crowd_begin(&crowd, &server);
    offer(&crowd, 3, 1, CONN_HEAD);
    offer(&crowd, 4, 2, CONN_MORE);
    offer(&crowd, 5, 3, CONN_IDLE);
    offer(&crowd, 6, 4, CONN_LINGER);
    offer(&crowd, 7, 5, CONN_ENDING);
    assert_int_equal(crowd.count, 1);
    assert_int_equal(crowd.idle[0].fd, 5);
}

static void a_place_is_given_once(void **state)
{
    (void)state;
    atomic_store(&shared->places_of_idle, 2);
    assert_true(shared_give_place(&shared->places_of_idle));
    assert_true(shared_give_place(&shared->places_of_idle));
    assert_false(shared_give_place(&shared->places_of_idle));
    assert_int_equal(atomic_load(&shared->places_of_idle), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_to_end_are_kept_in_order),
        cmocka_unit_test(only_idle_ones_are_kept),
        cmocka_unit_test(a_place_is_given_once),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
