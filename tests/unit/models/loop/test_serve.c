/* SPDX-License-Identifier: MIT
 *
 * models/loop/serve.c: a connection is served by a coroutine of the pool and put back; where there
 * is none it stands in line.
 */
#include "rig.h"

#include "http/connection.h"

static struct loop_conn *put;
static enum conn_next put_next;
static unsigned put_count;

static void note_put(struct loop_process *p, struct loop_conn *c, enum conn_next next)
{
    (void)p;
    put = c;
    put_next = next;
    put_count++;
    c->busy = NULL;
}

/* Connections whose clients have gone, or say nothing. */
static struct loop_conn conns[2];

static struct loop_conn *open_conn(struct rig *rig, struct loop_conn *c, bool gone)
{
    struct in6_addr client;
    int fd;

    rig_connect(rig, 1);
    fd = listen_accept(rig->server.listen_fd, &client);
    assert_true(fd >= 0);
    rig->admitted[rig->count++] = fd;
    *c = (struct loop_conn){.open = true};
    connection_init(&c->conn, fd, &client, rig->process.spill, &rig->config);
    if (gone)
        assert_int_equal(shutdown(rig->clients[rig->client_count - 1], SHUT_WR), 0);
    return c;
}

/* A test that runs as what the loop calls; then all that are idle end. */
typedef void test_in_loop(struct rig *rig);
static test_in_loop *test;

static void on_time(struct coro_loop *loop, struct coro_timer *timer)
{
    struct rig *rig = timer->data;

    (void)loop;
    test(rig);
    loop_stop(&rig->process, 1000);
}

static void run_in_loop(void **state, test_in_loop *body)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;
    struct coro_timer timer;

    p->run = loop_run_context;
    p->put_back = note_put;
    put_count = 0;
    test = body;
    coro_timer_init(&timer, on_time, rig);
    coro_timer_start(p->loop, &timer, 0, 0);
    assert_int_equal(coro_loop_run(p->loop), 0);
}

static void serve(struct rig *rig)
{
    struct loop_process *p = &rig->process;

    loop_serve(p, open_conn(rig, &conns[0], true));
    assert_ptr_equal(put, &conns[0]);
    assert_int_equal(put_next, CONN_CLOSE);
    assert_int_equal(p->idle_count, 1);
    loop_serve(p, open_conn(rig, &conns[1], false));
    assert_ptr_equal(put, &conns[1]);
    assert_int_equal(put_next, CONN_PARK);
    assert_int_equal(p->idle_count, 1); /* it was the same */
    assert_int_equal(p->contexts, 1);
    assert_int_equal(atomic_load(&p->server->shared->contexts), 0);
}

static void it_is_served_and_put_back(void **state)
{
    run_in_loop(state, serve);
}

static void keep(struct rig *rig)
{
    struct loop_process *p = &rig->process;

    p->keeps = true;
    loop_serve(p, open_conn(rig, &conns[0], false));
    assert_non_null(conns[0].keeper);
    assert_int_equal(p->idle_count, 0);
    loop_serve(p, &conns[0]);
    assert_int_equal(p->contexts, 1);
    loop_let_go(p, &conns[0]);
    assert_int_equal(p->idle_count, 1);
}

static void one_that_keeps_its_coroutine_is_served_by_that(void **state)
{
    run_in_loop(state, keep);
}

static void anew(struct rig *rig)
{
    struct loop_process *p = &rig->process;

    p->anew = true;
    for (unsigned i = 0; i < 2; i++)
        loop_serve(p, open_conn(rig, &conns[i], true));
    assert_int_equal(put_count, 2);
    assert_int_equal(p->contexts, 2);
    assert_int_equal(coro_loop_tasks(p->loop), 0);
    p->keeps = true;
    loop_serve(p, open_conn(rig, &conns[0], false));
    loop_serve(p, &conns[0]);
    assert_int_equal(p->contexts, 3);
    loop_let_go(p, &conns[0]); /* and if it does not end, the loop does not */
    assert_int_equal(p->idle_count, 0);
}

static void with_no_pool_each_is_new_and_ends(void **state)
{
    run_in_loop(state, anew);
}

static void set_aside(struct rig *rig)
{
    struct loop_process *p = &rig->process;

    loop_keep_context(loop_new_context(p));
    loop_serve(p, open_conn(rig, &conns[0], true));
    assert_ptr_equal(put, &conns[0]);
    assert_int_equal(p->contexts, 1);
    loop_keep_context(loop_new_context(p)); /* this one has not begun when the loop stops */
}

static void one_that_was_set_aside_serves(void **state)
{
    run_in_loop(state, set_aside);
}

static void stand_in_line(struct rig *rig)
{
    struct loop_process *p = &rig->process;

    p->stopping = true;
    loop_serve(p, open_conn(rig, &conns[0], true));
    loop_serve(p, open_conn(rig, &conns[1], true));
    assert_true(conns[0].queued && conns[1].queued);
    loop_serve_queue(p);
    assert_int_equal(put_count, 0);
    p->stopping = false;
    loop_serve_queue(p);
    assert_int_equal(put_count, 2);
    assert_int_equal(p->contexts, 1); /* who is done takes the next in line */
    assert_null(p->queue);
}

static void those_in_line_are_served_when_there_is_one(void **state)
{
    run_in_loop(state, stand_in_line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(it_is_served_and_put_back),
        RIG_TEST(one_that_keeps_its_coroutine_is_served_by_that),
        RIG_TEST(with_no_pool_each_is_new_and_ends),
        RIG_TEST(one_that_was_set_aside_serves),
        RIG_TEST(those_in_line_are_served_when_there_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
