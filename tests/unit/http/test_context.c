/* SPDX-License-Identifier: MIT
 *
 * src/http/context.h: what a worker's io is made of, and that a master's never waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "http.h"
#include "http/context.h"
#include "server.h"

static const struct config config = {.max_header = 4096};
static struct server server = {.config = &config};

static int begin(void **state)
{
    (void)state;
    server.shared = shared_new();
    return server.shared == NULL;
}

static int end(void **state)
{
    (void)state;
    shared_free(server.shared);
    return 0;
}

static void a_context_is_its_workers(void **state)
{
    static const struct io_ops ops;
    struct io io;

    (void)state;
    assert_int_equal(context_init(&io, &ops, &server, 3), 0);
    assert_ptr_equal(io.ops, &ops);
    assert_ptr_equal(io.stats, &server.shared->workers[3]);
    assert_int_equal(io.worker, 3);
    assert_int_equal(io.context, 4);
    assert_non_null(io.clock);
    assert_true(io.in_size >= config.max_header && io.out_size == HTTP_OUT_SIZE);
    io.in[io.in_size - 1] = io.out[io.out_size - 1] = 'x';
    context_term(&io);
    context_term(&io);
}

static void the_master_never_waits(void **state)
{
    struct io io;
    int ends[2];

    (void)state;
    assert_return_code(pipe(ends), errno);
    assert_int_equal(context_init(&io, &context_never_waits, &server, SHARED_MASTER), 0);
    assert_ptr_equal(io.stats, &server.shared->master);
    assert_int_equal(io_wait(&io, ends[1], IO_WRITE, IO_FOREVER), -ETIMEDOUT);
    assert_int_equal(io_wait_client(&io, ends[0], IO_READ, IO_FOREVER, 0), -ETIMEDOUT);
    assert_int_equal(io_sleep(&io, 1000000), -ECANCELED);
    assert_int_equal(io_suspend(&io, IO_FOREVER), -ETIMEDOUT);
    context_term(&io);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_context_is_its_workers, begin, end),
        cmocka_unit_test_setup_teardown(the_master_never_waits, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
