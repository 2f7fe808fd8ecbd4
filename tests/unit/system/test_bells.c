/* SPDX-License-Identifier: MIT
 *
 * bells.h: each bell has one holder, a ring stays until it is heard, and neither ever waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "system/bells.h"
#include "system/kept.h"

static struct bells bells;

static int begin(void **state)
{
    (void)state;
    bells = (struct bells){0};
    return bells_init(&bells);
}

static int end(void **state)
{
    (void)state;
    bells_term(&bells);
    return 0;
}

static bool rings(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static void each_has_one_holder(void **state)
{
    int fds[BELLS_COUNT];

    (void)state;
    for (uint32_t who = 0; who < BELLS_COUNT; who++) {
        fds[who] = bells_take(&bells, who);
        assert_true(fds[who] > 0);
        for (uint32_t other = 0; other < who; other++)
            assert_int_not_equal(fds[who], fds[other]);
    }
    assert_int_equal(bells_take(&bells, 1000), 0);
    bells_give(&bells, 1000); /* who has none gives none */
    assert_int_equal(bells_take(&bells, 1000), 0);
    bells_give(&bells, 5);
    assert_int_equal(bells_take(&bells, 1000), fds[5]);
    assert_int_equal(bells_take(&bells, 1001), 0);
}

static void a_ring_stays_until_it_is_heard(void **state)
{
    int fd = bells_take(&bells, 0), other = bells_take(&bells, 1);

    (void)state;
    assert_false(rings(fd));
    bell_ring(fd);
    bell_ring(fd);
    assert_true(rings(fd));
    assert_false(rings(other));
    bells_give(&bells, 0); /* the next holder may find an old ring */
    assert_int_equal(bells_take(&bells, 2), fd);
    assert_true(rings(fd));
    bell_heard(fd);
    assert_false(rings(fd));
    bell_heard(fd); /* does not wait for one */
}

static void nobody_is_no_bell(void **state)
{
    int fd = bells_take(&bells, 0), input = dup(STDIN_FILENO);

    (void)state;
    assert_int_equal(dup2(fd, 0), 0);
    bell_ring(0);
    assert_int_equal(dup2(input, 0), 0);
    assert_false(rings(fd));
    close(input);
}

static void every_descriptor_is_kept(void **state)
{
    struct kept kept = {.count = 0};

    (void)state;
    bells_keep(&bells, &kept);
    assert_int_equal(kept.count, BELLS_COUNT);
    for (uint32_t who = 0; who < BELLS_COUNT; who++)
        assert_true(kept_has(&kept, bells_take(&bells, who)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_has_one_holder, begin, end),
        cmocka_unit_test_setup_teardown(a_ring_stays_until_it_is_heard, begin, end),
        cmocka_unit_test_setup_teardown(nobody_is_no_bell, begin, end),
        cmocka_unit_test_setup_teardown(every_descriptor_is_kept, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
