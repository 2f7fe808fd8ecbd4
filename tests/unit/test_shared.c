/* SPDX-License-Identifier: MIT
 *
 * The count of open connections, where a worker is killed between any two of its steps: what
 * generation.h counts, and shared_recount() puts right. Workers as those of --dispatch=connection
 * and of coro, which keep their connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/generation.h"
#include "master/process.h"
#include "server.h"

enum { WORKERS = 2, LIVING = 0, DEAD = 1 };

struct scene {
    struct generation g; /* a process for each worker */
    struct process processes[WORKERS];
};

static int begin(void **state)
{
    static struct scene scene;
    size_t size = sizeof(struct server_shared) + WORKERS * sizeof(struct worker_stats);
    struct server_shared *shared = aligned_alloc(alignof(struct server_shared), size);

    if (shared == NULL)
        return -1;
    memset(shared, 0, size);
    memset(&scene, 0, sizeof scene);
    shared->slots_used = WORKERS;
    scene.g.server.shared = shared;
    scene.g.server.max_connections = 100;
    scene.g.plan.slots_each = 1;
    scene.g.places.each = scene.processes;
    scene.g.places.end = WORKERS;
    for (unsigned i = 0; i < WORKERS; i++) {
        scene.processes[i] = (struct process){.used = true, .first = i, .number = i};
        shared_worker_begins(scene.g.server.shared, i, getpid(), gettid());
    }
    *state = &scene;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;

    free(s->g.server.shared);
    return 0;
}

static struct worker_stats *stats(struct scene *s, unsigned worker)
{
    return &s->g.server.shared->workers[worker];
}

static int32_t counted(const struct scene *s)
{
    return atomic_load(&s->g.server.shared->open_connections);
}

static void recount(struct scene *s)
{
    shared_recount(s->g.server.shared, generation_connections, &s->g);
}

static void die(struct scene *s)
{
    shared_worker_lost_connections(s->g.server.shared, DEAD);
    shared_worker_died(s->g.server.shared, DEAD);
}

static void what_the_living_have_is_counted(void **state)
{
    struct scene *s = *state;
    struct server *server = &s->g.server;

    assert_true(
        shared_connection_reserve(server->shared, stats(s, LIVING), server->max_connections));
    assert_true(
        shared_connection_reserve(server->shared, stats(s, LIVING), server->max_connections));
    shared_connection_unreserve(server->shared, stats(s, LIVING));
    shared_connection_opened(server->shared, stats(s, LIVING));
    shared_connection_opened(server->shared, stats(s, DEAD));
    assert_int_equal(generation_connections(&s->g), 3);
    assert_int_equal(counted(s), 3);
    shared_connection_closed(server->shared, stats(s, LIVING));
    die(s); /* between changes: nothing is wrong */
    assert_int_equal(generation_connections(&s->g), 1);
    assert_int_equal(counted(s), 1);
    assert_false(server->shared->recount);
}

/* In opening, reserving, giving a place back and closing: one of two counts is changed, the other
 * not. */
static void one_that_died_between_two_counts_is_put_right(void **state)
{
    struct scene *s = *state;
    _Atomic int32_t *open = &s->g.server.shared->open_connections;

    for (int step = 0; step < 4; step++) {
        struct worker_stats *dead = stats(s, DEAD);

        shared_connection_opened(s->g.server.shared, stats(s, LIVING));
        shared_connection_opened(s->g.server.shared, dead);
        shared_begin_change(dead);
        switch (step) {
        case 0:
            stats_add(&dead->accepted, 1);
            break;
        case 1:
            atomic_fetch_add(open, 1);
            break;
        case 2:
            atomic_fetch_sub(open, 1);
            break;
        default:
            stats_add(&dead->closed, 1);
            break;
        }
        die(s);
        assert_int_not_equal(counted(s), step + 1);
        shared_begin_change(stats(s, LIVING)); /* who lives is about to change it */
        recount(s);
        assert_int_not_equal(counted(s), step + 1);
        shared_end_change(stats(s, LIVING));
        recount(s);
        assert_int_equal(counted(s), step + 1);
        assert_false(s->g.server.shared->recount);
        shared_worker_begins(s->g.server.shared, DEAD, getpid(), gettid());
    }
}

/* At the limit nothing is counted. */
static void a_place_that_is_not_there_is_not_counted(void **state)
{
    struct scene *s = *state;

    s->g.server.max_connections = 1;
    assert_true(shared_connection_reserve(s->g.server.shared, stats(s, LIVING),
                                          s->g.server.max_connections));
    assert_false(
        shared_connection_reserve(s->g.server.shared, stats(s, DEAD), s->g.server.max_connections));
    assert_int_equal(counted(s), 1);
    assert_int_equal(generation_connections(&s->g), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_the_living_have_is_counted),
        TEST(one_that_died_between_two_counts_is_put_right),
        TEST(a_place_that_is_not_there_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
