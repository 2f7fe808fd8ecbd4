/* SPDX-License-Identifier: MIT
 *
 * The overflow report: whose stack it was, in a coroutine, a thread and a process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/generator.h"
#include "coro/overflow.h"
#include "coro/sanitize.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int for_ever = 1; /* so that no compiler sees what is meant */

static int __attribute__((noinline)) recurse(volatile char *above)
{
    volatile char frame[512];

    frame[0] = above != NULL ? *above : 0;
    if (!for_ever)
        return frame[0];
    return recurse(frame) + frame[0];
}

static void *runaway(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)recurse(NULL);
}

static void overflow_in_coroutine(void)
{
    struct coro_gen *g = coro_gen_new(NULL, runaway, NULL, "runaway");

    coro_send(g, NULL, NULL);
}

static void overflow_in_process(void)
{
    if (coro_overflow_register_self("process 7") == 0)
        recurse(NULL);
}

static void *thread_main(void *arg)
{
    if (coro_overflow_report_install() == 0 && coro_overflow_register_self("thread 3") == 0)
        runaway(arg);
    return NULL;
}

static void overflow_in_thread(void)
{
    pthread_attr_t attr;
    pthread_t id;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    pthread_create(&id, &attr, thread_main, NULL);
    pthread_join(id, NULL);
}

static void no_overflow(void)
{
    volatile char *volatile nowhere = (volatile char *)16;

    *nowhere = 1;
}

/* Runs `crash` in a child and returns what it wrote to standard error (an emulator may add lines
 * of its own); it must end by SIGSEGV. */
static void crash_report(void (*crash)(void), char *text, size_t size)
{
    int p[2];
    size_t got = 0;
    pid_t pid;
    int status;

    assert_int_equal(pipe(p), 0);
    pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        dup2(p[1], STDERR_FILENO);
        for (int i = 0; i < 2; i++) { /* a second time changes nothing */
            if (coro_overflow_report_install() != 0)
                _exit(1);
        }
        crash();
        _exit(0);
    }
    close(p[1]);
    for (ssize_t n; got < size - 1 && (n = read(p[0], text + got, size - 1 - got)) > 0;)
        got += (size_t)n;
    text[got] = '\0';
    close(p[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_overflow_report(void **state)
{
    char text[4096];

    (void)state;
    if (RUNNING_ON_VALGRIND) /* handles the fault itself */
        skip();
    crash_report(overflow_in_coroutine, text, sizeof text);
    assert_non_null(
        strstr(text, "stack overflow in coroutine runaway, whose stack has 65536 bytes\n"));
    crash_report(no_overflow, text, sizeof text);
    assert_null(strstr(text, "stack overflow"));
    crash_report(overflow_in_thread, text, sizeof text);
    assert_non_null(strstr(text, "stack overflow in thread 3, whose stack has "));
    crash_report(overflow_in_process, text, sizeof text);
    assert_non_null(strstr(text, "stack overflow in process 7, whose stack has "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overflow_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
