/* SPDX-License-Identifier: MIT
 *
 * Who leads and who stands by. Workers are threads of the test that do what it says; what a
 * killed one leaves is made by hand, as the words that it had and had not changed yet.
 */
#include "models/pool/leaders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "tests/unit/aborts.h"

enum { WORKERS = 6, CORES = 2, NOBODY = WORKERS, PATIENCE_S = 30 };

/* What a worker does, by order of the test: wait for events; take one; one after the other; the
 * same, computing or sleeping for most of a tick each time; stay with one as if it computed, or
 * waited inside its handler; vanish as if killed, leaving all as it is.
 */
enum order { IDLE, ONCE, SERVE, COMPUTE_SHORTLY, SLEEP_SHORTLY, COMPUTE, WAIT, VANISH };
enum { SHORTLY_US = 900, TICK_US = 1000 };

struct worker {
    struct crew *crew;
    unsigned number;
    pthread_t thread;
    _Atomic int tid;
    _Atomic int order;
    _Atomic int doing;
    _Atomic bool left; /* returned, as it was told to leave */
    bool gone;         /* its thread was joined */
    int64_t ended_ns;  /* when it had computed shortly; 0: is not doing so */
};

struct crew {
    struct server_shared *shared;
    struct leaders *leaders;
    int work_fd;       /* readable: connections wait */
    _Atomic bool held; /* one that computes shortly was kept from its core for long */
    struct worker workers[WORKERS];
    unsigned running;
};

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

#define await(condition)                                                                           \
    do {                                                                                           \
        time_t await_until = time(NULL) + PATIENCE_S;                                              \
        while (!(condition)) {                                                                     \
            if (time(NULL) > await_until)                                                          \
                fail_msg("never came true: %s", #condition);                                       \
            pause_ms(1);                                                                           \
        }                                                                                          \
    } while (0)

static struct worker_control *control_of(struct crew *crew, unsigned worker)
{
    return &crew->shared->workers[worker].control;
}

static enum leaders_state state_of(struct crew *crew, unsigned worker)
{
    return atomic_load(&control_of(crew, worker)->state);
}

static bool leads(struct crew *crew, unsigned worker)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (atomic_load(&crew->leaders->place[i].holder) == worker + 1)
            return true;
    return false;
}

static unsigned count_in(struct crew *crew, enum leaders_state state)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        count += state_of(crew, i) == state;
    return count;
}

static unsigned count_leaders(struct crew *crew)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        count += leads(crew, i);
    return count;
}

/* One that leads, but not `other`; or NOBODY. */
static unsigned find_leader(struct crew *crew, unsigned other)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (i != other && leads(crew, i))
            return i;
    return NOBODY;
}

static bool is_asleep(struct crew *crew, unsigned worker)
{
    char path[64], state = '?';
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(&crew->workers[worker].tid));
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
    fclose(file);
    return state == 'S' && state_of(crew, worker) == LEADERS_STANDBY;
}

/* One that stands by and does not keep the time, or NOBODY. */
static unsigned find_standby(struct crew *crew)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (state_of(crew, i) == LEADERS_STANDBY && atomic_load(&crew->leaders->keeper) != i + 1)
            return i;
    return NOBODY;
}

static void compute_shortly(struct worker *self)
{
    int64_t began_ns = io_now_ns(), before_ns = self->ended_ns == 0 ? began_ns : self->ended_ns;

    while (io_now_ns() - began_ns < SHORTLY_US * 1000)
        continue;
    self->ended_ns = io_now_ns();
    if (self->ended_ns - before_ns > TICK_US * 1000)
        atomic_store(&self->crew->held, true);
}

static void take_event(struct worker *self, int order)
{
    struct crew *crew = self->crew;

    leaders_note(crew->leaders, self->number);
    atomic_store(&self->doing, order);
    if (order == ONCE)
        atomic_compare_exchange_strong(&self->order, &order, IDLE);
    if (order == COMPUTE_SHORTLY)
        compute_shortly(self);
    else
        self->ended_ns = 0;
    if (order == SLEEP_SHORTLY)
        usleep(SHORTLY_US);
    if (order == WAIT)
        leaders_quit(crew->leaders, self->number);
    while ((order == WAIT || order == COMPUTE) && atomic_load(&self->order) == order)
        pause_ms(1);
    atomic_store(&self->doing, IDLE);
}

/* As pool_work(), with orders for events. */
static void *work(void *arg)
{
    struct worker *self = arg;
    struct leaders *leaders = self->crew->leaders;
    struct worker_control *control = control_of(self->crew, self->number);
    enum leaders_way way;

    atomic_store(&self->tid, gettid());
    atomic_store(&self->crew->shared->workers[self->number].pid, getpid());
    atomic_store(&self->crew->shared->workers[self->number].tid, gettid());
    leaders_enter(leaders, self->number);
    while ((way = leaders_join(leaders, self->number)) != LEADERS_RETURN &&
           leaders_change(control, LEADERS_BUSY, LEADERS_IDLE)) {
        bool dismissed;
        int order;

        while ((order = atomic_load(&self->order)) == IDLE && way == LEADERS_WAIT &&
               atomic_load(&control->state) == LEADERS_IDLE)
            pause_ms(1);
        if (order == VANISH)
            return NULL;
        dismissed = !leaders_change(control, LEADERS_IDLE, LEADERS_BUSY);
        if (order != IDLE)
            take_event(self, order);
        if (dismissed)
            break;
    }
    leaders_quit(leaders, self->number);
    atomic_store(&self->left, true);
    return NULL;
}

static void order_all(struct crew *crew, enum order order)
{
    for (unsigned i = 0; i < WORKERS; i++)
        atomic_store(&crew->workers[i].order, order);
}

static void start(struct crew *crew, unsigned workers)
{
    for (; crew->running < workers; crew->running++) {
        struct worker *worker = &crew->workers[crew->running];

        assert_int_equal(pthread_create(&worker->thread, NULL, work, worker), 0);
    }
}

static int set_up(void **state)
{
    size_t align = alignof(struct server_shared);
    size_t shared = sizeof(struct server_shared) + (WORKERS + 1) * sizeof(struct worker_stats);
    size_t size = (leaders_size(WORKERS) + 63) / 64 * 64;
    struct crew *crew = calloc(1, sizeof *crew);

    assert_non_null(crew);
    shared = (shared + align - 1) / align * align;
    crew->shared = aligned_alloc(align, shared);
    crew->leaders = aligned_alloc(64, size);
    assert_non_null(crew->shared);
    assert_non_null(crew->leaders);
    memset(crew->shared, 0, shared);
    memset(crew->leaders, 0, size);
    crew->shared->slots_used = WORKERS;
    crew->work_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(crew->work_fd >= 0);
    leaders_init(crew->leaders, crew->shared, WORKERS, CORES);
    crew->leaders->work_fd = crew->work_fd;
    for (unsigned i = 0; i < WORKERS; i++) {
        crew->workers[i].crew = crew;
        crew->workers[i].number = i;
    }
    *state = crew;
    return 0;
}

static int tear_down(void **state)
{
    struct crew *crew = *state;

    order_all(crew, IDLE);
    for (unsigned i = 0; i < WORKERS; i++)
        (void)leaders_dismiss(control_of(crew, i));
    for (unsigned i = 0; i < crew->running; i++)
        if (!crew->workers[i].gone)
            assert_int_equal(pthread_join(crew->workers[i].thread, NULL), 0);
    close(crew->work_fd);
    free(crew->leaders);
    free(crew->shared);
    free(crew);
    return 0;
}

/* Until all have come to their places and nothing moves any more. */
static void settle(struct crew *crew)
{
    start(crew, WORKERS);
    await(atomic_load(&crew->leaders->resting) && count_in(crew, LEADERS_IDLE) == CORES &&
          count_in(crew, LEADERS_STANDBY) == WORKERS - CORES);
}

/* --- who leads ------------------------------------------------------------------------ */

static void as_many_lead_as_there_are_cores(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    assert_int_equal(count_leaders(crew), CORES);
    assert_int_not_equal(atomic_load(&crew->leaders->keeper), 0);
}

static void one_that_waits_lets_another_lead(void **state)
{
    struct crew *crew = *state;
    unsigned waits, other;

    settle(crew);
    waits = find_leader(crew, NOBODY);
    other = find_leader(crew, waits);
    atomic_store(&crew->workers[waits].order, WAIT);
    await(count_leaders(crew) == CORES && !leads(crew, waits));
    assert_true(leads(crew, other));
    atomic_store(&crew->workers[waits].order, IDLE); /* it finds no place when it is back */
    await(state_of(crew, waits) == LEADERS_STANDBY);
    assert_int_equal(count_leaders(crew), CORES);
}

static void who_is_back_first_leads(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    order_all(crew, WAIT);
    await(count_leaders(crew) == 0); /* all wait in their handlers */
    atomic_store(&crew->workers[WORKERS - 1].order, IDLE);
    await(leads(crew, WORKERS - 1));
}

static void the_lowest_number_is_woken_first(void **state)
{
    struct crew *crew = *state;
    unsigned lowest, leader, keeper;

    settle(crew);
    leader = find_leader(crew, NOBODY);
    keeper = atomic_load(&crew->leaders->keeper) - 1;
    lowest = find_standby(crew);
    atomic_store(&crew->workers[leader].order, WAIT);
    /* The keeper, whose rest is over, may come before it, or have handed its part to it. */
    await(leads(crew, lowest) || leads(crew, keeper) ||
          atomic_load(&crew->leaders->keeper) == lowest + 1);
}

static void who_is_dismissed_while_standing_by_leaves(void **state)
{
    struct crew *crew = *state;
    unsigned standby, keeper;

    settle(crew);
    standby = find_standby(crew);
    assert_false(leaders_dismiss(control_of(crew, standby))); /* needs no signal */
    await(atomic_load(&crew->workers[standby].left));
    keeper = atomic_load(&crew->leaders->keeper) - 1;
    assert_false(leaders_dismiss(control_of(crew, keeper)));
    await(atomic_load(&crew->workers[keeper].left));
    await(atomic_load(&crew->leaders->keeper) != keeper + 1 &&
          atomic_load(&crew->leaders->keeper) != 0);
}

static void a_leader_is_dismissed_and_replaced(void **state)
{
    struct crew *crew = *state;
    unsigned leader;

    settle(crew);
    leader = find_leader(crew, NOBODY);
    assert_true(leaders_dismiss(control_of(crew, leader)));
    await(atomic_load(&crew->workers[leader].left));
    await(count_leaders(crew) == CORES && !leads(crew, leader));
}

/* --- the time ------------------------------------------------------------------------- */

/* Back to as many places as cores. */
static void calm_down(struct crew *crew)
{
    do {
        while (atomic_load(&crew->leaders->limit) > CORES || count_leaders(crew) > CORES) {
            leaders_watch(crew->leaders); /* where all lead, nobody else lets it fall */
            order_all(crew, ONCE);        /* who is beyond the limit quits when it looks */
            pause_ms(1);
        }
        order_all(crew, IDLE);
        await(atomic_load(&crew->leaders->resting)); /* it may have risen meanwhile */
    } while (count_leaders(crew) > CORES);
    settle(crew);
}

static void slow_leaders_make_the_limit_rise_and_fall(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    for (unsigned i = 0; i < WORKERS; i++)
        if (leads(crew, i))
            atomic_store(&crew->workers[i].order, COMPUTE);
    await(count_leaders(crew) > CORES); /* somebody waits for what comes */
    calm_down(crew);
}

static void where_connections_wait_it_rises_twofold(void **state)
{
    struct crew *crew = *state;
    eventfd_t waiting;

    settle(crew);
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    order_all(crew, COMPUTE);
    await(count_leaders(crew) == WORKERS);
    assert_int_equal(atomic_load(&crew->leaders->limit), WORKERS); /* and no further */
    assert_int_equal(atomic_load(&crew->leaders->keeper), 0);
    assert_return_code(eventfd_read(crew->work_fd, &waiting), errno);
    calm_down(crew);
}

static void busy_leaders_do_not_make_it_rise(void **state)
{
    struct crew *crew = *state;
    unsigned leader, limit;
    uint32_t events;

    settle(crew);
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    leader = find_leader(crew, NOBODY);
    atomic_store(&crew->workers[leader].order, SERVE);
    for (unsigned i = 0; i < WORKERS; i++)
        if (i != leader && leads(crew, i))
            atomic_store(&crew->workers[i].order, COMPUTE);
    do { /* on a busy machine it may be kept from its core for some milliseconds */
        limit = atomic_load(&crew->leaders->limit);
        events = atomic_load(&control_of(crew, leader)->events);
        await(atomic_load(&control_of(crew, leader)->events) - events > 20000);
    } while (atomic_load(&crew->leaders->limit) > limit);
}

/* Who is kept from its core is slow: on a busy machine there may be no try without. */
static void short_computing_does_not_make_it_rise(void **state)
{
    struct crew *crew = *state;
    time_t until = time(NULL) + PATIENCE_S;
    bool rose, always_held = true;

    settle(crew);
    do {
        atomic_store(&crew->held, false);
        order_all(crew, COMPUTE_SHORTLY);
        for (int ms = 0; ms < 50 && atomic_load(&crew->leaders->limit) == CORES; ms++)
            pause_ms(1);
        rose = atomic_load(&crew->leaders->limit) > CORES;
        calm_down(crew);
        always_held &= atomic_load(&crew->held);
    } while (rose && time(NULL) < until);
    if (rose && always_held)
        skip();
    assert_false(rose);
}

/* Within some ticks: on a busy machine it rises sooner or later in any case. */
static void short_waits_make_it_rise(void **state)
{
    struct crew *crew = *state;
    time_t until = time(NULL) + PATIENCE_S;
    bool rose;

    settle(crew);
    do {
        order_all(crew, SLEEP_SHORTLY);
        pause_ms(30);
        rose = atomic_load(&crew->leaders->limit) == WORKERS;
        calm_down(crew);
    } while (!rose && time(NULL) < until);
    assert_true(rose);
}

static void where_nothing_goes_on_the_keeper_rests(void **state)
{
    struct crew *crew = *state;
    unsigned leader;

    settle(crew);
    await(atomic_load(&crew->leaders->resting));
    leader = find_leader(crew, NOBODY);
    atomic_store(&crew->workers[leader].order, COMPUTE);
    await(atomic_load(&crew->workers[leader].doing) == COMPUTE);
    await(!atomic_load(&crew->leaders->resting));
    atomic_store(&crew->workers[find_leader(crew, leader)].order, COMPUTE);
    await(count_leaders(crew) == CORES + 1); /* it keeps the time again */
}

static void leaders_that_do_not_come_are_replaced(void **state)
{
    struct crew *crew = *state;
    unsigned first, second;

    settle(crew);
    first = find_leader(crew, NOBODY);
    second = find_leader(crew, first);
    leaders_watch(crew->leaders);
    assert_true(atomic_load(&crew->leaders->resting)); /* nothing waits */
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    leaders_watch(crew->leaders);
    await(!leads(crew, first) || !leads(crew, second));
    order_all(crew, ONCE); /* who comes late finds that its place is another's */
    await(count_leaders(crew) >= CORES && count_in(crew, LEADERS_STANDBY) > 0);
}

static void a_keeper_that_does_not_come_is_replaced(void **state)
{
    struct crew *crew = *state;
    const unsigned stopped = WORKERS - 1;

    atomic_store(&crew->leaders->keeper, stopped + 1);
    start(crew, WORKERS - 1);
    await(count_in(crew, LEADERS_STANDBY) == WORKERS - 1 - CORES);
    assert_return_code(eventfd_write(crew->work_fd, 1), errno);
    leaders_watch(crew->leaders); /* events were taken, or none was known */
    leaders_watch(crew->leaders);
    await(atomic_load(&crew->leaders->keeper) != 0 &&
          atomic_load(&crew->leaders->keeper) != stopped + 1);
}

/* --- workers that were killed ---------------------------------------------------------- */

/* A leader is no more; its place is as it was. The keeper rests, and does not see that. */
static unsigned kill_leader(struct crew *crew)
{
    unsigned leader = find_leader(crew, NOBODY);
    struct worker *worker = &crew->workers[leader];

    atomic_store(&worker->order, VANISH);
    assert_int_equal(pthread_join(worker->thread, NULL), 0);
    worker->gone = true;
    assert_true(leads(crew, leader));
    return leader;
}

/* Its death is seen, and by that put right what it left. */
static void bury(struct crew *crew, unsigned dead)
{
    leaders_died(crew->leaders, dead, true);
    leaders_release(crew->leaders);
    await(count_leaders(crew) == CORES && !leads(crew, dead));
}

static void a_place_of_a_killed_one_is_free_again(void **state)
{
    struct crew *crew = *state;

    settle(crew);
    bury(crew, kill_leader(crew));
}

static void killed_between_giving_up_a_place_and_waking(void **state)
{
    struct crew *crew = *state;
    unsigned dead;

    settle(crew);
    dead = kill_leader(crew);
    atomic_store(&crew->leaders->place[control_of(crew, dead)->place - 1].holder, 0);
    bury(crew, dead);
}

static void killed_between_summoning_and_telling_to_work(void **state)
{
    struct crew *crew = *state;
    unsigned dead;

    settle(crew);
    dead = kill_leader(crew);
    atomic_store(&crew->leaders->summoned, find_standby(crew) + 1);
    bury(crew, dead);
}

static void a_summoned_one_is_killed(void **state)
{
    struct crew *crew = *state;
    unsigned dead;

    settle(crew);
    dead = kill_leader(crew);
    atomic_store(&crew->leaders->place[control_of(crew, dead)->place - 1].holder, 0);
    atomic_store(&crew->leaders->summoned, dead + 1);
    bury(crew, dead);
}

static void killed_between_telling_to_work_and_waking(void **state)
{
    struct crew *crew = *state;
    unsigned dead, told;

    settle(crew);
    dead = kill_leader(crew);
    told = find_standby(crew);
    await(is_asleep(crew, told));
    atomic_store(&crew->leaders->summoned, told + 1);
    atomic_store(&control_of(crew, told)->state, LEADERS_BUSY);
    leaders_died(crew->leaders, dead, true);
    leaders_release(crew->leaders);
    await(state_of(crew, told) != LEADERS_BUSY);
    await(count_leaders(crew) == CORES);
}

static void killed_while_keeping_the_time(void **state)
{
    struct crew *crew = *state;
    const unsigned dead = WORKERS - 1;

    atomic_store(&crew->leaders->keeper, dead + 1);
    start(crew, WORKERS - 1);
    await(count_in(crew, LEADERS_STANDBY) == WORKERS - 1 - CORES);
    leaders_died(crew->leaders, dead, true);
    leaders_release(crew->leaders);
    await(atomic_load(&crew->leaders->keeper) != 0 &&
          atomic_load(&crew->leaders->keeper) != dead + 1);
}

static void what_cannot_be_is_noticed_before_more_is_changed(void **state)
{
    struct crew *crew = *state;
    struct leaders *l = crew->leaders;

    atomic_store(&control_of(crew, 1)->state, LEADERS_STANDBY);
    assert_aborts("worker 1 begins in state 3", leaders_enter(l, 1));
    atomic_store(&control_of(crew, 1)->state, LEADERS_BUSY);
    leaders_enter(l, 1);
    control_of(crew, 1)->place = WORKERS + 1;
    assert_aborts("worker 1 gives up place 7 of 6", leaders_quit(l, 1));
    control_of(crew, 1)->place = 0;
    for (unsigned i = 0; i < CORES; i++)
        atomic_store(&l->place[i].holder, SHARED_SLOTS + 1);
    assert_aborts("place 1 is held by worker 131072",
                  (void)leaders_join(l, 1)); /* keeps the time */
    atomic_store(&l->limit, CORES - 1);
    assert_aborts("1 places are to become fewer, on 2 cores", leaders_watch(l));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_lead_as_there_are_cores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_waits_lets_another_lead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_back_first_leads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lowest_number_is_woken_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_dismissed_while_standing_by_leaves, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_leader_is_dismissed_and_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_leaders_make_the_limit_rise_and_fall, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(where_connections_wait_it_rises_twofold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(busy_leaders_do_not_make_it_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_computing_does_not_make_it_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(short_waits_make_it_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(where_nothing_goes_on_the_keeper_rests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaders_that_do_not_come_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_keeper_that_does_not_come_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_place_of_a_killed_one_is_free_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_between_giving_up_a_place_and_waking, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(killed_between_summoning_and_telling_to_work, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_summoned_one_is_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_between_telling_to_work_and_waking, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(killed_while_keeping_the_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_noticed_before_more_is_changed, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
