/* SPDX-License-Identifier: MIT
 *
 * workers.h: who is started, replaced and killed, and what is said of it.
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

#include "crew.h"
#include "master/workers.h"
#include "said.h"

static struct workers workers; /* their slots are the crew's, but for what these tests add */
static const struct kept NONE = {.count = 0};

struct scene {
    struct generation *g;
    struct said said;
};

static int begin(void **state)
{
    static struct scene scene;

    memset(&crew, 0, sizeof crew);
    memset(&crew_slots, 0, sizeof crew_slots);
    scene.g = crew_next(NULL);
    workers.slots = crew_slots;
    sigemptyset(&workers.mask);
    *state = &scene;
    return scene.g == NULL ? -1 : 0;
}

static int end(void **state)
{
    const struct scene *s = *state;

    crew_slots = workers.slots;
    crew_end(s->g, true);
    return slots_take(&crew_slots, SHARED_SLOTS) == 0 ? 0 : -1;
}

static struct process *place(const struct scene *s, unsigned number)
{
    return &s->g->places.each[number];
}

static struct worker_control *control_of(const struct scene *s, unsigned number)
{
    return process_control(place(s, number), &s->g->server);
}

static void start(const struct scene *s)
{
    workers_start(&workers, s->g, &NONE);
}

/* Starts all and lets them serve. */
static void serve(const struct scene *s)
{
    start(s);
    while (!generation_is_ready(s->g))
        sched_yield();
    generation_begin(s->g);
}

/* Notes the next event of that process, once there is one. */
static void note(const struct scene *s, unsigned number)
{
    pid_t pid = place(s, number)->pid;
    int status;

    if (waitpid(pid, &status, WUNTRACED | WCONTINUED) != pid ||
        !workers_note(&workers, s->g, pid, status))
        abort();
}

/* Looks until the process has ended, and notes that. */
static int look_until_it_ends(const struct scene *s, unsigned number)
{
    pid_t pid = place(s, number)->pid;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        workers_look(&workers, s->g);
        sched_yield();
    }
    workers_note(&workers, s->g, pid, status);
    return status;
}

/* ---- starting ------------------------------------------------------------------------------ */

static void all_that_are_due_are_started(void **state)
{
    const struct scene *s = *state;
    pid_t pid;

    place(s, 1)->due_ms = INT64_MAX;
    place(s, 2)->retiring = true;
    start(s);
    assert_true(place(s, 0)->pid > 0);
    assert_int_equal(place(s, 1)->pid, 0);
    assert_int_equal(place(s, 2)->pid, 0);
    pid = place(s, 0)->pid;
    place(s, 1)->due_ms = io_now_ms();
    start(s);
    assert_int_equal(place(s, 0)->pid, pid); /* it runs */
    assert_true(place(s, 1)->pid > 0);
    assert_int_equal(s->g->failures, 0);
}

static void one_that_ends_while_starting_is_a_failure(void **state)
{
    struct scene *s = *state;
    char line[100];
    pid_t pid;

    crew.fail = true;
    start(s);
    pid = place(s, 1)->pid;
    said_begin(&s->said);
    note(s, 1);
    said_end(&s->said);
    snprintf(line, sizeof line,
             "error: worker process 2 (pid %d) exited with status 3 while starting\n", (int)pid);
    assert_string_equal(s->said.text, line);
    assert_int_equal(s->g->failures, 1);
    assert_int_equal(s->g->failure, -ECHILD);
    assert_true(place(s, 1)->used); /* whether it is tried again is the master's to decide */
    note(s, 0);
    assert_int_equal(s->g->failures, 2);
}

/* ---- ending -------------------------------------------------------------------------------- */

static void who_dies_is_replaced(void **state)
{
    struct scene *s = *state;
    char lines[300];
    pid_t first, second;
    int64_t now;

    serve(s);
    first = place(s, 0)->pid;
    said_begin(&s->said);
    crew_signal(place(s, 0), SIGKILL);
    note(s, 0);
    start(s); /* at once */
    second = place(s, 0)->pid;
    place(s, 0)->started_ms = INT64_MAX; /* just now, however long this test is held up */
    crew_signal(place(s, 0), SIGKILL);
    now = io_now_ms();
    note(s, 0);
    start(s); /* this time only after a pause */
    said_end(&s->said);
    snprintf(lines, sizeof lines,
             "warning: worker process 0 (pid %d) was killed by signal 9 (Killed); replacing it\n"
             "warning: worker process 0 (pid %d) was killed by signal 9 (Killed) soon after its "
             "start; replacing it in 10 ms\n",
             (int)first, (int)second);
    assert_string_equal(s->said.text, lines);
    if (place(s, 0)->pid != 0) /* 10 ms have passed already */
        assert_true(io_now_ms() >= now + 10);
    place(s, 0)->due_ms = 0;
    start(s);
    assert_true(place(s, 0)->pid > 0 && place(s, 0)->pid != second);
    assert_int_equal(s->g->failures, 0);
}

static void what_the_dead_held_is_released_once_for_all(void **state)
{
    const struct scene *s = *state;

    s->g->plan.shared = &crew_pool;
    crew.shared = &crew_pool;
    serve(s);
    assert_false(workers_release(s->g));
    for (unsigned i = 0; i < 2; i++) {
        crew_signal(place(s, i), SIGKILL);
        note(s, i);
    }
    assert_int_equal(crew.died, 2);
    assert_int_equal(crew.killed, 2);
    assert_int_equal(crew.released, 0);
    assert_true(workers_release(s->g));
    assert_int_equal(crew.released, 1);
    assert_false(workers_release(s->g));
    assert_int_equal(crew.released, 1);
}

static void others_are_not_noted(void **state)
{
    const struct scene *s = *state;

    serve(s);
    assert_false(workers_note(&workers, s->g, getpid(), SIGKILL));
    assert_false(workers_release(s->g));
}

static void of_those_that_retire_nobody_is_replaced(void **state)
{
    struct scene *s = *state;
    char line[100];
    pid_t pid;

    serve(s);
    generation_retire(s->g, NULL, false);
    said_begin(&s->said);
    note(s, 0); /* in good order: nothing is said */
    said_end(&s->said);
    assert_string_equal(s->said.text, "");
    assert_false(place(s, 0)->used);
    pid = place(s, 1)->pid;
    waitpid(pid, NULL, 0);
    said_begin(&s->said);
    workers_note(&workers, s->g, pid, 3 << 8); /* as if it had failed */
    said_end(&s->said);
    snprintf(line, sizeof line, "warning: worker process 2 (pid %d) exited with status 3\n",
             (int)pid);
    assert_string_equal(s->said.text, line);
    assert_false(place(s, 1)->used);
    waitpid(place(s, 2)->pid, NULL, 0);
    place(s, 2)->pid = 0; /* as one that had died just before */
    workers_look(&workers, s->g);
    assert_false(place(s, 2)->used);
    assert_null(places_next(&s->g->places, NULL));
}

static void who_is_late_is_killed(void **state)
{
    struct scene *s = *state;

    crew.stuck = true;
    serve(s);
    generation_retire(s->g, NULL, false);
    workers_look(&workers, s->g);
    crew_signal(place(s, 0), 0); /* it has its time */
    place(s, 0)->end_ms = io_now_ms();
    said_begin(&s->said);
    assert_int_equal(look_until_it_ends(s, 0), SIGKILL);
    said_end(&s->said);
    assert_string_equal(s->said.text, ""); /* that was to be expected */
    assert_false(place(s, 0)->used);
    assert_int_equal(places_alive(&s->g->places), CREW_WORKERS - 1);
}

/* ---- replacing ----------------------------------------------------------------------------- */

static void one_that_is_spent_is_replaced_before_it_leaves(void **state)
{
    const struct scene *s = *state;
    const unsigned next = CREW_WORKERS;

    serve(s);
    workers_look(&workers, s->g);
    assert_false(place(s, next)->used);
    atomic_store(&control_of(s, 1)->spent, true);
    workers_look(&workers, s->g);
    workers_look(&workers, s->g); /* there is one already */
    assert_true(place(s, next)->used);
    assert_false(place(s, next + 1)->used);
    assert_ptr_equal(place(s, next)->replaces, place(s, 1));
    crew.unready = true;
    start(s);
    workers_look(&workers, s->g);
    assert_false(place(s, 1)->retiring); /* until the other is ready */
    crew.unready = false;
    crew_signal(place(s, next), SIGKILL);
    note(s, next);
    assert_false(place(s, 1)->retiring);
    start(s);
    while (!atomic_load(&control_of(s, next)->ready))
        workers_look(&workers, s->g);
    workers_look(&workers, s->g);
    assert_true(place(s, 1)->retiring);
    assert_null(place(s, 1)->replacement);
    assert_null(place(s, next)->replaces);
    assert_int_equal(look_until_it_ends(s, 1), 0);
    assert_false(place(s, 1)->used); /* its place is gone, and its slots are free */
    start(s);
    assert_int_equal(places_alive(&s->g->places), CREW_WORKERS);
}

static void one_that_dies_spent_has_its_successor(void **state)
{
    struct scene *s = *state;

    serve(s);
    atomic_store(&control_of(s, 1)->spent, true);
    workers_look(&workers, s->g);
    said_begin(&s->said);
    crew_signal(place(s, 1), SIGKILL);
    note(s, 1);
    said_end(&s->said);
    assert_null(strstr(s->said.text, "replacing"));
    assert_false(place(s, 1)->used);
    assert_null(place(s, CREW_WORKERS)->replaces);
    start(s);
    assert_int_equal(places_alive(&s->g->places), CREW_WORKERS);
}

/* ---- not moving ---------------------------------------------------------------------------- */

static void one_that_does_not_turn_is_killed(void **state)
{
    struct scene *s = *state;

    s->g->settings.config.heartbeat_timeout_ms = 20;
    serve(s);
    atomic_store(&control_of(s, 2)->beat_ms, 1); /* it had turned, once */
    said_begin(&s->said);
    assert_int_equal(look_until_it_ends(s, 2), SIGKILL);
    said_end(&s->said);
    assert_non_null(strstr(s->said.text, "has not turned for --heartbeat-timeout; killing it\n"));
    assert_non_null(strstr(s->said.text, "(Killed)"));
    assert_int_equal(places_alive(&s->g->places), CREW_WORKERS - 1); /* the others have no beat */
}

static void one_that_is_stopped_is_killed_unless_it_goes_on(void **state)
{
    struct scene *s = *state;

    s->g->settings.config.stopped_timeout_ms = 20;
    serve(s);
    crew_signal(place(s, 0), SIGSTOP);
    note(s, 0);
    assert_true(place(s, 0)->heart.stopped);
    crew_signal(place(s, 0), SIGCONT);
    note(s, 0);
    assert_false(place(s, 0)->heart.stopped);
    crew_signal(place(s, 1), SIGSTOP);
    note(s, 1);
    place(s, 1)->pause_ms = 500; /* of deaths before */
    said_begin(&s->said);
    assert_int_equal(look_until_it_ends(s, 1), SIGKILL);
    said_end(&s->said);
    assert_non_null(strstr(s->said.text, "is stopped by a signal; killing it\n"));
    assert_non_null(strstr(s->said.text, "(Killed); replacing it\n")); /* without a pause */
    assert_int_equal(places_alive(&s->g->places), CREW_WORKERS - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_that_are_due_are_started),
        TEST(one_that_ends_while_starting_is_a_failure),
        TEST(who_dies_is_replaced),
        TEST(what_the_dead_held_is_released_once_for_all),
        TEST(others_are_not_noted),
        TEST(of_those_that_retire_nobody_is_replaced),
        TEST(who_is_late_is_killed),
        TEST(one_that_is_spent_is_replaced_before_it_leaves),
        TEST(one_that_dies_spent_has_its_successor),
        TEST(one_that_does_not_turn_is_killed),
        TEST(one_that_is_stopped_is_killed_unless_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
