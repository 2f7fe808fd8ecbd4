/* SPDX-License-Identifier: MIT
 *
 * process.h: what a new process is given and keeps, how it is told to finish, and when another is
 * started in its place. The processes are real, what they do is small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "io.h"
#include "models/model.h"
#include "master/process.h"
#include "system/latch.h"
#include "worker.h"

enum { SLOTS_EACH = 3, FIRST = 5, NUMBER = 2, STATUS = 7, FOREIGN = 1, OWN = 2 };

/* What the worker process saw. */
struct seen {
    struct worker_process self;
    unsigned control_of; /* the slot that its control block is in */
    unsigned number;
    bool open[3]; /* the gate, a foreign descriptor, its own */
    struct sigaction usr1, usr2, term;
    sigset_t blocked;
    _Atomic unsigned interrupted;
};

struct scene {
    struct config config;
    struct server server;
    struct model model;
    struct model_plan plan;
    struct process_start with;
    struct process process;
    struct seen *seen; /* in memory that it shares */
    int fds[3];
};

static const struct shared_pool_ops as_master; /* what there is of it is called by others */

static int report(struct server *server, const struct worker_process *self, void *arg)
{
    const struct scene *s = arg;
    struct seen *seen = s->seen;
    const char *slots = (const char *)server->shared->workers;

    seen->self = *self;
    seen->control_of = (unsigned)(((const char *)server->control - slots) /
                                  (ptrdiff_t)sizeof(struct worker_stats));
    seen->number = server->process;
    for (int i = 0; i < 3; i++)
        seen->open[i] = fcntl(s->fds[i], F_GETFD) >= 0;
    sigaction(SIGUSR1, NULL, &seen->usr1);
    sigaction(SIGUSR2, NULL, &seen->usr2);
    sigaction(SIGTERM, NULL, &seen->term);
    sigprocmask(SIG_SETMASK, NULL, &seen->blocked);
    return STATUS;
}

/* Waits for its stop descriptor, and counts what interrupts it. */
static int wait_for_stop(struct server *server, const struct worker_process *self, void *arg)
{
    struct pollfd stop = {.fd = self->stop_fd, .events = POLLIN};
    const struct scene *s = arg;

    atomic_store(&server->control->ready, true);
    while (poll(&stop, 1, -1) < 0)
        atomic_fetch_add(&s->seen->interrupted, 1);
    return EXIT_SUCCESS;
}

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -1;
    s->server.config = &s->config;
    s->server.descriptors = 1024;
    s->server.shared = shared_new();
    s->seen =
        mmap(NULL, sizeof *s->seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 3; i++)
        s->fds[i] = latch_new();
    s->model.work = report;
    s->server.model = &s->model;
    s->plan = (struct model_plan){.slots_each = SLOTS_EACH, .arg = s};
    s->with = (struct process_start){
        .server = &s->server, .plan = &s->plan, .gate_fd = s->fds[0], .stop_fd = latch_new()};
    sigemptyset(&s->with.mask);
    kept_add(&s->with.kept, s->fds[0]);
    kept_add(&s->with.kept, s->with.stop_fd);
    kept_add(&s->with.kept, s->fds[OWN]);
    s->process = (struct process){.used = true, .first = FIRST, .number = NUMBER};
    *state = s;
    return s->server.shared == NULL || s->seen == MAP_FAILED ? -1 : 0;
}

static int end(void **state)
{
    struct scene *s = *state;

    for (int i = 0; i < 3; i++)
        close(s->fds[i]);
    close(s->with.stop_fd);
    munmap(s->seen, sizeof *s->seen);
    shared_free(s->server.shared);
    free(s);
    return 0;
}

static int status_of(const struct scene *s)
{
    int status;

    assert_int_equal(waitpid(s->process.pid, &status, 0), s->process.pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const struct seen *start(struct scene *s)
{
    assert_int_equal(process_start(&s->process, &s->with), 0);
    assert_true(s->process.pid > 0);
    assert_int_equal(status_of(s), STATUS); /* what work() returned */
    return s->seen;
}

static void start_waiting(struct scene *s,
                          int (*work)(struct server *, const struct worker_process *, void *))
{
    s->model.work = work;
    assert_int_equal(process_start(&s->process, &s->with), 0);
    while (!atomic_load(&process_control(&s->process, &s->server)->ready))
        sched_yield();
}

/* ---- starting ------------------------------------------------------------------------------ */

static void it_is_told_who_it_is(void **state)
{
    struct scene *s = *state;
    int64_t before = io_now_ms();
    const struct seen *seen;

    s->process.heart.stopped = true; /* the last one there was */
    seen = start(s);
    assert_false(s->process.heart.stopped);
    assert_int_equal(seen->self.first, FIRST);
    assert_int_equal(seen->self.stop_fd, s->with.stop_fd);
    assert_int_equal(seen->self.gate_fd, s->fds[0]);
    assert_int_equal(seen->control_of, FIRST);
    assert_int_equal(seen->number, NUMBER);
    assert_in_range(s->process.started_ms, before, io_now_ms());
    assert_null(s->server.control); /* the master's own server stays as it is */
}

static void it_keeps_what_is_listed(void **state)
{
    struct scene *s = *state;
    const struct seen *seen = start(s);

    assert_true(seen->open[0]);
    assert_true(seen->open[OWN]);
    assert_false(seen->open[FOREIGN]);
    assert_true(fcntl(s->fds[FOREIGN], F_GETFD) >= 0); /* in the master it stays */
}

static void a_shared_table_is_left_alone(void **state)
{
    struct scene *s = *state;
    const struct seen *seen;

    s->plan.shared = &as_master;
    seen = start(s);
    assert_true(seen->open[FOREIGN]);
    assert_true(fcntl(s->fds[FOREIGN], F_GETFD) >= 0);
}

static int open_one(struct server *server, const struct worker_process *self, void *arg)
{
    const struct scene *s = arg;

    (void)server;
    (void)self;
    return dup2(s->fds[OWN], s->fds[FOREIGN]) < 0 ? EXIT_FAILURE : STATUS;
}

/* What one opens is open in the other, or not. */
static void the_table_is_shared_where_the_plan_says_so(void **state)
{
    struct scene *s = *state;
    struct pollfd foreign = {.fd = s->fds[FOREIGN], .events = POLLIN};

    latch_set(s->fds[OWN]);
    s->model.work = open_one;
    start(s);
    assert_int_equal(poll(&foreign, 1, 0), 0);
    s->plan.shared = &as_master;
    start(s);
    assert_int_equal(poll(&foreign, 1, 0), 1);
}

/* The last in the slots was of another model, and was killed in the middle of something. */
static void its_slots_begin_anew(void **state)
{
    struct scene *s = *state;
    struct server_shared *shared = s->server.shared;
    struct worker_control *control = process_control(&s->process, &s->server);

    *control = (struct worker_control){.draining = true,
                                       .take_backlog = true,
                                       .ready = true,
                                       .backlog_taken = true,
                                       .spent = true,
                                       .deadline_ms = 1,
                                       .idle_until_ms = 2,
                                       .beat_ms = 3};
    for (unsigned i = FIRST - 1; i <= FIRST + SLOTS_EACH; i++) {
        atomic_store(&shared->workers[i].control.state, 1);
        atomic_store(&shared->workers[i].accepted, 9);
        atomic_store(&shared->workers[i].closed, 4);
    }
    start(s);
    assert_false(control->draining || control->take_backlog || control->ready ||
                 control->backlog_taken || control->spent);
    assert_int_equal(control->deadline_ms + control->idle_until_ms + control->beat_ms, 0);
    for (unsigned i = FIRST - 1; i <= FIRST + SLOTS_EACH; i++) {
        bool others = i < FIRST || i == FIRST + SLOTS_EACH;

        assert_int_equal(shared->workers[i].control.state, others);
        assert_int_equal(shared->workers[i].closed, others ? 4 : 9);
    }
    assert_int_equal(shared_slots(shared), FIRST + SLOTS_EACH);
    s->process.first = 0;
    start(s);
    assert_int_equal(shared_slots(shared), FIRST + SLOTS_EACH); /* the highest ever */
}

static void signals_are_the_masters_business(void **state)
{
    struct scene *s = *state;
    const struct seen *seen;

    sigaddset(&s->with.mask, SIGALRM);
    sigaddset(&s->with.mask, SIGUSR1); /* as whoever started the server may have blocked them */
    sigaddset(&s->with.mask, SIGUSR2);
    for (int shared = 0; shared < 2; shared++) {
        s->plan.shared = shared ? &as_master : NULL;
        seen = start(s);
        assert_true(seen->term.sa_handler == SIG_IGN);
        assert_int_equal(seen->usr1.sa_handler == SIG_IGN, shared);
        assert_int_equal(seen->usr2.sa_handler == SIG_IGN, !shared);
        assert_true(seen->usr1.sa_handler != SIG_DFL && seen->usr2.sa_handler != SIG_DFL);
        assert_true(sigismember(&seen->blocked, SIGALRM));
        assert_false(sigismember(&seen->blocked, SIGUSR1));
        assert_false(sigismember(&seen->blocked, SIGUSR2));
    }
}

/* ---- telling ------------------------------------------------------------------------------- */

static void it_is_told_to_finish(void **state)
{
    struct scene *s = *state;
    struct worker_control *control = process_control(&s->process, &s->server);
    struct retirement times = {.idle_until_ms = 10, .cut_ms = 20, .kill_ms = 30};

    process_retire(&s->process, &s->server, &times, true);
    assert_true(s->process.retiring);
    assert_int_equal(s->process.end_ms, 30);
    assert_true(control->draining && control->take_backlog);
    assert_int_equal(control->deadline_ms, 20);
    assert_int_equal(control->idle_until_ms, 10);
    times = (struct retirement){.idle_until_ms = 11, .cut_ms = 21, .kill_ms = 31};
    process_retire(&s->process, &s->server, &times, false);
    assert_int_equal(s->process.end_ms, 30); /* never later than it was told before */
    assert_false(control->take_backlog);
    times.kill_ms = 29;
    process_dismissed(&s->process, &times, false);
    assert_int_equal(s->process.end_ms, 29);
}

/* The signal is sent again and again: one sent before the wait has no effect on it. */
static void one_that_only_a_signal_reaches_is_nudged(void **state)
{
    const struct retirement times = {.kill_ms = 30};
    struct scene *s = *state;

    s->plan.shared = &as_master;
    start_waiting(s, wait_for_stop);
    process_dismissed(&s->process, &times, true);
    assert_false(process_control(&s->process, &s->server)->draining);
    for (unsigned times_seen = 1; times_seen <= 3; times_seen++)
        while (atomic_load(&s->seen->interrupted) < times_seen)
            process_nudge(&s->process);
    process_dismissed(&s->process, &times, false); /* told again, it stays the same */
    assert_true(s->process.nudge);
    latch_set(s->with.stop_fd);
    assert_int_equal(status_of(s), EXIT_SUCCESS);
    (void)setpgid(0, 0); /* whose processes a signal to process 0 would reach */
    s->process.pid = 0;
    process_nudge(&s->process);
}

/* Waits likewise, and says whether a nudge has come: STATUS. */
static int say_pending(struct server *server, const struct worker_process *self, void *arg)
{
    sigset_t nudge;

    sigemptyset(&nudge);
    sigaddset(&nudge, SIGUSR2);
    sigprocmask(SIG_BLOCK, &nudge, NULL);
    wait_for_stop(server, self, arg);
    sigpending(&nudge);
    return sigismember(&nudge, SIGUSR2) ? STATUS : EXIT_SUCCESS;
}

static void only_one_that_needs_it_is_nudged(void **state)
{
    const struct retirement times = {.kill_ms = 30};
    struct scene *s = *state;

    s->plan.shared = &as_master;
    for (int nudge = 0; nudge < 2; nudge++) {
        start_waiting(s, say_pending);
        process_dismissed(&s->process, &times, nudge);
        if (!nudge)
            process_nudge(&s->process);
        latch_set(s->with.stop_fd);
        assert_int_equal(status_of(s), nudge ? STATUS : EXIT_SUCCESS);
        latch_unset(s->with.stop_fd);
    }
}

/* ---- ending -------------------------------------------------------------------------------- */

static void pauses_double_while_it_dies_soon(void **state)
{
    static const int PAUSES[] = {0, 10, 20, 40, 80, 160, 320, 500, 500};
    struct process *p = &((struct scene *)*state)->process;

    for (size_t i = 0; i < sizeof PAUSES / sizeof PAUSES[0]; i++) {
        int64_t now = io_now_ms();

        p->pid = 1;
        p->started_ms = now - 500;
        assert_int_equal(process_ended(p), PAUSES[i]);
        assert_int_equal(p->pid, 0);
        assert_in_range(p->due_ms, now + PAUSES[i], io_now_ms() + PAUSES[i]);
    }
    p->started_ms = io_now_ms() - 1000; /* one that has lived is replaced at once */
    assert_int_equal(process_ended(p), 0);
    p->started_ms = io_now_ms();
    assert_int_equal(process_ended(p), 10);
}

static void its_end_is_described(void **state)
{
    char text[80];

    (void)state;
    process_describe_end(text, sizeof text, SIGKILL);
    assert_string_equal(text, "was killed by signal 9 (Killed)");
    process_describe_end(text, sizeof text, 3 << 8);
    assert_string_equal(text, "exited with status 3");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_told_who_it_is),
        TEST(it_keeps_what_is_listed),
        TEST(a_shared_table_is_left_alone),
        TEST(the_table_is_shared_where_the_plan_says_so),
        TEST(its_slots_begin_anew),
        TEST(signals_are_the_masters_business),
        TEST(it_is_told_to_finish),
        TEST(one_that_only_a_signal_reaches_is_nudged),
        TEST(only_one_that_needs_it_is_nudged),
        TEST(pauses_double_while_it_dies_soon),
        TEST(its_end_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
