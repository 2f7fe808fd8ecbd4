/* SPDX-License-Identifier: MIT
 *
 * models/loop/contexts.c: which coroutine is taken next, how many are kept, and the line for one.
 */
#include "rig.h"
#include "tests/unit/aborts.h"

enum { KEPT = 16, MANY = 40 }; /* KEPT as in contexts.c */

static unsigned ended;

/* Is idle whenever it has no job, as in coro.c; ends when it is resumed without one. */
static void *run(void *arg)
{
    struct loop_context *x = arg;

    while (x->job != NULL) {
        x->job = NULL;
        loop_keep_context(x);
        if (coro_park(CORO_FOREVER) < 0)
            break;
    }
    loop_free_context(x);
    ended++;
    return NULL;
}

static struct loop_conn job;

static struct loop_context *use(struct loop_context *x)
{
    assert_non_null(x);
    x->job = &job;
    coro_resume_now(x->task);
    return x;
}

/* A test that runs as what the loop calls; then all that are idle end. */
typedef void test_in_loop(struct loop_process *p);
static test_in_loop *test;

static void on_time(struct coro_loop *loop, struct coro_timer *timer)
{
    struct rig *rig = timer->data;

    test(&rig->process);
    rig->process.idle = NULL;
    coro_loop_stop(loop, 1000);
}

static void run_in_loop(void **state, test_in_loop *body)
{
    struct rig *rig = *state;
    struct coro_timer timer;

    test = body;
    coro_timer_init(&timer, on_time, rig);
    coro_timer_start(rig->process.loop, &timer, 0, 0);
    assert_int_equal(coro_loop_run(rig->process.loop), 0);
}

static void take_two(struct loop_process *p)
{
    struct loop_context *first, *second;

    p->run = run;
    first = loop_take_context(p);
    second = loop_take_context(p);
    assert_ptr_not_equal(first, second);
    assert_int_equal(first->io.context, 1);
    assert_int_equal(second->io.context, 2);
    assert_ptr_equal(second->io.ops, &loop_io_ops);
    assert_ptr_equal(second->io.clock, p->loop_io.clock);
    assert_ptr_not_equal(second->io.in, first->io.in);
    use(first);
    use(second);
    assert_int_equal(p->idle_count, 2);
    assert_ptr_equal(loop_take_context(p), second);
    assert_ptr_equal(loop_take_context(p), first);
    assert_int_equal(p->idle_count, 0);
    use(first);
    use(second);
}

static void the_last_to_become_idle_is_the_first_taken(void **state)
{
    run_in_loop(state, take_two);
}

static void trim(struct loop_process *p)
{
    struct loop_context *all[MANY];

    p->run = run;
    for (unsigned i = 0; i < MANY; i++)
        all[i] = loop_take_context(p);
    for (unsigned i = 0; i < MANY; i++)
        use(all[i]);
    ended = 0;
    loop_trim_contexts(p); /* all were needed since the beginning */
    assert_int_equal(ended, 0);
    for (unsigned i = 0; i < 10; i++)
        all[i] = loop_take_context(p);
    for (unsigned i = 0; i < 10; i++)
        use(all[i]);
    loop_trim_contexts(p); /* ten were */
    assert_int_equal(ended, MANY - 10 - KEPT);
    assert_int_equal(p->idle_count, KEPT + 10);
    loop_trim_contexts(p);
    assert_int_equal(p->idle_count, KEPT);
    loop_trim_contexts(p);
    assert_int_equal(p->idle_count, KEPT);
}

static void who_was_idle_all_the_time_ends(void **state)
{
    run_in_loop(state, trim);
}

static void the_line_is_kept_in_order(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;
    struct loop_conn conns[3];

    p->stopping = true; /* nothing is said of a shortage */
    assert_null(loop_next_job(p));
    for (unsigned i = 0; i < 3; i++) {
        conns[i] = (struct loop_conn){.open = true};
        loop_enqueue(p, &conns[i]);
        assert_true(conns[i].queued);
    }
    assert_ptr_equal(loop_next_job(p), &conns[0]);
    assert_ptr_equal(loop_next_job(p), &conns[1]);
    loop_enqueue(p, &conns[0]);
    assert_false(conns[1].queued);
    assert_ptr_equal(loop_next_job(p), &conns[2]);
    assert_ptr_equal(loop_next_job(p), &conns[0]);
    assert_null(loop_next_job(p));
    loop_enqueue(p, &conns[1]);
    assert_ptr_equal(loop_next_job(p), &conns[1]);
}

static void nobody_stands_in_line_twice_or_serves_two(void **state)
{
    struct rig *rig = *state;
    struct loop_process *p = &rig->process;
    struct loop_conn conn = {.open = true, .conn.fd = 9};
    struct loop_context idle = {.job = &conn, .io.context = 7};

    p->stopping = true;
    p->worker = 3;
    loop_enqueue(p, &conn);
    assert_aborts("descriptor 9 is to stand in line in loop 3: open 1, served 0, in line 1",
                  loop_enqueue(p, &conn));
    assert_ptr_equal(loop_next_job(p), &conn);
    conn.busy = &idle;
    assert_aborts("open 1, served 1, in line 0", loop_enqueue(p, &conn));
    conn = (struct loop_conn){.conn.fd = 9};
    assert_aborts("open 0, served 0, in line 0", loop_enqueue(p, &conn));
    p->idle = &idle;
    assert_aborts("coroutine 7 of loop 3 is taken while it serves descriptor 9",
                  (void)loop_take_context(p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_last_to_become_idle_is_the_first_taken),
        RIG_TEST(who_was_idle_all_the_time_ends),
        RIG_TEST(the_line_is_kept_in_order),
        RIG_TEST(nobody_stands_in_line_twice_or_serves_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
