/* SPDX-License-Identifier: MIT
 *
 * The master's loop: wait for a signal or a worker's message, at most until the
 * next tick; start what is due; look whether draining has ended.
 */
#include "models/master.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/db.h"
#include "io.h"
#include "log.h"
#include "server.h"
#include "service.h"

enum {
    TICK_MS = 250,
    DRAIN_TICK_MS = 20,
    /* A worker that ends within this time after its start is started again only after a pause,
     * which doubles each time. */
    QUICK_DEATH_MS = 1000,
    FIRST_PAUSE_MS = 10,
    LONGEST_PAUSE_MS = 500,
    /* Time kept back of --shutdown-timeout: a tenth, at most this. In its first half workers cut
     * off what they still serve, in its second those that are left are killed and reaped. */
    SHUTDOWN_RESERVE_MS = 500,
    /* How long the listening socket stays open for busy workers to take what waits to be accepted.
     */
    BACKLOG_MS = 500,
};

/* One place for a worker process. */
struct place {
    pid_t pid; /* 0: none now */
    int64_t started_ms;
    int64_t due_ms; /* without a worker: when to start one */
    int pause_ms;
};

struct master {
    struct server *server;
    const struct master_plan *plan;
    struct place *places;
    unsigned alive;
    unsigned ready; /* messages of workers that can serve, at the start */
    bool announced;
    bool draining;
    bool told;       /* the workers have been told to finish */
    int64_t shut_ms; /* while draining: when to shut the listening socket at the latest */
    bool stop;       /* at once */
    int64_t next_tick_ms;
    int64_t end_ms; /* while draining: when workers that are left are killed */
    int failed;     /* negative errno of a failed start */
    int signal_fd, ready_fd;
    sigset_t old_mask;
};

int master_stop_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

static void add_one(int event_fd)
{
    uint64_t one = 1;

    if (write(event_fd, &one, sizeof one) < 0)
        return; /* EAGAIN: it is readable already */
}

void master_stop(int stop_fd)
{
    add_one(stop_fd);
}

void master_worker_ready(const struct master_worker *self)
{
    add_one(self->ready_fd);
}

/* In the new process: signals are the master's business, and so is this process's life. */
static void become_worker(struct master *m, pid_t master_pid)
{
    static const int IGNORED[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};

    for (size_t i = 0; i < sizeof IGNORED / sizeof IGNORED[0]; i++)
        signal(IGNORED[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
    prctl(PR_SET_TIMERSLACK, 1UL); /* waits are measured here: not 50 us late for economy */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != master_pid)
        _exit(EXIT_FAILURE); /* it died before the line above */
}

static pid_t new_process(bool share_descriptors)
{
    if (!share_descriptors)
        return fork();
    /* Not glibc's clone(): a copy of this stack is wanted, as fork() gives. */
    return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
}

static int start_worker(struct master *m, unsigned index)
{
    struct place *place = &m->places[index];
    pid_t master_pid = getpid();
    pid_t pid = new_process(m->plan->share_descriptors);

    if (pid == 0) {
        struct master_worker self = {index, m->plan->stop_fd, m->ready_fd};

        become_worker(m, master_pid);
        exit(m->plan->work(m->server, &self, m->plan->arg));
    }
    if (pid < 0) {
        place->due_ms = io_now_ms() + LONGEST_PAUSE_MS;
        return -errno;
    }
    place->pid = pid;
    place->started_ms = io_now_ms();
    m->alive++;
    return 0;
}

/* Starts what is due. Only a failure at the very start is an error. */
static void start_workers(struct master *m)
{
    int64_t now = io_now_ms();

    for (unsigned i = 0; i < m->plan->processes && m->failed == 0; i++) {
        int result;

        if (m->places[i].pid != 0 || m->places[i].due_ms > now)
            continue;
        result = start_worker(m, i);
        if (result < 0 && !m->announced)
            m->failed = result;
        else if (result < 0)
            log_line(LOG_ERROR, "cannot start worker process %u: %s", i, strerror(-result));
    }
}

static void describe_death(char *out, size_t size, int status)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exited with status %d", WEXITSTATUS(status));
}

static void worker_died(struct master *m, unsigned index, int status)
{
    struct place *place = &m->places[index];
    int64_t now = io_now_ms();
    pid_t pid = place->pid;
    char how[80];

    place->pid = 0;
    m->alive--;
    db_process_died(m->server->db, index);
    if (m->plan->died != NULL)
        m->plan->died(m->server, index, m->plan->arg);
    if (m->told && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    describe_death(how, sizeof how, status);
    if (!m->announced) {
        log_line(LOG_ERROR, "worker process %u (pid %d) %s while starting", index, (int)pid, how);
        m->failed = -ECHILD;
        return;
    }
    if (now - place->started_ms >= QUICK_DEATH_MS)
        place->pause_ms = 0;
    place->due_ms = now + place->pause_ms;
    if (m->draining) {
        log_line(LOG_WARN, "worker process %u (pid %d) %s", index, (int)pid, how);
        return;
    }
    if (place->pause_ms == 0)
        log_line(LOG_WARN, "worker process %u (pid %d) %s; replacing it", index, (int)pid, how);
    else
        log_line(LOG_WARN,
                 "worker process %u (pid %d) %s soon after its start; replacing it in %d ms", index,
                 (int)pid, how, place->pause_ms);
    place->pause_ms = place->pause_ms == 0 ? FIRST_PAUSE_MS : 2 * place->pause_ms;
    if (place->pause_ms > LONGEST_PAUSE_MS)
        place->pause_ms = LONGEST_PAUSE_MS;
}

/* Looks at each worker rather than for any child: a master that is process 1 of a container
 * inherits others. */
static void reap(struct master *m)
{
    for (unsigned i = 0; i < m->plan->processes; i++) {
        int status;

        if (m->places[i].pid != 0 && waitpid(m->places[i].pid, &status, WNOHANG) > 0)
            worker_died(m, i, status);
    }
}

static void begin_drain(struct master *m)
{
    struct server_shared *shared = m->server->shared;
    int64_t timeout = m->server->config->shutdown_timeout_ms;
    int64_t reserve = timeout / 10 < SHUTDOWN_RESERVE_MS ? timeout / 10 : SHUTDOWN_RESERVE_MS;

    m->draining = true;
    service_stopping(m->server);
    m->ready = 0;
    m->shut_ms = io_now_ms() + BACKLOG_MS;
    m->end_ms = io_now_ms() + timeout - reserve / 2;
    atomic_store(&shared->drain_deadline_ms, m->end_ms - reserve / 2);
    atomic_store(&shared->draining, true);
    if (m->plan->take_backlog != NULL) {
        m->plan->take_backlog(m->server, m->plan->arg);
        m->shut_ms = 0;
    }
    if (m->plan->drained == NULL) {
        m->told = true;
        master_stop(m->plan->stop_fd);
    }
}

static void read_signals(struct master *m)
{
    struct signalfd_siginfo info;

    while (read(m->signal_fd, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            if (m->draining)
                m->stop = true;
            else
                begin_drain(m);
            break;
        case SIGUSR1:
            atomic_fetch_add(&m->server->shared->log_generation, 1); /* for the workers */
            server_reopen_log(m->server);
            break;
        case SIGHUP:
            log_line(LOG_WARN, "SIGHUP ignored: the configuration is read at start only");
            break;
        default:
            break; /* SIGCHLD: reap() is called in any case */
        }
    }
}

/* Counts what workers say: that they are ready, later that the backlog is taken. */
static void hear_workers(struct master *m)
{
    uint64_t count;

    if (read(m->ready_fd, &count, sizeof count) == sizeof count)
        m->ready += (unsigned)count;
    if (m->draining && (m->ready >= m->alive || io_now_ms() >= m->shut_ms))
        server_stop_listening(m->server);
    if (m->announced || m->draining || m->ready < m->plan->processes)
        return;
    m->announced = true;
    service_ready(m->server);
}

/* Kills what is left and waits for it. */
static void end_workers(struct master *m)
{
    for (unsigned i = 0; i < m->plan->processes; i++)
        if (m->places[i].pid != 0)
            kill(m->places[i].pid, SIGKILL);
    for (unsigned i = 0; i < m->plan->processes; i++)
        if (m->places[i].pid != 0)
            waitpid(m->places[i].pid, NULL, 0);
}

static void tick(struct master *m)
{
    int64_t now = io_now_ms();

    if (m->plan->tick == NULL || now < m->next_tick_ms)
        return;
    m->next_tick_ms = now + (m->draining ? DRAIN_TICK_MS : TICK_MS);
    m->plan->tick(m->server, m->plan->arg);
}

/* One look at everything. Returns false when the server has ended. */
static bool turn(struct master *m)
{
    const struct master_plan *plan = m->plan;

    read_signals(m);
    reap(m);
    hear_workers(m);
    if (m->failed != 0 || m->stop)
        return false;
    tick(m);
    service_tick(m->server);
    if (!m->draining) {
        start_workers(m);
        return m->failed == 0;
    }
    if (!m->told && plan->drained(m->server, plan->arg)) {
        m->told = true;
        master_stop(plan->stop_fd);
    }
    if (m->alive == 0)
        return false;
    return io_now_ms() < m->end_ms;
}

static int next_wait(const struct master *m)
{
    int64_t now = io_now_ms();
    int64_t wait = m->draining ? DRAIN_TICK_MS : TICK_MS;

    for (unsigned i = 0; i < m->plan->processes; i++)
        if (m->places[i].pid == 0 && m->places[i].due_ms - now < wait)
            wait = m->places[i].due_ms > now ? m->places[i].due_ms - now : 0;
    return m->draining && wait == 0 ? 1 : (int)wait;
}

static void loop(struct master *m)
{
    struct pollfd fds[2] = {{.fd = m->signal_fd, .events = POLLIN},
                            {.fd = m->ready_fd, .events = POLLIN}};

    while (turn(m)) {
        poll(fds, 2, next_wait(m));
    }
    end_workers(m);
}

static int open_descriptors(struct master *m)
{
    static const int TAKEN[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    sigset_t set;

    signal(SIGCHLD, SIG_DFL); /* ignored, as one may inherit it, nobody's death would be told */
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++)
        sigaddset(&set, TAKEN[i]);
    sigprocmask(SIG_BLOCK, &set, &m->old_mask);
    m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    m->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return m->signal_fd < 0 || m->ready_fd < 0 ? -errno : 0;
}

int master_run(struct server *server, const struct master_plan *plan)
{
    struct master m = {.server = server, .plan = plan, .signal_fd = -1, .ready_fd = -1};

    m.places = calloc(plan->processes, sizeof *m.places);
    if (m.places == NULL)
        return -ENOMEM;
    m.failed = open_descriptors(&m);
    if (m.failed == 0)
        loop(&m);
    if (m.signal_fd >= 0)
        close(m.signal_fd);
    if (m.ready_fd >= 0)
        close(m.ready_fd);
    free(m.places);
    return m.failed;
}
