/* SPDX-License-Identifier: MIT
 *
 * worker.h: what a worker says reaches the master, and the gate holds it up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server.h"
#include "system/latch.h"
#include "worker.h"

struct scene {
    struct server server;
    struct worker_control control;
    struct worker_process self;
    _Atomic int tid;     /* of who gets ready */
    _Atomic bool passed; /* worker_ready() has returned */
};

static int begin(void **state)
{
    static struct scene scene;

    memset(&scene, 0, sizeof scene);
    scene.server.control = &scene.control;
    scene.server.master_fd = latch_new();
    scene.self.gate_fd = latch_new();
    *state = &scene;
    return scene.server.master_fd < 0 || scene.self.gate_fd < 0 ? -1 : 0;
}

static int end(void **state)
{
    const struct scene *s = *state;

    close(s->server.master_fd);
    close(s->self.gate_fd);
    return 0;
}

/* Whether the master was called since the last look; waits for at most that long. */
static bool is_called(const struct scene *s, int timeout_ms)
{
    struct pollfd readable = {.fd = s->server.master_fd, .events = POLLIN};

    if (poll(&readable, 1, timeout_ms) != 1)
        return false;
    latch_unset(s->server.master_fd);
    return true;
}

static void *get_ready(void *arg)
{
    struct scene *s = arg;

    atomic_store(&s->tid, gettid());
    worker_ready(&s->server, &s->self);
    atomic_store(&s->passed, true);
    return NULL;
}

static bool sleeps(int tid)
{
    char path[64], state = '?';
    FILE *stat;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    stat = fopen(path, "re");
    if (stat != NULL && fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
        state = '?';
    if (stat != NULL)
        fclose(stat);
    return state == 'S';
}

static void the_gate_holds_up_who_is_ready(void **state)
{
    struct scene *s = *state;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, get_ready, s), 0);
    assert_true(is_called(s, -1));
    assert_true(atomic_load(&s->control.ready));
    while (!sleeps(atomic_load(&s->tid)) && !atomic_load(&s->passed))
        sched_yield();
    assert_false(atomic_load(&s->passed)); /* nobody has opened it */
    latch_set(s->self.gate_fd);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&s->passed));
    assert_false(atomic_load(&s->control.backlog_taken) || atomic_load(&s->control.spent));
}

static void an_open_gate_holds_up_nobody(void **state)
{
    struct scene *s = *state;

    latch_set(s->self.gate_fd);
    worker_ready(&s->server, &s->self);
    assert_true(is_called(s, 0));
}

static void the_backlog_is_taken(void **state)
{
    struct scene *s = *state;

    worker_backlog_taken(&s->server);
    assert_true(atomic_load(&s->control.backlog_taken));
    assert_true(is_called(s, 0));
    assert_false(atomic_load(&s->control.ready) || atomic_load(&s->control.spent));
}

/* Many threads may find that, one after another: the master is not called for each. */
static void it_is_spent_once(void **state)
{
    struct scene *s = *state;

    struct config config = {.max_requests = 5};
    struct worker_stats *stats;

    s->server.config = &config;
    s->server.shared = shared_new();
    assert_non_null(s->server.shared);
    stats = s->server.shared->workers;
    stats_add(&stats[1].requests, 5); /* of another process */
    stats_add(&stats[2].requests, 12);
    stats_add(&stats[2].requests_before, 10);
    stats_add(&stats[3].requests, 2);
    stats_add(&stats[4].requests, 1); /* as well */
    worker_look_spent(&s->server, 2, 2);
    assert_false(atomic_load(&s->control.spent) || is_called(s, 0));
    stats_add(&stats[3].requests, 1);
    worker_look_spent(&s->server, 2, 2);
    assert_true(atomic_load(&s->control.spent));
    assert_true(is_called(s, 0));
    worker_look_spent(&s->server, 2, 2);
    assert_false(is_called(s, 0));
    assert_false(atomic_load(&s->control.ready) || atomic_load(&s->control.backlog_taken));

    atomic_store(&s->control.spent, false);
    config.max_requests = 0; /* no limit */
    worker_look_spent(&s->server, 2, 2);
    assert_false(atomic_load(&s->control.spent) || is_called(s, 0));
    shared_free(s->server.shared);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_gate_holds_up_who_is_ready),
        TEST(an_open_gate_holds_up_nobody),
        TEST(the_backlog_is_taken),
        TEST(it_is_spent_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
