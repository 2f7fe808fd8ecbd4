/* SPDX-License-Identifier: MIT
 *
 * What must hold: a program that breaks it ends by SIGABRT, and the line says whose state it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/coro.h"
#include "coro/expect.h"
#include "coro/generator.h"
#include "tests/unit/coro/tasks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void *returns(void *arg)
{
    return arg;
}

static void *frees_itself(void *arg)
{
    coro_gen_free(coro_gen_self());
    return arg;
}

static void free_a_running_generator(void)
{
    coro_send(coro_gen_new(NULL, frees_itself, NULL, "own"), NULL, NULL);
}

static void give_a_stack_back_twice(void)
{
    struct coro_stack_pool *pool = coro_stack_pool_new(0, 1);
    struct coro_stack *stack = coro_stack_get(pool, "twice");

    coro_stack_put(pool, stack);
    coro_stack_put(pool, stack);
}

static void release_a_task_that_is_alive(void)
{
    struct coro_task *task = coro_spawn(coro_loop_new(NULL), returns, NULL, "early");

    coro_task_unref(task); /* the loop's reference */
}

static void end_a_task_twice(void)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    struct coro_task *task = coro_spawn(loop, returns, NULL, "ended");

    coro_task_ref(task);
    if (coro_loop_run(loop) == -EDEADLK)
        coro_task_ended(task);
}

static struct coro *back;

static void ends(void *arg)
{
    struct coro *self = arg;

    coro_arrived(self);
    coro_leave_for_good(self, back, NULL);
}

static void resume_what_has_ended(void)
{
    struct coro_stack_pool *pool = coro_stack_pool_new(0, 1);
    static struct coro c;

    back = coro_running();
    coro_init(&c, coro_stack_get(pool, "ended"), coro_stack_pool_bytes(pool), ends, &c);
    (void)coro_switch(back, &c, NULL);
    (void)coro_switch(back, &c, NULL);
}

static void hold_what_holds(void)
{
    coro_expect(true, "nobody", "never");
    raise(SIGABRT);
}

/* Ends a child by `fault`; what it wrote to standard error. */
static void last_words(void (*fault)(void), char *text, size_t size)
{
    const struct rlimit none = {0, 0};
    int ends[2], status;
    size_t got = 0;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        fault();
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t n; got < size - 1 && (n = read(ends[0], text + got, size - 1 - got)) > 0;)
        got += (size_t)n;
    text[got] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_each_says_whose_and_what(void **state)
{
    const struct {
        void (*fault)(void);
        const char *words;
    } faults[] = {
        {free_a_running_generator, "coroutine own: freed while it runs\n"},
        {give_a_stack_back_twice, "coroutine unnamed: its stack is given back a second time\n"},
        {release_a_task_that_is_alive, "coroutine early: freed before it has ended\n"},
        {end_a_task_twice, "coroutine ended: ended a second time\n"},
        {resume_what_has_ended, "coroutine unnamed: resumed though it has ended\n"},
        {hold_what_holds, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char text[256];

        last_words(faults[i].fault, text, sizeof text);
        assert_string_equal(text, faults[i].words);
    }
}

static void break_it_where_nobody_reads(void)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK) < 0)
        _exit(0);
    while (write(ends[1], "x", 1) == 1)
        ;
    fcntl(ends[1], F_SETFL, 0);
    dup2(ends[1], STDERR_FILENO);
    alarm(10); /* instead of waiting for ever */
    coro_expect(false, "nobody", "unread");
}

static void test_a_reader_that_stands_still_holds_nothing_up(void **state)
{
    char text[16];

    (void)state;
    last_words(break_it_where_nobody_reads, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_says_whose_and_what),
        cmocka_unit_test(test_a_reader_that_stands_still_holds_nothing_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
