/* SPDX-License-Identifier: MIT
 *
 * generation.h: nobody serves before all are ready; who is told what when a generation retires, and
 * when its listening socket is shut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "crew.h"

static int begin(void **state)
{
    (void)state;
    memset(&crew, 0, sizeof crew);
    memset(&crew_slots, 0, sizeof crew_slots);
    return 0;
}

/* All slots were given back. */
static int end(void **state)
{
    (void)state;
    return slots_take(&crew_slots, SHARED_SLOTS) == 0 ? 0 : -1;
}

static struct worker_control *control_of(const struct generation *g, unsigned number)
{
    return process_control(&g->places.each[number], &g->server);
}

static unsigned count_begun(const struct generation *g)
{
    unsigned begun = 0;

    for (unsigned i = 0; i < CREW_WORKERS; i++)
        begun += g->server.shared->workers[i * CREW_SLOTS_EACH].pid != 0;
    return begun;
}

static bool is_listening(const struct generation *g)
{
    int listening = 0;
    socklen_t size = sizeof listening;

    return getsockopt(g->server.listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
           listening;
}

/* Whoever connects now. */
static bool is_refused(const struct generation *g)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = getsockname(g->server.listen_fd, (struct sockaddr *)&address, &size) == 0 &&
                   connect(fd, (const struct sockaddr *)&address, size) < 0 &&
                   errno == ECONNREFUSED;

    close(fd);
    return refused;
}

/* Waits for them to end, as the master does. */
static void reap(struct generation *g)
{
    for (struct process *p = NULL; (p = places_next(&g->places, p)) != NULL;) {
        int status;

        if (p->pid == 0)
            continue;
        assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
        assert_int_equal(status, 0);
        p->pid = 0;
        generation_note_death(g, p, false);
    }
}

/* ---- beginning ----------------------------------------------------------------------------- */

static void nobody_serves_before_the_gate_opens(void **state)
{
    struct generation *g = crew_next(NULL);
    pid_t pid;

    (void)state;
    assert_non_null(g);
    assert_true(generation_is_first(g));
    assert_false(generation_is_ready(g)); /* they are not started yet */
    assert_int_equal(g->plan.processes, CREW_WORKERS);
    crew_start(g);
    assert_int_equal(places_alive(&g->places), CREW_WORKERS);
    assert_int_equal(count_begun(g), 0);
    atomic_store(&control_of(g, 1)->ready, false);
    assert_false(generation_is_ready(g));
    atomic_store(&control_of(g, 1)->ready, true);
    pid = g->places.each[1].pid;
    g->places.each[1].pid = 0; /* as one that has died since */
    assert_false(generation_is_ready(g));
    g->places.each[1].pid = pid;
    generation_begin(g);
    assert_int_equal(g->phase, SERVING);
    while (count_begun(g) < CREW_WORKERS)
        sched_yield();
    crew_end(g, true);
}

static void a_model_that_cannot_be_opened(void **state)
{
    char error[512];
    int result;

    (void)state;
    crew.open_error = -EAGAIN;
    assert_null(crew_new(NULL, NULL, error, sizeof error, &result));
    assert_int_equal(result, -EAGAIN);
    assert_string_equal(error, "cannot start --model=fake: Resource temporarily unavailable");
}

static void only_the_next_has_its_time_to_start(void **state)
{
    struct generation *first = crew_next(NULL), *next = crew_next(first);

    (void)state;
    assert_true(first->end_ms == INT64_MAX);
    assert_true(next->end_ms < INT64_MAX);
    assert_false(generation_is_first(next));
    assert_ptr_equal(next->before, first);
    assert_int_equal(next->server.listen_fd, first->server.listen_fd);
    assert_int_equal(next->places.each[0].first, CREW_WORKERS * CREW_SLOTS_EACH);
    crew_end(next, false);
    assert_true(is_listening(first));
    crew_end(first, true);
}

static void what_was_opened_for_it_is_its_own(void **state)
{
    struct generation *g = crew_next(NULL);
    int foreign = latch_new();

    (void)state;
    assert_true(generation_owns(g, g->server.listen_fd));
    assert_true(generation_owns(g, g->gate_fd));
    assert_true(generation_owns(g, g->stop_fd));
    assert_false(generation_owns(g, foreign));
    g->plan.shared = &crew_pool;
    assert_false(generation_owns(g, foreign));
    crew.owned = foreign; /* a record names it */
    assert_true(generation_owns(g, foreign));
    assert_true(generation_owns(g, g->gate_fd));
    close(foreign);
    crew_end(g, true);
}

/* ---- retiring ------------------------------------------------------------------------------ */

static void times_are_parts_of_the_timeout(void **state)
{
    static const struct {
        const char *option;
        int64_t idle, cut, kill;
    } cases[] = {{"--shutdown-timeout=20", 10000, 19500, 19750},
                 {"--shutdown-timeout=2", 1000, 1800, 1900}};
    char error[512];
    int result;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct generation *g = crew_new(NULL, cases[i].option, error, sizeof error, &result);
        int64_t before = io_now_ms();
        struct retirement times = generation_times(g);
        int64_t after = io_now_ms();

        assert_in_range(times.idle_until_ms, before + cases[i].idle, after + cases[i].idle);
        assert_in_range(times.cut_ms, before + cases[i].cut, after + cases[i].cut);
        assert_in_range(times.kill_ms, before + cases[i].kill, after + cases[i].kill);
        crew_end(g, true);
    }
}

static void all_are_told_to_finish_and_take_what_waits(void **state)
{
    struct generation *g = crew_next(NULL);
    struct pollfd stop = {.fd = g->stop_fd, .events = POLLIN};

    (void)state;
    crew_start(g);
    generation_begin(g);
    generation_leave_listener(g); /* nothing: it serves */
    generation_retire(g, NULL, true);
    assert_int_equal(g->phase, RETIRING);
    assert_int_equal(g->listener, LISTENER_LEFT);
    assert_int_equal(poll(&stop, 1, 0), 1);
    for (unsigned i = 0; i < CREW_WORKERS; i++) {
        const struct worker_control *control = control_of(g, i);

        assert_true(control->draining && control->take_backlog);
        assert_true(control->deadline_ms > control->idle_until_ms);
        assert_true(g->places.each[i].retiring);
        assert_true(g->places.each[i].end_ms > control->deadline_ms);
    }
    generation_leave_listener(g);
    assert_int_equal(g->listener, LISTENER_LEFT); /* what waits has not been taken */
    assert_true(is_refused(g));
    generation_hasten(g);
    for (unsigned i = 0; i < CREW_WORKERS; i++)
        assert_int_equal(control_of(g, i)->idle_until_ms, 0);
    atomic_store(&control_of(g, 1)->backlog_taken, true);
    generation_leave_listener(g);
    assert_int_equal(g->listener, LISTENER_SHUT);
    assert_false(is_listening(g));
    reap(g);
    crew_end(g, true);
}

/* One that has ended, or all; or there is no more time. */
static void what_waits_was_taken_by_others_or_is_given_up(void **state)
{
    (void)state;
    for (int reason = 0; reason < 3; reason++) {
        struct generation *g = crew_next(NULL);

        crew.stuck = true;
        crew_start(g);
        generation_begin(g);
        generation_retire(g, NULL, true);
        generation_leave_listener(g);
        assert_int_equal(g->listener, LISTENER_LEFT);
        if (reason == 0) {
            struct process *p = &g->places.each[1];

            crew_signal(p, SIGKILL);
            waitpid(p->pid, NULL, 0);
            p->pid = 0;
            atomic_store(&control_of(g, 1)->backlog_taken, true);
            generation_remove(g, p, &crew_slots);
        } else if (reason == 1) {
            generation_kill(g);
        } else {
            g->shut_ms = io_now_ms();
        }
        generation_leave_listener(g);
        assert_int_equal(g->listener, LISTENER_SHUT);
        crew_end(g, true);
    }
}

static void a_socket_that_others_attend_is_left_to_them(void **state)
{
    (void)state;
    for (int of_another = 0; of_another < 2; of_another++) {
        struct generation *g = crew_next(NULL);

        if (of_another)
            g->server.listen_owner = LISTEN_ANOTHERS;
        crew_start(g);
        generation_begin(g);
        generation_retire(g, NULL, of_another);
        assert_true(control_of(g, 0)->draining);
        assert_false(control_of(g, 0)->take_backlog);
        generation_leave_listener(g);
        assert_int_equal(g->listener, LISTENER_ATTENDED);
        assert_true(is_listening(g));
        reap(g);
        crew_end(g, true);
    }
}

/* ---- a pool that its workers share ---------------------------------------------------------- */

static void a_pool_passes_to_the_next_generation(void **state)
{
    struct generation *first, *next;

    (void)state;
    crew.shared = &crew_pool;
    crew.pool = &crew;
    first = crew_next(NULL);
    next = crew_next(first);
    crew_start(first);
    generation_begin(first);
    crew_start(next);
    generation_begin(next);
    generation_retire(first, next, false);
    assert_true(first->superseded);
    assert_int_equal(crew.dismissed, CREW_WORKERS);
    assert_int_equal(crew.retired + crew.backlogs_taken, 0); /* the others go on with it */
    assert_false(first->control.draining || control_of(first, 0)->draining);
    atomic_store(&control_of(first, 0)->idle_until_ms, 1);
    generation_hasten(first);
    assert_int_equal(control_of(first, 0)->idle_until_ms, 1);
    crew.drained = true;
    generation_drain(first); /* does no more than nudge */
    assert_int_equal(crew.finished, 0);
    reap(first);
    assert_int_equal(crew.died, CREW_WORKERS);
    crew_end(first, false);
    crew_end(next, true);
    assert_int_equal(crew.killed, CREW_WORKERS); /* those of the next one, all at once */
    assert_int_equal(crew.released, 2);
}

/* Handshakes may be under way when it is taken first: the socket is shut a little later, and the
 * pool is not told before that no more will come. */
static void its_backlog_is_taken_again(struct generation *g)
{
    g->shut_ms = INT64_MAX;
    generation_leave_listener(g);
    assert_true(is_listening(g));
    crew.drained = true;
    generation_drain(g);
    assert_int_equal(crew.finished, 0);
    crew.drained = false;
    g->shut_ms = io_now_ms();
    generation_leave_listener(g);
    assert_int_equal(crew.backlogs_taken, 2);
}

static void a_pool_that_nobody_goes_on_with_is_drained(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        struct generation *g;

        memset(&crew, 0, sizeof crew);
        crew.shared = &crew_pool;
        crew.pool = &crew;
        g = crew_next(NULL);
        crew_start(g);
        generation_begin(g);
        generation_retire(g, NULL, last);
        assert_false(g->superseded);
        assert_int_equal(crew.backlogs_taken, last); /* at once, by the master */
        assert_int_equal(crew.retired, !last);
        assert_int_equal(crew.dismissed, 0);
        assert_true(g->control.draining);
        assert_int_equal(g->control.deadline_ms, control_of(g, 0)->deadline_ms);
        if (last)
            its_backlog_is_taken_again(g);
        assert_int_equal(is_listening(g), !last);
        generation_drain(g);
        assert_int_equal(crew.finished, 0);
        crew.drained = true;
        generation_drain(g);
        generation_drain(g);
        assert_int_equal(crew.finished, 1); /* once */
        reap(g);
        crew_end(g, true);
    }
}

/* Of the same model, and yet another: nothing passes, and its connections are closed. */
static void a_pool_does_not_pass_to_one_with_another(void **state)
{
    struct generation *first, *next;

    (void)state;
    crew.shared = &crew_pool;
    crew.pool = &crew;
    first = crew_next(NULL);
    crew.pool = &crew_slots;
    next = crew_next(first);
    first->phase = SERVING;
    generation_retire(first, next, false);
    assert_false(first->superseded);
    assert_int_equal(crew.retired, 1);
    assert_int_equal(crew.dismissed, 0);
    crew_end(first, false);
    crew_end(next, true);
}

/* What the model may go on with: the plan of one of its own, on the same socket. */
static void the_plan_before_is_that_of_the_same_model(void **state)
{
    const struct model other = {.name = "other"};
    struct generation *first = crew_next(NULL), *next;

    (void)state;
    assert_null(crew.before);
    next = crew_next(first);
    assert_ptr_equal(crew.before, &first->plan);
    crew_end(next, false);
    first->settings.model = &other;
    next = crew_next(first);
    assert_null(crew.before);
    crew_end(next, false);
    crew_end(first, true);
}

static void one_that_has_served_its_share_leaves_alone(void **state)
{
    (void)state;
    for (int pool = 0; pool < 2; pool++) {
        struct generation *g;

        memset(&crew, 0, sizeof crew);
        crew.shared = pool ? &crew_pool : NULL;
        g = crew_next(NULL);
        crew_start(g);
        generation_begin(g);
        generation_retire_spent(g, &g->places.each[1]);
        for (unsigned i = 0; i < CREW_WORKERS; i++) {
            assert_int_equal(g->places.each[i].retiring, i == 1);
            assert_int_equal(control_of(g, i)->draining, i == 1 && !pool);
            assert_false(control_of(g, i)->take_backlog);
        }
        assert_int_equal(crew.dismissed, pool);
        assert_int_equal(g->phase, SERVING);
        crew_end(g, true);
    }
}

/* ---- counting ------------------------------------------------------------------------------ */

static void each_counts_its_own_or_the_pool_does(void **state)
{
    struct generation *first = crew_next(NULL), *next = crew_next(first);
    struct server_shared *shared = first->server.shared;
    const struct process *p = &first->places.each[1];

    (void)state;
    for (unsigned i = 0; i < CREW_SLOTS_EACH; i++)
        shared_connection_opened(shared, &shared->workers[p->first + i]);
    shared_connection_opened(shared, &shared->workers[next->places.each[2].first]);
    assert_int_equal(generation_connections(next), 3);
    assert_int_equal(generation_connections(first), 2);
    generation_note_death(first, p, true); /* of all its slots */
    assert_int_equal(generation_connections(next), 1);
    assert_int_equal(shared->open_connections, 1);
    first->plan.shared = next->plan.shared = &crew_pool;
    crew.connections = 5;
    assert_int_equal(generation_connections(next), 0); /* both only start */
    first->phase = next->phase = SERVING;
    assert_int_equal(generation_connections(next), 10); /* two pools */
    first->superseded = true;
    assert_int_equal(generation_connections(next), 5); /* one and the same */
    shared_connection_opened(shared, &shared->workers[p->first]);
    generation_note_death(first, p, true); /* its connections are the pool's */
    assert_int_equal(shared->open_connections, 2);
    assert_int_equal(crew.killed, 1);
    crew_end(next, false);
    crew_end(first, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_serves_before_the_gate_opens),
        TEST(a_model_that_cannot_be_opened),
        TEST(only_the_next_has_its_time_to_start),
        TEST(what_was_opened_for_it_is_its_own),
        TEST(times_are_parts_of_the_timeout),
        TEST(all_are_told_to_finish_and_take_what_waits),
        TEST(what_waits_was_taken_by_others_or_is_given_up),
        TEST(a_socket_that_others_attend_is_left_to_them),
        TEST(a_pool_passes_to_the_next_generation),
        TEST(a_pool_that_nobody_goes_on_with_is_drained),
        TEST(a_pool_does_not_pass_to_one_with_another),
        TEST(the_plan_before_is_that_of_the_same_model),
        TEST(one_that_has_served_its_share_leaves_alone),
        TEST(each_counts_its_own_or_the_pool_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
