/* SPDX-License-Identifier: MIT
 *
 * Places, marks and the time; leaders.h has the idea.
 *
 * No wake-up is lost: whoever frees a place looks for a mark afterwards, and whoever stands by
 * looks for a free place after it has set its mark. In sequentially consistent order one of them
 * sees the other. The same holds for the keeper's name and the marks, and for `resting` and the
 * count of events.
 */
#include "models/pool/leaders.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"
#include "io.h"

enum {
    TICK_NS = 1000000,
    SLOW = 1,          /* events in a tick: of a leader that computes or waits */
    CALM_TICKS = 250,  /* before the limit falls by a step */
    QUIET_TICKS = 100, /* before the keeper rests */
    MOST_IGNORED = 3,  /* ticks */
    WORD = 64,         /* marks in a word */
    NOWHERE = 0,
};

static struct worker_control *control_of(const struct leaders *l, unsigned worker)
{
    return &l->shared->workers[worker].control;
}

static unsigned words(unsigned most)
{
    return most / WORD + 1;
}

size_t leaders_size(unsigned most)
{
    size_t size = sizeof(struct leaders) + (most + 1) * sizeof(struct leaders_place) +
                  2 * words(most) * sizeof(uint64_t);

    return (size + SHARED_CACHE_LINE - 1) / SHARED_CACHE_LINE * SHARED_CACHE_LINE;
}

void leaders_init(struct leaders *l, struct server_shared *shared, unsigned most, unsigned cores)
{
    uintptr_t behind = (uintptr_t)&l->place[most];

    l->shared = shared;
    l->work_fd = -1;
    l->most = most;
    l->cores = cores < most ? cores : most;
    l->limit = l->cores;
    l->marks = (_Atomic uint64_t *)((behind + 7) & ~(uintptr_t)7);
    l->members = l->marks + words(most);
}

bool leaders_change(struct worker_control *control, enum leaders_state from, enum leaders_state to)
{
    uint32_t seen = from;

    return atomic_compare_exchange_strong(&control->state, &seen, to);
}

static void wake(struct worker_control *control)
{
    syscall(SYS_futex, &control->state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool leaders_dismiss(struct worker_control *control)
{
    for (;;) {
        if (leaders_change(control, LEADERS_IDLE, LEADERS_DISMISSED))
            return true;
        if (leaders_change(control, LEADERS_STANDBY, LEADERS_DISMISSED)) {
            wake(control);
            return false;
        }
        if (leaders_change(control, LEADERS_BUSY, LEADERS_DISMISSED) ||
            atomic_load(&control->state) == LEADERS_DISMISSED)
            return false;
    }
}

static void mark(_Atomic uint64_t *marks, unsigned worker)
{
    atomic_fetch_or(&marks[worker / WORD], UINT64_C(1) << worker % WORD);
}

static void unmark(_Atomic uint64_t *marks, unsigned worker)
{
    atomic_fetch_and(&marks[worker / WORD], ~(UINT64_C(1) << worker % WORD));
}

static bool is_marked(const _Atomic uint64_t *marks, unsigned worker)
{
    return atomic_load(&marks[worker / WORD]) >> worker % WORD & 1;
}

/* Wakes that one, if it stands by, and notes that it is on its way. */
static bool summon(struct leaders *l, unsigned worker)
{
    struct worker_control *control = control_of(l, worker);
    uint32_t nobody = 0;

    if (!atomic_compare_exchange_strong(&l->summoned, &nobody, worker + 1))
        return true; /* another is */
    if (leaders_change(control, LEADERS_STANDBY, LEADERS_BUSY)) {
        wake(control);
        return true;
    }
    atomic_store(&l->summoned, 0);
    return false;
}

/* Has one of those who stand by look for a place, the keeper last. The lowest number first: so the
 * same few work, whose memory is warm. One on its way is enough, though others may be faster than
 * it: when it comes to a place and there is another, it summons the next. */
static void wake_one(struct leaders *l)
{
    unsigned slots = atomic_load(&l->shared->slots_used);
    uint32_t keeper;

    for (unsigned i = 0; i * WORD < slots; i++)
        for (uint64_t marks = atomic_load(&l->marks[i]); marks != 0; marks &= marks - 1) {
            if (atomic_load(&l->summoned) != 0 ||
                summon(l, i * WORD + (unsigned)__builtin_ctzll(marks)))
                return;
        }
    keeper = atomic_load(&l->keeper);
    if (keeper != 0)
        (void)summon(l, keeper - 1);
}

/* A free place, counted from 1, or NOWHERE. */
static unsigned free_place(const struct leaders *l)
{
    unsigned limit = atomic_load(&l->limit);

    for (unsigned i = 0; i < limit; i++)
        if (atomic_load(&l->place[i].holder) == 0)
            return i + 1;
    return NOWHERE;
}

static bool take_place(struct leaders *l, unsigned worker)
{
    unsigned place;

    while ((place = free_place(l)) != NOWHERE) {
        uint32_t nobody = 0;

        if (atomic_compare_exchange_strong(&l->place[place - 1].holder, &nobody, worker + 1)) {
            control_of(l, worker)->place = place;
            if (free_place(l) != NOWHERE || atomic_load(&l->keeper) == 0)
                wake_one(l);
            return true;
        }
    }
    return false;
}

/* --- the time --------------------------------------------------------------------- */

/* What the keeper saw of the places in use. */
struct look {
    unsigned free;
    unsigned idle;  /* leaders that wait for an event */
    unsigned slow;  /* that took few events in a tick, if any: they compute, or wait unsaid */
    unsigned stuck; /* of these, that took none */
    bool quiet;     /* no event was taken, no place has changed hands */
};

static struct look look_at(struct leaders *l, unsigned limit)
{
    struct look look = {.quiet = true};

    for (unsigned i = 0; i < limit; i++) {
        struct leaders_place *place = &l->place[i];
        uint32_t holder = atomic_load(&place->holder), events;
        const struct worker_control *control;
        bool same = place->watched == holder;

        place->watched = holder;
        if (holder == 0) {
            look.free++;
            continue;
        }
        expect(holder <= SHARED_SLOTS, "place %u is held by worker %u", i + 1, holder - 1);
        control = control_of(l, holder - 1);
        events = atomic_load(&control->events);
        if (atomic_load(&control->state) == LEADERS_IDLE)
            look.idle++;
        else if (same && events - place->seen <= SLOW) {
            look.slow++;
            look.stuck += events == place->seen;
        }
        if (!same || events != place->seen)
            look.quiet = false;
        place->seen = events;
    }
    return look;
}

/* CPU time of a worker, as the kernel numbers clocks: of a process, for anybody; of a thread, for
 * those of its process. 0: there is none any more. */
static int64_t cpu_ns(const struct worker_stats *worker)
{
    enum { PROCESS = 2, THREAD = 6, ROOM = 8 };
    pid_t pid = atomic_load(&worker->pid), tid = atomic_load(&worker->tid);
    struct timespec used;

    if (clock_gettime(tid == pid ? ~pid * ROOM | PROCESS : ~tid * ROOM | THREAD, &used) < 0)
        return 0;
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

/* Whether the leaders, all slow and the same since the last tick, left the cores time to spare
 * meanwhile; false when it is not known yet. */
static bool have_left_time(struct leaders *l, unsigned limit)
{
    int64_t now_ns = io_now_ns(), used_ns = 0, elapsed_ns = now_ns - l->measured_ns, spent_ns;
    bool known = l->measured_ns != 0;

    for (unsigned i = 0; i < limit; i++) {
        uint32_t holder = atomic_load(&l->place[i].holder);

        if (holder != 0)
            used_ns += cpu_ns(&l->shared->workers[holder - 1]);
    }
    spent_ns = used_ns - l->used_ns;
    l->measured_ns = now_ns;
    l->used_ns = used_ns;
    return known && spent_ns < elapsed_ns * l->cores / 4 * 3;
}

bool leaders_work_waits(const struct leaders *l)
{
    struct pollfd work = {.fd = l->work_fd, .events = POLLIN};

    return poll(&work, 1, 0) > 0;
}

/* By one, so that somebody waits for what comes; where connections wait already, twofold. */
static void raise_limit(struct leaders *l, unsigned limit)
{
    unsigned more = leaders_work_waits(l) ? limit : 1;

    if (more > l->most - limit)
        more = l->most - limit;
    atomic_store(&l->limit, limit + more);
    wake_one(l);
}

static void lower_limit(struct leaders *l)
{
    unsigned limit = atomic_load(&l->limit);

    expect(limit >= l->cores, "%u places are to become fewer, on %u cores", limit, l->cores);
    atomic_store(&l->limit, limit - (limit - l->cores + 3) / 4);
}

/* Takes the places of those who are told of connections and do not come. */
static void replace_idle(struct leaders *l, unsigned limit)
{
    for (unsigned i = 0; i < limit; i++) {
        uint32_t holder = atomic_load(&l->place[i].holder);

        if (holder != 0 && atomic_load(&control_of(l, holder - 1)->state) == LEADERS_IDLE)
            atomic_compare_exchange_strong(&l->place[i].holder, &holder, 0);
    }
    atomic_store(&l->summoned, 0);
    wake_one(l);
}

static void tick(struct leaders *l)
{
    unsigned limit = atomic_load(&l->limit);
    struct look look = look_at(l, limit);

    if (look.free > 0)
        wake_one(l); /* by who freed it, usually */
    l->ignored = look.quiet && leaders_work_waits(l) ? l->ignored + 1 : 0;
    if (l->ignored > MOST_IGNORED)
        replace_idle(l, limit);
    if (look.slow < limit)
        l->measured_ns = 0;
    if (look.slow == limit && (look.stuck == limit || have_left_time(l, limit))) {
        raise_limit(l, limit);
        l->measured_ns = 0;
        l->calm = 0;
    } else if (++l->calm >= CALM_TICKS) {
        lower_limit(l);
        l->calm = 0;
    }
    l->quiet = look.quiet && look.idle == limit && l->ignored == 0 ? l->quiet + 1 : 0;
    if (l->quiet < QUIET_TICKS)
        return;
    atomic_store(&l->limit, l->cores);
    atomic_store(&l->resting, true);
    if (!look_at(l, limit).quiet)
        atomic_store(&l->resting, false);
}

/* --- a worker's life ---------------------------------------------------------------- */

static bool keep_time(struct leaders *l, unsigned worker)
{
    uint32_t nobody = 0;

    if (!atomic_compare_exchange_strong(&l->keeper, &nobody, worker + 1))
        return false;
    l->quiet = 0;
    atomic_store(&l->resting, false);
    return true;
}

/* Until somebody has changed the worker's state. */
static void sleep_on(struct leaders *l, unsigned worker, bool keeps)
{
    const struct timespec a_tick = {.tv_nsec = TICK_NS};
    struct worker_control *control = control_of(l, worker);

    while (atomic_load(&control->state) == LEADERS_STANDBY) {
        bool timed = keeps && !atomic_load(&l->resting);

        syscall(SYS_futex, &control->state, FUTEX_WAIT, LEADERS_STANDBY, timed ? &a_tick : NULL,
                NULL, 0);
        if (timed && atomic_load(&control->state) == LEADERS_STANDBY)
            tick(l);
    }
}

/* Returns when there may be a place, or the worker was dismissed. */
static void stand_by(struct leaders *l, unsigned worker)
{
    struct worker_control *control = control_of(l, worker);
    uint32_t name = worker + 1;
    bool keeps;

    if (!leaders_change(control, LEADERS_BUSY, LEADERS_STANDBY))
        return;
    mark(l->marks, worker);
    keeps = keep_time(l, worker);
    if (keeps)
        unmark(l->marks, worker);
    if (free_place(l) == NOWHERE || !leaders_change(control, LEADERS_STANDBY, LEADERS_BUSY))
        sleep_on(l, worker, keeps);
    unmark(l->marks, worker);
    atomic_compare_exchange_strong(&l->summoned, &name, 0);
    name = worker + 1;
    if (keeps && atomic_compare_exchange_strong(&l->keeper, &name, 0))
        wake_one(l); /* finding no place, it keeps the time */
}

void leaders_enter(struct leaders *l, unsigned worker)
{
    uint32_t state = atomic_load(&control_of(l, worker)->state);

    expect(state == LEADERS_BUSY || state == LEADERS_DISMISSED, "worker %u begins in state %u",
           worker, state);
    control_of(l, worker)->place = NOWHERE;
    control_of(l, worker)->waited = false;
    mark(l->members, worker);
}

static void give_up_place(struct leaders *l, unsigned worker)
{
    struct worker_control *control = control_of(l, worker);
    unsigned place = control->place;
    uint32_t name = worker + 1;

    expect(place <= l->most, "worker %u gives up place %u of %u", worker, place, l->most);
    control->place = NOWHERE;
    if (place != NOWHERE && atomic_compare_exchange_strong(&l->place[place - 1].holder, &name, 0) &&
        place <= atomic_load(&l->limit))
        wake_one(l);
}

/* Whether the worker has a place, and within the limit: another may have got it meanwhile. */
static bool has_place(const struct leaders *l, unsigned worker)
{
    unsigned place = control_of(l, worker)->place;

    return place != NOWHERE && place <= atomic_load(&l->limit) &&
           atomic_load(&l->place[place - 1].holder) == worker + 1;
}

enum leaders_way leaders_join(struct leaders *l, unsigned worker)
{
    struct worker_control *control = control_of(l, worker);
    bool back = control->waited;

    control->waited = false;
    if (has_place(l, worker))
        return LEADERS_WAIT;
    give_up_place(l, worker);
    while (!take_place(l, worker)) {
        if (back)
            return LEADERS_LOOK;
        stand_by(l, worker);
        if (atomic_load(&control->state) == LEADERS_DISMISSED) {
            wake_one(l); /* it may have been summoned */
            return LEADERS_RETURN;
        }
    }
    return LEADERS_WAIT;
}

void leaders_note(struct leaders *l, unsigned worker)
{
    atomic_fetch_add(&control_of(l, worker)->events, 1);
    if (atomic_load(&l->resting)) {
        uint32_t keeper = atomic_load(&l->keeper);

        /* By its state, as a wake-up alone would be lost on one that is about to sleep. Who keeps
         * the time next ends the rest. */
        if (keeper != 0 && leaders_change(control_of(l, keeper - 1), LEADERS_STANDBY, LEADERS_BUSY))
            wake(control_of(l, keeper - 1));
    }
}

void leaders_quit(struct leaders *l, unsigned worker)
{
    control_of(l, worker)->waited = true;
    give_up_place(l, worker);
}

void leaders_watch(struct leaders *l)
{
    unsigned slots = atomic_load(&l->shared->slots_used);
    uint32_t keeper = atomic_load(&l->keeper);
    uint64_t taken = 0;

    for (unsigned i = 0; i < slots; i++)
        if (is_marked(l->members, i))
            taken += atomic_load(&control_of(l, i)->events);
    if (keeper == 0) {
        lower_limit(l); /* all lead, so that nobody keeps the time */
    } else if (taken == l->taken && leaders_work_waits(l)) {
        struct worker_control *control = control_of(l, keeper - 1);

        atomic_store(&l->summoned, 0);
        atomic_compare_exchange_strong(&l->keeper, &keeper, 0);
        if (leaders_change(control, LEADERS_STANDBY, LEADERS_BUSY))
            wake(control); /* if it runs at all, it stands by as the others do */
        wake_one(l);
    }
    l->taken = taken;
}

void leaders_died(struct leaders *l, unsigned worker, bool killed)
{
    uint32_t name = worker + 1;

    unmark(l->members, worker);
    unmark(l->marks, worker);
    atomic_compare_exchange_strong(&l->keeper, &name, 0);
    name = worker + 1;
    atomic_compare_exchange_strong(&l->summoned, &name, 0);
    l->killed |= killed;
}

void leaders_release(struct leaders *l)
{
    unsigned slots = atomic_load(&l->shared->slots_used);

    for (unsigned i = 0; i < l->most && i < slots; i++) {
        uint32_t holder = atomic_load(&l->place[i].holder);

        if (holder != 0 && !is_marked(l->members, holder - 1))
            atomic_compare_exchange_strong(&l->place[i].holder, &holder, 0);
    }
    if (l->killed)
        atomic_store(&l->summoned, 0); /* perhaps by one that did not come to it */
    for (unsigned i = 0; l->killed && i < slots; i++)
        if (is_marked(l->members, i) && atomic_load(&control_of(l, i)->state) == LEADERS_BUSY)
            wake(control_of(l, i));
    l->killed = false;
    wake_one(l);
}
