/* SPDX-License-Identifier: MIT
 *
 * See generator.h. The dispatcher makes the window; a timer looks now and then at what only time
 * brings about: requests that are too old, the end.
 */
#include "load/generator.h"

#include <errno.h>
#include <math.h>

#include "coro/wait.h"

enum {
    TICK_MS = 10,
    TURN_MOST_NS = 20000, /* a turn in vain takes 1 us; in a longer one the core was not its own */
    LATE_MS = 1000,    /* so long after the window what was due in it is taken up; its lag tells */
    QUEUE_BATCH = 256, /* requests that begin to wait in one turn of the loop */
    STACK_BYTES = 16384,
};

static int64_t ns_of(double seconds)
{
    return (int64_t)(seconds * 1e9);
}

/* ---- the window ---- */

static void begin_window(struct generator *g)
{
    g->measuring = true;
    g->before = cpu_time_now();
    g->idle_ns = 0;
}

static void note_seconds(struct generator *g, int64_t now_ns)
{
    for (; now_ns >= g->second_ns && g->second_ns <= g->end_ns; g->second_ns += ns_of(1)) {
        if (figures_add_backlog(g->figures, requests_oldest_ns(&g->requests, now_ns)) < 0)
            g->error = -ENOMEM;
    }
}

static void end_window(struct generator *g, int64_t now_ns)
{
    int64_t until_ns = now_ns < g->end_ns ? now_ns : g->end_ns;
    double took_ns = (double)(now_ns - g->window_ns);
    struct cpu_time after = cpu_time_now();

    note_seconds(g, now_ns);
    g->draining = true;
    g->figures->stopped = (enum figures_stop)atomic_load(&g->control->stop);
    requests_close(&g->requests, until_ns);
    if (!g->measuring)
        return; /* stopped in the ramp */
    g->figures->seconds = (double)(until_ns - g->window_ns) / 1e9;
    /* A kernel may count less than passes: what interrupts took, and what it could not tell. */
    g->figures->busy = fmax(0, (double)(after.ran_ns - g->before.ran_ns - g->idle_ns) / took_ns);
    g->figures->waited = fmax(0, (double)(after.waited_ns - g->before.waited_ns) / took_ns);
}

/* ---- the dispatcher ---- */

static void on_wake(struct coro_loop *loop, struct coro_timer *timer)
{
    struct generator *g = timer->data;

    (void)loop;
    coro_unpark(g->dispatcher);
}

/* There is time to sleep, which would not make an answer late that is likely to come soon. */
static bool can_sleep(const struct generator *g, int64_t now_ns, int64_t due_ns)
{
    return due_ns - now_ns > g->spin_ns &&
           (now_ns - g->sent_ns > g->spin_ns || !requests_pending(&g->requests));
}

/* Lets the loop have its turn, or sleep, until something is due. Returns the time. */
static int64_t wait(struct generator *g, int64_t now_ns, int64_t due_ns)
{
    uint64_t events = g->all.events;
    int64_t then_ns;

    if (can_sleep(g, now_ns, due_ns)) {
        coro_timer_start_at(g->loop, &g->wake, due_ns - g->spin_ns);
        (void)!coro_park(CORO_FOREVER); /* who calls looks at what has become of it */
        return coro_now_ns();
    }
    (void)!coro_pause();
    then_ns = coro_now_ns();
    if (g->all.events == events && then_ns - now_ns < TURN_MOST_NS)
        g->idle_ns += then_ns - now_ns;
    return then_ns;
}

/* Makes all requests of the schedule until it, or the run, ends. Returns the time. */
static int64_t make_requests(struct generator *g)
{
    int64_t now_ns = coro_now_ns();

    while (g->error == 0 && atomic_load_explicit(&g->control->stop, memory_order_relaxed) == 0) {
        int64_t due_ns = requests_next_ns(&g->requests);

        if (!g->measuring && now_ns >= g->window_ns)
            begin_window(g);
        if (now_ns >= g->late_ns || (due_ns == INT64_MAX && now_ns >= g->end_ns))
            break;
        if (due_ns > now_ns) {
            now_ns = wait(g, now_ns, due_ns < g->end_ns ? due_ns : g->end_ns);
            continue;
        }
        g->sent_ns = now_ns;
        if (!connections_send(&g->all, now_ns)) {
            g->error = requests_queue(&g->requests, now_ns);
            if (g->requests.count % QUEUE_BATCH == 0)
                (void)!coro_pause(); /* however many are due, answers are read */
        }
        now_ns = coro_now_ns();
    }
    return now_ns;
}

/* Waits for what is out. */
static void drain(struct generator *g)
{
    int64_t until_ns = coro_now_ns() + ns_of(g->options->drain_s);

    while (requests_pending(&g->requests) && coro_now_ns() < until_ns &&
           !atomic_load(&g->control->at_once)) {
        if (coro_sleep(1) < 0)
            break;
    }
}

static void *dispatch(void *arg)
{
    struct generator *g = arg;

    end_window(g, make_requests(g));
    drain(g);
    requests_abandon(&g->requests, coro_now_ns());
    coro_timer_stop(g->loop, &g->wake);
    coro_timer_stop(g->loop, &g->tick);
    coro_loop_stop(g->loop, CORO_FOREVER);
    return NULL;
}

/* ---- what time brings about ---- */

static void give_up(struct generator *g)
{
    int running = FIGURES_NOT_STOPPED;

    if (atomic_compare_exchange_strong(&g->control->stop, &running, FIGURES_GIVE_UP))
        atomic_store(&g->control->at_once, true);
}

static void on_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    struct generator *g = timer->data;
    const struct options *options = g->options;
    int64_t now_ns = coro_now_ns(), before_ns = now_ns - ns_of(options->timeout_s), oldest_ns;

    (void)loop;
    requests_expire(&g->requests, now_ns, before_ns);
    connections_expire(&g->all, before_ns);
    oldest_ns = requests_oldest_ns(&g->requests, now_ns);
    if (!g->draining) {
        note_seconds(g, now_ns);
        if (options->give_up_s > 0 && oldest_ns > ns_of(options->give_up_s))
            give_up(g);
    }
    atomic_store_explicit(&g->gauge.answered, g->figures->answered, memory_order_relaxed);
    atomic_store_explicit(&g->gauge.oldest_ns, oldest_ns, memory_order_relaxed);
    atomic_store_explicit(&g->gauge.shortage, g->all.shortage, memory_order_relaxed);
    atomic_store_explicit(&g->gauge.connections, g->all.open, memory_order_relaxed);
    if (atomic_load_explicit(&g->control->stop, memory_order_relaxed) != 0)
        coro_unpark(g->dispatcher); /* it may sleep for long */
}

/* ---- the whole ---- */

static int begin(struct generator *g)
{
    const struct options *options = g->options;
    const struct arrivals_plan plan = {.rate = options->rate,
                                       .duration_s = options->duration_s,
                                       .ramp_s = options->ramp_s,
                                       .spacing = options->spacing,
                                       .seed = options->seed,
                                       .share = g->share,
                                       .shares = g->shares,
                                       .weights = g->target->weights,
                                       .paths = g->target->paths};
    const struct coro_loop_config config = {.stack_bytes = STACK_BYTES};
    int result;

    g->window_ns = g->start_ns + ns_of(options->ramp_s);
    g->end_ns = g->window_ns + ns_of(options->duration_s);
    g->late_ns = g->end_ns + coro_ms_to_ns(LATE_MS);
    g->second_ns = g->window_ns + ns_of(1);
    g->spin_ns = ns_of(options->spin_us / 1e6);
    result = requests_init(&g->requests, &plan, g->start_ns, g->figures);
    if (result < 0)
        return result;
    g->loop = coro_loop_new(&config);
    if (g->loop == NULL)
        return -errno;
    g->all = (struct connections){.loop = g->loop,
                                  .requests = &g->requests,
                                  .figures = g->figures,
                                  .target = g->target,
                                  .first = g->first,
                                  .most = g->connections};
    result = connections_init(&g->all);
    if (result < 0)
        return result;
    g->dispatcher = coro_spawn(g->loop, dispatch, g, "dispatcher");
    if (g->dispatcher == NULL)
        return -errno;
    coro_timer_init(&g->wake, on_wake, g);
    coro_timer_init(&g->tick, on_tick, g);
    coro_timer_start(g->loop, &g->tick, TICK_MS, TICK_MS);
    return 0;
}

int generator_run(struct generator *g)
{
    int result = begin(g);

    if (result == 0)
        result = coro_loop_run(g->loop);
    coro_loop_free(g->loop);
    connections_term(&g->all);
    requests_term(&g->requests);
    return result < 0 ? result : g->error;
}
