// SPDX-License-Identifier: MIT
/* Stacks: guards, pooling, giving memory back, the high-water mark, the overflow report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/generator.h"
#include "coro/overflow.h"
#include "coro/sanitize.h"
#include "coro/stack.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)

/* As a C library that does this in user space: it writes where the kernel would have looked. */
ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
    (void)flags;
    memset(buffer, 4, length);
    return (ssize_t)length;
}

static size_t resident_pages(const struct coro_stack *s, size_t bytes)
{
    unsigned char map[64] = {0};
    size_t n = 0;
    assert_true(bytes / 4096 <= sizeof map);
    assert_int_equal(mincore(s->low, bytes, map), 0);
    for (size_t i = 0; i < bytes / 4096; i++)
        n += map[i] & 1;
    return n;
}

static void test_sizes(void **state)
{
    (void)state;
    struct coro_stack_pool *pool = coro_stack_pool_new(0, 0);
    assert_int_equal(coro_stack_pool_bytes(pool), CORO_STACK_DEFAULT);
    coro_stack_pool_free(pool);
    pool = coro_stack_pool_new(1, 0);
    assert_int_equal(coro_stack_pool_bytes(pool), CORO_STACK_MIN);
    coro_stack_pool_free(pool);
    pool = coro_stack_pool_new(8 * KIB * KIB, 0); /* larger than an arena */
    struct coro_stack *s = coro_stack_get(pool, "large");
    s->low[0] = s->low[8 * KIB * KIB - 1] = 1;
    coro_stack_put(pool, s);
    coro_stack_pool_free(pool);
    assert_null(coro_stack_pool_new((size_t)2 << 30, 0));
    assert_int_equal(errno, EINVAL);
}

static void test_last_in_first_out(void **state)
{
    (void)state;
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, 4);
    struct coro_stack *a = coro_stack_get(pool, "a"), *b = coro_stack_get(pool, "b");
    assert_ptr_not_equal(a, b);
    assert_int_equal(coro_stack_pool_live(pool), 2);
    coro_stack_put(pool, a);
    coro_stack_put(pool, b);
    assert_int_equal(coro_stack_pool_warm(pool), 2);
    assert_ptr_equal(coro_stack_get(pool, "c"), b);
    assert_ptr_equal(coro_stack_get(pool, "d"), a);
    coro_stack_pool_free(pool);
}

static void test_burst_is_given_back(void **state)
{
    (void)state;
    enum { N = 500, KEEP = 8 };
    struct coro_stack *s[N];
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, KEEP);
    for (int i = 0; i < N; i++) {
        s[i] = coro_stack_get(pool, "burst");
        assert_non_null(s[i]);
        memset(s[i]->low + 60 * KIB, 1, 4 * KIB);
    }
    for (int i = 0; i < N / 2; i++)
        coro_stack_put(pool, s[i]);
    assert_int_equal(coro_stack_pool_warm(pool), N / 2); /* as many as are in use stay warm */
    for (int i = N / 2; i < N; i++)
        coro_stack_put(pool, s[i]);
    assert_int_equal(coro_stack_pool_warm(pool), KEEP);
    assert_int_equal(coro_stack_pool_live(pool), 0);
    for (int i = 0; i < N; i++) { /* those that had been given back are clean again */
        s[i] = coro_stack_get(pool, "again");
        assert_int_equal(s[i]->low[60 * KIB], i < KEEP);
        assert_true(resident_pages(s[i], 64 * KIB) <= 1);
    }
    coro_stack_pool_free(pool);
}

static void test_peak(void **state)
{
    (void)state;
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, 4);
    struct coro_stack *s = coro_stack_get(pool, "peak");
    if (RUNNING_ON_VALGRIND)
        skip();
    assert_int_equal(coro_stack_pool_peak(pool), 0);
    memset(s->low + 64 * KIB - 5000, 1, 5000);
    assert_int_equal(coro_stack_pool_peak(pool), 5000); /* while in use */
    memset(s->low + 64 * KIB - 9000, 1, 8);
    coro_stack_put(pool, s);
    assert_int_equal(coro_stack_pool_peak(pool), 9000); /* seen when it was returned */
    coro_stack_pool_free(pool);
}

static void test_guard_is_found(void **state)
{
    (void)state;
    size_t bytes = 0;
    struct coro_stack_pool *pool = coro_stack_pool_new(64 * KIB, 4);
    struct coro_stack *a = coro_stack_get(pool, "a"), *b = coro_stack_get(pool, "b");
    assert_ptr_equal(coro_stack_of_guard((uintptr_t)a->low - 1, &bytes), a);
    assert_ptr_equal(coro_stack_of_guard((uintptr_t)b->low - 4096, &bytes), b);
    assert_int_equal(bytes, 64 * KIB);
    assert_null(coro_stack_of_guard((uintptr_t)a->low, &bytes));
    assert_null(coro_stack_of_guard((uintptr_t)&bytes, &bytes));
    coro_stack_put(pool, b);
    assert_null(coro_stack_of_guard((uintptr_t)b->low - 1, &bytes)); /* nobody's */
    coro_stack_pool_free(pool);
}

/* ---- the report ---- */

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
    pthread_attr_setstacksize(&attr, 256 * KIB);
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
    assert_int_equal(pipe(p), 0);
    pid_t pid = fork();
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
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void test_overflow_report(void **state)
{
    (void)state;
    char text[4096];
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
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_last_in_first_out),
        cmocka_unit_test(test_burst_is_given_back),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_guard_is_found),
        cmocka_unit_test(test_overflow_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
