/* SPDX-License-Identifier: MIT
 *
 * Generators: the header's table cell by cell, delegation, nesting, use in threads.
 * No loop here, so that all of it also runs where libev is not at hand (tests/aarch64).
 *
 * `test_generator --table` prints what every call does in every state, for several kinds of
 * body; tests/test_generator_cpython.py prints the same from Python's generators and compares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/generator.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THROWN = -1000, OTHER = -1001 };

static const struct coro_error thrown = {THROWN, "thrown"};

/* ---- the body that the table is about ---- */

struct subject {
    const char *kind;
    struct coro_gen *gen;   /* itself, for calls while it runs */
    const char *self_call;  /* what to do to itself at the beginning; NULL: nothing */
    struct coro_gen *inner; /* of a proxy */
    char log[256];
};

static void note(struct subject *s, const char *what)
{
    strncat(s->log, " ", sizeof s->log - strlen(s->log) - 1);
    strncat(s->log, what, sizeof s->log - strlen(s->log) - 1);
}

static void describe(char *text, size_t size, struct coro_gen *g, const char *call);

static void *body(void *arg)
{
    struct subject *s = arg;
    char text[64];

    note(s, "begin");
    if (s->self_call != NULL) {
        describe(text, sizeof text, s->gen, s->self_call);
        note(s, text);
    }
    for (;;) {
        void *got;
        int rc = coro_yield("y", &got);

        if (rc == 0) {
            note(s, got != NULL ? got : "None");
            if (got != NULL && strcmp(got, "stop") == 0)
                return "r";
        } else if (rc == THROWN) {
            note(s, "thrown");
            if (strcmp(s->kind, "catch") != 0)
                return coro_raise_again();
        } else {
            note(s, "exit");
            if (strcmp(s->kind, "other") == 0)
                return coro_raise((struct coro_error){OTHER, "other"});
            if (strcmp(s->kind, "return") == 0)
                return "r";
            if (strcmp(s->kind, "ignore") != 0)
                return coro_raise_again();
        }
    }
}

static void *proxy(void *arg)
{
    struct subject *s = arg;
    void *result;

    note(s, "proxy");
    if (coro_yield_from(s->inner, &result) != 0)
        return coro_raise_again();
    note(s, "proxied");
    return result;
}

/* ---- outcomes as words, the same for C and Python ---- */

static const char *error_name(int code)
{
    switch (code) {
    case -EINVAL:
        return "TypeError";
    case -EBUSY:
        return "ValueError";
    case -EPROTO:
        return "RuntimeError";
    case THROWN:
        return "Thrown";
    case OTHER:
        return "Other";
    default:
        return "?";
    }
}

/* Does `call` to g and writes what came of it. */
static void describe(char *text, size_t size, struct coro_gen *g, const char *call)
{
    void *out = "unset";
    enum coro_status status;

    if (strcmp(call, "close") == 0) {
        int rc = coro_close(g);

        if (rc == 0)
            snprintf(text, size, "closed");
        else
            snprintf(text, size, "failed:%s", error_name(rc));
        return;
    }
    if (strcmp(call, "throw") == 0)
        status = coro_throw(g, thrown, &out);
    else
        status = coro_send(g, strcmp(call, "next") == 0 ? NULL : (void *)(uintptr_t)call, &out);
    if (status == CORO_FAILED)
        snprintf(text, size, "failed:%s", error_name(coro_gen_error(g).code));
    else
        snprintf(text, size, "%s:%s", status == CORO_YIELDED ? "yielded" : "returned",
                 out != NULL ? (char *)out : "None");
}

static const char *const states[] = {"CREATED", "RUNNING", "SUSPENDED", "CLOSED"};
static const char *const calls[] = {"next", "v", "stop", "throw", "close"};
static const char *const kinds[] = {"plain", "catch", "ignore", "other", "return"};
enum { STATES = 4, CALLS = 5, KINDS = 5 };

/* One cell: brings a generator into a state, does the call, writes outcome, state and log. */
static void cell(char *line, size_t size, int delegated, const char *kind, int state,
                 const char *call)
{
    struct subject s = {.kind = kind}, outer = {.kind = kind};
    struct coro_gen *g = coro_gen_new(NULL, body, &s, "body"), *inner = NULL;
    char text[64] = "";

    s.gen = g;
    if (delegated) {
        inner = g;
        outer.inner = inner;
        g = coro_gen_new(NULL, proxy, &outer, "proxy");
        s.gen = g;
    }
    if (state == CORO_GEN_RUNNING)
        s.self_call = call;
    if (state != CORO_GEN_CREATED)
        coro_send(g, NULL, NULL);
    if (state == CORO_GEN_CLOSED)
        coro_send(g, "stop", NULL);
    if (state != CORO_GEN_RUNNING) {
        s.log[0] = '\0';
        outer.log[0] = '\0';
        describe(text, sizeof text, g, call);
    }
    snprintf(line, size, "%s %s %s %s: %s %s%s%s", delegated ? "delegated" : "direct", kind,
             states[state], call, text, states[coro_gen_state(g)], outer.log, s.log);
    coro_gen_free(g);
    coro_gen_free(inner);
}

static void print_table(void)
{
    char line[512];

    for (int delegated = 0; delegated < 2; delegated++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int state = 0; state < STATES; state++)
                for (int call = 0; call < CALLS; call++) {
                    cell(line, sizeof line, delegated, kinds[kind], state, calls[call]);
                    puts(line);
                }
}

static void assert_cell(const char *kind, int state, const char *call, const char *expected)
{
    char line[512];

    cell(line, sizeof line, 0, kind, state, call);
    assert_string_equal(strchr(line, ':') + 2, expected);
}

/* The same of a generator that delegates to the subject, and is SUSPENDED in it. */
static void assert_delegated(const char *kind, const char *call, const char *expected)
{
    char line[512];

    cell(line, sizeof line, 1, kind, CORO_GEN_SUSPENDED, call);
    assert_string_equal(strchr(line, ':') + 2, expected);
}

/* ---- a test per cell ---- */

static void test_created(void **state)
{
    (void)state;
    assert_cell("plain", CORO_GEN_CREATED, "next", "yielded:y SUSPENDED begin");
    assert_cell("plain", CORO_GEN_CREATED, "v", "failed:TypeError CREATED");
    assert_cell("plain", CORO_GEN_CREATED, "throw", "failed:Thrown CLOSED");
    assert_cell("plain", CORO_GEN_CREATED, "close", "closed CLOSED");
}

static void test_running(void **state)
{
    (void)state;
    assert_cell("plain", CORO_GEN_RUNNING, "next", " SUSPENDED begin failed:ValueError");
    assert_cell("plain", CORO_GEN_RUNNING, "v", " SUSPENDED begin failed:ValueError");
    assert_cell("plain", CORO_GEN_RUNNING, "throw", " SUSPENDED begin failed:ValueError");
    assert_cell("plain", CORO_GEN_RUNNING, "close", " SUSPENDED begin failed:ValueError");
}

static void test_suspended(void **state)
{
    (void)state;
    assert_cell("plain", CORO_GEN_SUSPENDED, "next", "yielded:y SUSPENDED None");
    assert_cell("plain", CORO_GEN_SUSPENDED, "v", "yielded:y SUSPENDED v");
    assert_cell("plain", CORO_GEN_SUSPENDED, "stop", "returned:r CLOSED stop");
    assert_cell("plain", CORO_GEN_SUSPENDED, "throw", "failed:Thrown CLOSED thrown");
    assert_cell("catch", CORO_GEN_SUSPENDED, "throw", "yielded:y SUSPENDED thrown");
    assert_cell("plain", CORO_GEN_SUSPENDED, "close", "closed CLOSED exit");
    assert_cell("return", CORO_GEN_SUSPENDED, "close", "closed CLOSED exit");
    assert_cell("ignore", CORO_GEN_SUSPENDED, "close", "failed:RuntimeError SUSPENDED exit");
    assert_cell("other", CORO_GEN_SUSPENDED, "close", "failed:Other CLOSED exit");
}

static void test_closed(void **state)
{
    (void)state;
    assert_cell("plain", CORO_GEN_CLOSED, "next", "returned:None CLOSED");
    assert_cell("plain", CORO_GEN_CLOSED, "v", "returned:None CLOSED");
    assert_cell("plain", CORO_GEN_CLOSED, "throw", "failed:Thrown CLOSED");
    assert_cell("plain", CORO_GEN_CLOSED, "close", "closed CLOSED");
}

static void test_delegated(void **state)
{
    (void)state;
    assert_delegated("plain", "next", "yielded:y SUSPENDED None");
    assert_delegated("plain", "v", "yielded:y SUSPENDED v");
    assert_delegated("plain", "stop", "returned:r CLOSED proxied stop");
    assert_delegated("plain", "throw", "failed:Thrown CLOSED thrown");
    assert_delegated("catch", "throw", "yielded:y SUSPENDED thrown");
    assert_delegated("plain", "close", "closed CLOSED exit");
    assert_delegated("ignore", "close", "failed:RuntimeError CLOSED exit");
    assert_delegated("other", "close", "failed:Other CLOSED exit");
}

/* ---- depth, errors and their messages ---- */

static void *count_down(void *arg)
{
    uintptr_t n = (uintptr_t)arg;
    struct coro_gen *inner;

    if (n == 0) {
        for (uintptr_t i = 1;; i++) {
            int rc = coro_yield((void *)i, NULL);

            if (rc != 0)
                return coro_raise_again();
        }
    }
    inner = coro_gen_new(NULL, count_down, (void *)(n - 1), "inner");
    assert_non_null(inner);
    if (coro_yield_from(inner, NULL) != 0)
        coro_raise_again();
    coro_gen_free(inner);
    return NULL;
}

static void test_deep_delegation(void **state)
{
    void *out;
    struct coro_gen *g = coro_gen_new(NULL, count_down, (void *)20, "deep");

    (void)state;
    for (uintptr_t i = 1; i <= 100; i++) {
        assert_int_equal(coro_send(g, NULL, &out), CORO_YIELDED);
        assert_int_equal((uintptr_t)out, i);
    }
    assert_int_equal(coro_throw(g, thrown, &out), CORO_FAILED);
    assert_null(out);
    assert_int_equal(coro_gen_error(g).code, THROWN);
    assert_string_equal(coro_gen_error(g).message, "thrown"); /* through 20 levels */
    coro_gen_free(g);
}

static void *yields_in_helper(void *arg);

static int helper(int depth)
{
    volatile char frame[200];
    void *got;

    frame[0] = (char)depth;
    if (depth > 0)
        return helper(depth - 1) + frame[0] * 0;
    return coro_yield("deep", &got) == 0 ? *(int *)got : -1;
}

static void *yields_in_helper(void *arg)
{
    *(int *)arg = helper(50);
    return NULL;
}

static void test_yield_from_called_function(void **state)
{
    int got = 0, seven = 7;
    struct coro_gen *g = coro_gen_new(NULL, yields_in_helper, &got, "helper");

    (void)state;
    assert_int_equal(coro_send(g, NULL, NULL), CORO_YIELDED);
    assert_int_equal(coro_send(g, &seven, NULL), CORO_RETURNED);
    assert_int_equal(got, 7);
    coro_gen_free(g);
}

static void *keeps_double(void *arg)
{
    double total = 0;

    for (int i = 0; i < 100; i++) {
        total += 0.25 * i;
        if (coro_yield(arg, NULL) != 0)
            return NULL;
    }
    *(double *)arg = total;
    return arg;
}

static void test_registers_survive(void **state)
{
    double a = 0, b = 0, mine = 1;
    struct coro_gen *g = coro_gen_new(NULL, keeps_double, &a, "a");
    struct coro_gen *h = coro_gen_new(NULL, keeps_double, &b, "b");

    (void)state;
    while (coro_send(g, NULL, NULL) == CORO_YIELDED) {
        mine *= 1.5;
        mine /= 1.5;
        assert_int_equal(coro_send(h, NULL, NULL), CORO_YIELDED);
    }
    assert_int_equal(coro_send(h, NULL, NULL), CORO_RETURNED);
    assert_true(mine == 1 && a == b && a == 0.25 * 4950);
    coro_gen_free(g);
    coro_gen_free(h);
}

/* ---- in threads ---- */

static void *in_thread(void *arg)
{
    struct subject s = {.kind = "plain"};

    for (int i = 0; i < 100; i++) {
        struct coro_gen *g = coro_gen_new(NULL, body, &s, "thread");
        void *out = NULL;

        if (coro_send(g, NULL, &out) == CORO_YIELDED && coro_send(g, "stop", &out) == CORO_RETURNED)
            ++*(int *)arg;
        coro_gen_free(g);
    }
    return NULL;
}

static void test_threads_of_their_own(void **state)
{
    pthread_t id[3];
    int count[3] = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&id[i], NULL, in_thread, &count[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(id[i], NULL);
        assert_int_equal(count[i], 100);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_created),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_suspended),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_delegated),
        cmocka_unit_test(test_deep_delegation),
        cmocka_unit_test(test_yield_from_called_function),
        cmocka_unit_test(test_registers_survive),
        cmocka_unit_test(test_threads_of_their_own),
    };

    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        print_table();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
