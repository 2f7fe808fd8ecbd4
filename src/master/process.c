/* SPDX-License-Identifier: MIT
 *
 * Starting, telling and timing worker processes.
 */
#include "master/process.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io.h"
#include "models/model.h"
#include "worker.h"

enum {
    /* A worker that ends within this time after its start is started again only after a pause,
     * which doubles each time. */
    QUICK_DEATH_MS = 1000,
    FIRST_PAUSE_MS = 10,
    LONGEST_PAUSE_MS = 500,
};

static void do_nothing(int number)
{
    (void)number;
}

/* Whose access log is opened anew at SIGUSR1: nothing else tells a handler. */
static struct server *logging;

static void reopen_log(int number)
{
    (void)number;
    server_reopen_log(logging);
}

/*
 * Signals are the master's business, but for two that it sends. SIGUSR1, for a process with a
 * descriptor table of its own, opens the access log anew whatever the process is doing: an idle
 * or a busy one must not keep the old file, and its disk space, for hours. SIGUSR2 is
 * process_nudge()'s. SIGUSR1 is never ignored where it is used: that would lose one sent since the
 * fork.
 */
static void take_signals(const struct process_start *with)
{
    static const int IGNORED[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    const struct sigaction interrupt = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
    const struct sigaction reopen = {.sa_handler = reopen_log, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigset_t open = with->mask;

    logging = with->server;
    for (size_t i = 0; i < sizeof IGNORED / sizeof IGNORED[0]; i++)
        signal(IGNORED[i], SIG_IGN);
    if (with->plan->shared != NULL) {
        signal(SIGUSR1, SIG_IGN);
        sigaction(SIGUSR2, &interrupt, NULL);
    } else {
        sigaction(SIGUSR1, &reopen, NULL);
        signal(SIGUSR2, SIG_IGN);
    }
    sigdelset(&open, SIGUSR1); /* whatever the server was started with */
    sigdelset(&open, SIGUSR2);
    sigprocmask(SIG_SETMASK, &open, NULL);
}

/* In the new process, whose life is the master's business too. */
static void become_worker(const struct process *p, struct process_start *with, pid_t master_pid)
{
    take_signals(with);
    prctl(PR_SET_TIMERSLACK, 1UL); /* waits are measured here: not 50 us late for economy */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master_pid)
        _exit(EXIT_FAILURE); /* it died before the line above */
    with->server->control = process_control(p, with->server);
    with->server->process = p->number;
    with->server->seat = p->seat;
    /* Connections of workers that share the master's table would be kept open by a copy of it, and
     * so would logs of other generations, and their disk space taken. */
    if (with->plan->shared == NULL)
        kept_close_others(&with->kept, with->server->descriptors);
}

static pid_t new_process(bool share_descriptors)
{
    if (!share_descriptors)
        return fork();
    /* Not glibc's clone(): a copy of this stack is wanted, as fork() gives. */
    return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
}

/* For a new process in the slots, perhaps of another model than the last. */
static void reset(const struct process *p, const struct process_start *with)
{
    struct worker_control *control = process_control(p, with->server);
    struct server_shared *shared = with->server->shared;
    unsigned end = p->first + with->plan->slots_each;

    if (end > atomic_load(&shared->slots_used))
        atomic_store(&shared->slots_used, end);
    for (unsigned i = p->first; i < end; i++) {
        struct worker_stats *stats = &shared->workers[i];

        /* Where connections pass between workers, these do not add up. */
        atomic_store(&stats->closed, atomic_load(&stats->accepted));
        /* Each thread has a state of its own, and who was killed while idle has left it so. */
        atomic_store(&stats->control.state, 0);
    }
    atomic_store(&control->draining, false);
    atomic_store(&control->take_backlog, false);
    atomic_store(&control->ready, false);
    atomic_store(&control->backlog_taken, false);
    atomic_store(&control->spent, false);
    atomic_store(&control->deadline_ms, 0);
    atomic_store(&control->idle_until_ms, 0);
    atomic_store(&control->beat_ms, 0);
}

int process_start(struct process *p, struct process_start *with)
{
    const struct model_plan *plan = with->plan;
    pid_t master_pid = getpid();
    pid_t pid;

    reset(p, with);
    heartbeat_init(&p->heart);
    pid = new_process(plan->shared != NULL);
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        struct worker_process self = {p->first, with->stop_fd, with->gate_fd};

        become_worker(p, with, master_pid);
        exit(with->server->model->work(with->server, &self, plan->arg));
    }
    p->pid = pid;
    p->started_ms = io_now_ms();
    return 0;
}

void process_order(struct worker_control *control, const struct retirement *times,
                   bool take_backlog)
{
    atomic_store(&control->deadline_ms, times->cut_ms);
    atomic_store(&control->idle_until_ms, times->idle_until_ms);
    atomic_store(&control->take_backlog, take_backlog);
    atomic_store(&control->draining, true);
}

static void kill_at(struct process *p, int64_t kill_ms)
{
    if (!p->retiring || kill_ms < p->end_ms)
        p->end_ms = kill_ms;
    p->retiring = true;
}

void process_retire(struct process *p, const struct server *server, const struct retirement *times,
                    bool take_backlog)
{
    kill_at(p, times->kill_ms);
    process_order(process_control(p, server), times, take_backlog);
}

void process_dismissed(struct process *p, const struct retirement *times, bool nudge)
{
    kill_at(p, times->kill_ms);
    p->nudge |= nudge;
    process_nudge(p);
}

void process_nudge(const struct process *p)
{
    if (p->nudge && p->pid != 0)
        kill(p->pid, SIGUSR2);
}

int process_ended(struct process *p)
{
    int64_t now = io_now_ms();
    int pause;

    if (now - p->started_ms >= QUICK_DEATH_MS)
        p->pause_ms = 0;
    pause = p->pause_ms;
    p->pid = 0;
    p->due_ms = now + pause;
    p->pause_ms = pause == 0 ? FIRST_PAUSE_MS : 2 * pause;
    if (p->pause_ms > LONGEST_PAUSE_MS)
        p->pause_ms = LONGEST_PAUSE_MS;
    return pause;
}

void process_describe_end(char *out, size_t size, int status)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}
