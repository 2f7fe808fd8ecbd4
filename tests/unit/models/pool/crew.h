/* SPDX-License-Identifier: MIT
 *
 * Workers of a pool that are threads of the test and do what it says, around the leaders' words in
 * memory of its own.
 */
#ifndef UNIT_MODELS_POOL_CREW_H
#define UNIT_MODELS_POOL_CREW_H

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

static inline void pause_ms(long ms)
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

static inline struct worker_control *control_of(struct crew *crew, unsigned worker)
{
    return &crew->shared->workers[worker].control;
}

static inline enum leaders_state state_of(struct crew *crew, unsigned worker)
{
    return atomic_load(&control_of(crew, worker)->state);
}

static inline bool leads(struct crew *crew, unsigned worker)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (atomic_load(&crew->leaders->place[i].holder) == worker + 1)
            return true;
    return false;
}

static inline unsigned count_in(struct crew *crew, enum leaders_state state)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        count += state_of(crew, i) == state;
    return count;
}

static inline unsigned count_leaders(struct crew *crew)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        count += leads(crew, i);
    return count;
}

/* One that leads, but not `other`; or NOBODY. */
static inline unsigned find_leader(struct crew *crew, unsigned other)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (i != other && leads(crew, i))
            return i;
    return NOBODY;
}

static inline bool is_asleep(struct crew *crew, unsigned worker)
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
static inline unsigned find_standby(struct crew *crew)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (state_of(crew, i) == LEADERS_STANDBY && atomic_load(&crew->leaders->keeper) != i + 1)
            return i;
    return NOBODY;
}

static inline void compute_shortly(struct worker *self)
{
    int64_t began_ns = io_now_ns(), before_ns = self->ended_ns == 0 ? began_ns : self->ended_ns;

    while (io_now_ns() - began_ns < SHORTLY_US * 1000)
        continue;
    self->ended_ns = io_now_ns();
    if (self->ended_ns - before_ns > TICK_US * 1000)
        atomic_store(&self->crew->held, true);
}

static inline void take_event(struct worker *self, int order)
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
static inline void *work(void *arg)
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

static inline void order_all(struct crew *crew, enum order order)
{
    for (unsigned i = 0; i < WORKERS; i++)
        atomic_store(&crew->workers[i].order, order);
}

static inline void start(struct crew *crew, unsigned workers)
{
    for (; crew->running < workers; crew->running++) {
        struct worker *worker = &crew->workers[crew->running];

        assert_int_equal(pthread_create(&worker->thread, NULL, work, worker), 0);
    }
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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
static inline void settle(struct crew *crew)
{
    start(crew, WORKERS);
    await(atomic_load(&crew->leaders->resting) && count_in(crew, LEADERS_IDLE) == CORES &&
          count_in(crew, LEADERS_STANDBY) == WORKERS - CORES);
}

#endif
