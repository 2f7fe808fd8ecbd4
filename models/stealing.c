/* SPDX-License-Identifier: MIT
 *
 * stealing: M:N. Coroutines as in coro, on one loop in each of N threads of one process, which
 * steal work from each other: what is ready at a thread that does not come to it is done by one
 * that has time. So a handler that computes, or blocks, holds up nobody's requests but those that
 * its own thread has begun.
 *
 * What is stolen is what has not begun: a connection with input that nobody has read. A coroutine
 * that has begun stays on its thread, suspended or ready, since C compilers do not know that it
 * could move. They keep the address of a thread-local variable wherever they like for as long as a
 * function runs, and glibc declares __errno_location() const. From
 *
 *     int f(void) { int before = errno; suspend(); return before + errno; }
 *
 * gcc 12 and clang 14 make with -O2, for x86-64 and in the same way for AArch64:
 *
 *     call __errno_location; mov %rax,%rbx; mov (%rax),%ebp; call suspend; add (%rbx),%ebp
 *
 * After a migration this reads the errno of the thread left behind, which others change. With
 * -fPIC both do so to any thread-local variable, and no option of theirs forbids it; a rule for
 * handlers would not reach the libraries they call. (Go's compiler knows of its scheduler; a
 * future of Rust's has no stack that could hold such an address.) Besides, timers, watches, who
 * cancels, and a generator on a coroutine's behalf belong to the loop in which it waits, so coro/
 * needs no lock. Code in a coroutine may rely on what it may in coro: it goes on where it was, and
 * nothing of its own thread's runs beside it. Requests run in parallel, as in threads; those of one
 * connection perhaps on different threads, of which each sees what the one before has written.
 *
 * Read this with steal/team.h and steal/ready.h, then steal/lot.c (who may touch a connection),
 * steal/watch.c (who is to be helped) and steal/help.c (how); what loops are made of is in loop/.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "db/db.h"
#include "descriptors.h"
#include "http/context.h"
#include "log.h"
#include "models/model.h"
#include "models/steal/team.h"
#include "server.h"
#include "shortage.h"
#include "system/latch.h"
#include "worker.h"

enum {
    THREAD_STACK = 256 * 1024, /* bytes of address space, of loops; coroutines have their own */
    TICK_MS = 250,
    DRAIN_TICK_MS = 20,
    JOIN_LOOK_MS = 1,
    CUT_OFF_MS = 100,     /* a thread that computes then is not waited for any longer */
    OFFLOAD_THREADS = 4,  /* of each loop */
    DESCRIPTORS_EACH = 5, /* loop, clock, wake-up, epoll set; and a file that is being sent */
};

/* ---- waiting ---------------------------------------------------------------------------- */

static _Thread_local const struct thief *me;

/* A connection's own watch is not used here. */
static int wait_fd(struct io *io, int fd, int events, int64_t deadline_ms)
{
    (void)io;
    return coro_wait_fd(fd, events, deadline_ms);
}

/* As in coro; the thread lists it meanwhile, so that other threads can resume it, by io->resumed
 * and the bell. Nothing of the context is touched by them once io_resume() has returned. */
static int suspend(struct io *io, int64_t deadline_ms)
{
    struct loop_context *x = (struct loop_context *)io;
    struct thief *t = thief_of(x->process);
    int result;

    if (atomic_exchange(&io->resumed, 0) != 0)
        return 0;
    coro_list_append(&t->suspended, &x->suspended);
    result = loop_io_ops.suspend(io, deadline_ms);
    coro_list_remove(&t->suspended, &x->suspended);
    return result;
}

static void resume(struct io *io)
{
    struct thief *t = thief_of(((struct loop_context *)io)->process);

    if (t == me) {
        loop_io_ops.resume(io);
        return;
    }
    atomic_store(&io->resumed, 1);
    if (!atomic_exchange(&t->any_resumed, true))
        coro_notifier_send(t->bell);
}

static void resume_suspended(struct thief *t)
{
    if (!atomic_exchange(&t->any_resumed, false))
        return;
    for (struct coro_link *link = t->suspended.first; link != NULL; link = link->next) {
        struct loop_context *x = CORO_HOLDER(link, struct loop_context, suspended);

        if (atomic_exchange(&x->io.resumed, 0) != 0)
            loop_io_ops.resume(&x->io);
    }
}

/* ---- a thread's loop -------------------------------------------------------------------- */

static void on_lot(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct thief *t = watch->data;

    (void)loop;
    (void)events;
    steal_fetch(t, t, READY_MOST);
    steal_serve_ready(t);
    steal_help(t);
}

static void admit(struct loop_process *p, int fd, const struct in6_addr *client, bool at_once)
{
    struct thief *t = thief_of(p), *home = steal_choose_home(t->team, t);
    struct steal_conn *r = steal_open_conn(t->team, home, fd, client);

    if (at_once && home == t)
        loop_serve(p, &r->c); /* the request is often there already */
    else
        steal_park_new(t->team, r);
}

/* Somebody has something to say. */
static void on_bell(void *arg)
{
    struct thief *t = arg;
    struct loop_process *p = &t->loop;

    resume_suspended(t);
    if (!p->draining && atomic_load(&t->team->draining)) {
        p->draining = true;
        loop_accept_end(p);
        atomic_fetch_add(&t->team->retired, 1);
    }
    if (!p->stopping && atomic_load(&t->team->stopping))
        loop_stop(p, 2 * DRAIN_TICK_MS); /* what has not finished by now is cancelled */
    else
        steal_help(t);
}

static void on_tick(struct coro_loop *loop, struct coro_timer *timer)
{
    struct thief *t = timer->data;
    struct loop_process *p = &t->loop;

    steal_serve_unheard(t);
    loop_serve_queue(p);
    loop_trim_contexts(p);
    atomic_store_explicit(&p->stats->stack_peak, coro_loop_stack_peak(loop), memory_order_relaxed);
}

/* In the thread itself, for a loop belongs to its thread. Returns 0 or a negative errno. */
static int open_loop(struct thief *t)
{
    struct team *team = t->team;
    struct loop_process *p = &t->loop;
    struct loop_context *spare;
    struct coro_loop_config config = {.stack_bytes = team->server->config->stack_size,
                                      .max_tasks = team->server->process_connections +
                                                   loop_max_gathered(team->server),
                                      .offload_threads = OFFLOAD_THREADS};
    int result = context_init(&p->loop_io, &context_never_waits, team->server, p->worker);

    if (result < 0)
        return result;
    p->server = team->server;
    p->stats = p->loop_io.stats;
    p->control = team->server->control;
    p->run = loop_run_context;
    p->ops = &team->ops;
    p->put_back = steal_put_back;
    p->queue_end = &p->queue;
    coro_sem_init(&p->movers, 1);
    t->lot_fd = epoll_create1(EPOLL_CLOEXEC);
    if (t->lot_fd < 0)
        return -errno;
    p->loop = coro_loop_new(&config);
    if (p->loop == NULL)
        return -errno;
    spare = loop_new_context(p); /* when memory is short it serves all that stand in line */
    if (spare == NULL)
        return -ENOMEM;
    loop_keep_context(spare);
    t->bell = coro_notifier_new(p->loop, on_bell, t);
    if (t->bell == NULL)
        return -ENOMEM;
    coro_watch_init(&t->lot, t->lot_fd, CORO_READ, on_lot, t);
    coro_timer_init(&p->tick, on_tick, t);
    coro_timer_start(p->loop, &p->tick, TICK_MS, TICK_MS);
    return coro_watch_start_now(p->loop, &t->lot);
}

static void close_loop(struct thief *t)
{
    coro_notifier_free(t->bell);
    coro_loop_free(t->loop.loop);
    loop_accept_free(&t->loop);
    close(t->lot_fd);
    context_term(&t->loop.loop_io);
}

static void *thread_main(void *arg)
{
    struct thief *t = arg;
    struct loop_process *p = &t->loop;
    int result;

    me = t;
    t->error = open_loop(t);
    pthread_barrier_wait(&t->team->started);
    pthread_barrier_wait(&t->team->started);
    model_begin_worker(&p->loop_io, "loop");
    coro_loop_on_wait(p->loop, steal_note_wait, t);
    result = loop_accept_start(p, admit);
    if (result == 0)
        result = coro_loop_run(p->loop);
    if (result == -ETIMEDOUT && p->stopping)
        _exit(EXIT_SUCCESS); /* requests were cut off where they cannot be cancelled */
    if (result < 0) {
        log_line(LOG_ERROR, "loop %u: %s", p->worker, strerror(-result));
        _exit(EXIT_FAILURE);
    }
    pthread_barrier_wait(&t->team->ended); /* others may have rung its bell until now */
    pthread_mutex_lock(&t->team->ringing); /* and so may the watch, until it has rung them all */
    pthread_mutex_unlock(&t->team->ringing);
    close_loop(t);
    return NULL;
}

/* ---- the process ------------------------------------------------------------------------ */

static int start_threads(struct team *team)
{
    pthread_attr_t attributes;
    int result = 0;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    for (unsigned i = 0; i < team->server->workers && result == 0; i++) {
        struct thief *t = &team->thieves[i];

        t->team = team;
        t->loop.worker = team->first + i;
        result = -pthread_create(&t->thread, &attributes, thread_main, t);
    }
    pthread_attr_destroy(&attributes);
    if (result < 0) {
        log_line(LOG_ERROR, "cannot start a thread of %u: %s", team->server->workers,
                 shortage_of_tasks(-result));
        return result;
    }
    pthread_barrier_wait(&team->started);
    for (unsigned i = 0; i < team->server->workers; i++)
        if (team->thieves[i].error < 0) {
            log_line(LOG_ERROR, "loop %u: %s", team->first + i, strerror(-team->thieves[i].error));
            return team->thieves[i].error;
        }
    return 0;
}

/* Says something to all threads. */
static void announce(struct team *team, _Atomic bool *what)
{
    pthread_mutex_lock(&team->ringing);
    atomic_store(what, true);
    for (unsigned i = 0; i < team->server->workers; i++)
        coro_notifier_send(team->thieves[i].bell);
    pthread_mutex_unlock(&team->ringing);
}

/* What the watch accepts is for others to serve. */
static void admit_last(struct loop_process *p, int fd, const struct in6_addr *client, bool at_once)
{
    struct team *team = (struct team *)((char *)p - offsetof(struct team, watch));
    struct steal_conn *r = steal_open_conn(team, steal_choose_home(team, NULL), fd, client);

    (void)at_once;
    steal_park_new(team, r);
}

static void tick(struct team *team)
{
    struct server *server = team->server;

    if (!team->still)
        atomic_store(&server->control->beat_ms, io_now_ms());
    team->still = atomic_load(&team->watching); /* until it is seen otherwise: who sleeps is well */
    steal_sweep(team);
    worker_look_spent(server, team->first, server->workers);
}

/* There are connections, or may still be. */
static bool has_connections(const struct team *team)
{
    bool accepts = atomic_load(&team->retired) < team->server->workers;
    uint64_t open = 0;

    for (unsigned i = 0; i <= team->server->workers; i++) {
        const struct worker_stats *stats = &team->server->shared->workers[team->first + i];

        open += stats_get(&stats->accepted) - stats_get(&stats->closed);
    }
    return accepts || open != 0;
}

/* The watch's work, until its process has drained or its time is up. */
static void watch_until_drained(struct team *team, const struct worker_process *self)
{
    const struct worker_control *control = team->server->control;

    do
        tick(team);
    while (!server_told_to_finish(team->server) && !steal_watch(team, self->stop_fd, TICK_MS));
    announce(team, &team->draining);
    do {
        if (atomic_load(&control->take_backlog) && !atomic_load(&control->backlog_taken) &&
            loop_accept_rest(&team->watch))
            worker_backlog_taken(team->server);
        tick(team);
        (void)steal_watch(team, -1, DRAIN_TICK_MS);
    } while (has_connections(team) && io_now_ms() < server_drain_deadline(team->server));
    announce(team, &team->stopping);
}

/* Waits for all threads to end, which have nothing to do or are cancelled; false when one of them
 * does not, as it computes. */
static bool join_threads(const struct team *team)
{
    int64_t until = io_now_ms() + CUT_OFF_MS;

    for (unsigned i = 0; i < team->server->workers; i++)
        while (pthread_tryjoin_np(team->thieves[i].thread, NULL) != 0) {
            if (io_now_ms() >= until)
                return false;
            poll(NULL, 0, JOIN_LOOK_MS);
        }
    return true;
}

static void resolve_connections(struct server *server)
{
    descriptors_resolve(server, 1, server->workers * DESCRIPTORS_EACH);
}

/* Everything but the threads. Returns 0 or a negative errno; close_team() in either case. */
static int open_team(struct team *team)
{
    struct server *server = team->server;
    struct loop_process *watch = &team->watch;
    int result =
        context_init(&watch->loop_io, &context_never_waits, server, team->first + server->workers);

    watch->server = server;
    watch->stats = watch->loop_io.stats;
    watch->admit = admit_last;
    team->ops = loop_io_ops;
    team->ops.model = "stealing";
    team->ops.wait = wait_fd;
    team->ops.suspend = suspend;
    team->ops.resume = resume;
    pthread_barrier_init(&team->started, NULL, server->workers + 1);
    pthread_barrier_init(&team->ended, NULL, server->workers);
    pthread_mutex_init(&team->ringing, NULL);
    team->thieves = aligned_alloc(SHARED_CACHE_LINE, server->workers * sizeof *team->thieves);
    team->awake_fd = latch_new();
    if (result < 0 || team->awake_fd < 0)
        return result < 0 ? result : team->awake_fd;
    if (team->thieves == NULL)
        return -ENOMEM;
    memset(team->thieves, 0, server->workers * sizeof *team->thieves);
    result = steal_open_lot(team);
    resolve_connections(server);
    return result;
}

static void close_team(struct team *team)
{
    steal_close_lot(team);
    free(team->thieves);
    pthread_barrier_destroy(&team->started);
    pthread_barrier_destroy(&team->ended);
    pthread_mutex_destroy(&team->ringing);
    if (team->awake_fd >= 0)
        close(team->awake_fd);
    context_term(&team->watch.loop_io);
}

static int work(struct server *server, const struct worker_process *self, void *arg)
{
    struct team team = {.server = server, .first = self->first};
    int result = open_team(&team);

    (void)arg;
    /* As in coro: buffers go back to the kernel when they are freed. */
    mallopt(M_MMAP_THRESHOLD, HTTP_OUT_SIZE);
    if (result < 0) {
        log_line(LOG_ERROR, "cannot make the team: %s", strerror(-result));
        close_team(&team);
        return EXIT_FAILURE;
    }
    if (start_threads(&team) < 0)
        _exit(EXIT_FAILURE); /* those that did start wait for the others */
    worker_ready(server, self);
    pthread_barrier_wait(&team.started);
    watch_until_drained(&team, self);
    if (!join_threads(&team))
        _exit(EXIT_SUCCESS); /* requests are cut off where they do not wait */
    close_team(&team);
    return EXIT_SUCCESS;
}

static int stealing_open(struct server *server, const struct model_plan *before,
                         struct model_plan *plan)
{
    (void)before;
    resolve_connections(server);
    plan->processes = 1;
    plan->slots_each = server->workers + 1; /* the watch's as well */
    return 0;
}

static int stealing_check(const struct config *config, char *error, size_t error_size)
{
    if (config->dispatch == DISPATCH_CONNECTION) {
        snprintf(error, error_size,
                 "--dispatch=connection: a coroutine that has begun stays on its thread, and a "
                 "connection would with it: --model=stealing has request only");
        return -EINVAL;
    }
    if (config->pool == POOL_NONE) {
        snprintf(error, error_size,
                 "--pool=none: only --model=prefork, threads and coro make what serves anew, not "
                 "stealing");
        return -EINVAL;
    }
    return model_check_coroutines(config, error, error_size);
}

const struct model stealing_model = {
    .name = "stealing",
    .summary = "a pool of coroutines on an event loop in each of a few threads: a request that its "
               "thread does not come to is taken by another",
    .workers_per_core = 1,
    .work = work,
    .check = stealing_check,
    .open = stealing_open,
};
