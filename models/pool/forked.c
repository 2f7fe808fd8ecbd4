/* SPDX-License-Identifier: MIT
 *
 * Forking for one request or connection, and reaping.
 *
 * A child gets a copy of the spawner's descriptor table and closes what is not its business; what
 * it opens itself the kernel closes with it. The record that it serves lies in shared memory, all
 * else that it changes is its own.
 */
#include "models/pool/forked.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coro/overflow.h"
#include "db/db.h"
#include "log.h"
#include "models/model.h"
#include "models/pool/pool.h"
#include "server.h"
#include "system/kept.h"

/* What a process ends with whose connection is to be parked: no status that a library would choose
 * that calls exit(). EXIT_SUCCESS: it is to be closed. */
enum { EXIT_PARKED = 107 };

static void choose_ops(struct io_ops *ops, const struct config *config)
{
    *ops = (struct io_ops){.model = "prefork", .context_is = "process"};
    if (config->dispatch == DISPATCH_REQUEST) {
        ops->wait_client = pool_io_wait_client;
        ops->give_way = pool_io_give_way;
    }
}

/* The order to reopen the log comes in the same line as the news of deaths, so that each process
 * is known either to have the new log or to have been told. */
static int open_spawner(struct spawner *spawner)
{
    sigset_t taken;
    int result;

    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    sigaddset(&taken, SIGUSR1);
    sigprocmask(SIG_BLOCK, &taken, &spawner->mask);
    result = coro_overflow_register_self("the spawner"); /* whose bounds are its processes', too */
    if (result < 0 && result != -ENOENT)
        log_line(LOG_WARN, "the bounds of the stack are not known: %s", strerror(-result));
    result = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    return result < 0 ? -errno : result;
}

/* A copy of others' connections would keep them open when they are closed. */
static void close_others(const struct spawned *self)
{
    const struct server *server = self->spawner->server;
    struct kept kept = {.count = 0};

    kept_add(&kept, self->record->conn.fd);
    kept_add(&kept, self->spawner->stop_fd);
    kept_add(&kept, server->root_fd);
    kept_add(&kept, server->access_log_fd);
    kept_add(&kept, server->master_fd);
    pool_keep(self->spawner->pool, &kept);
    db_keep(server->db, &kept);
    kept_close_others(&kept, server->descriptors);
}

/* In the new process. The server is its own copy. */
static void serve_once(struct spawned *self, pid_t spawner_pid)
{
    struct server *server = self->spawner->server;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != spawner_pid)
        _exit(EXIT_FAILURE); /* it died before the line above */
    close_others(self);
    sigprocmask(SIG_SETMASK, &self->spawner->mask, NULL);
    server->process = server->process * server->workers + self->pool_io.number;
    model_begin_worker(&self->pool_io.io, "process");
    _exit(spawned_serve(self) == CONN_PARK ? EXIT_PARKED : EXIT_SUCCESS);
}

static int fork_process(struct spawned *worker)
{
    pid_t spawner_pid = getpid();

    worker->stopped_ms = 0;
    worker->pid = fork();
    if (worker->pid == 0)
        serve_once(worker, spawner_pid);
    return worker->pid < 0 ? -errno : 0;
}

static void tell_end(const struct spawned *worker, int status)
{
    unsigned number = worker->pool_io.io.worker;

    if (WIFSIGNALED(status))
        log_line(LOG_WARN, "process %u (pid %d) was killed by signal %d (%s)", number,
                 (int)worker->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != EXIT_SUCCESS && WEXITSTATUS(status) != EXIT_PARKED)
        log_line(LOG_WARN, "process %u (pid %d) exited with status %d", number, (int)worker->pid,
                 WEXITSTATUS(status));
}

static void note(struct spawned *worker, int status)
{
    const struct server *server = worker->spawner->server;
    bool parked = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PARKED;

    if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
        worker->stopped_ms = WIFSTOPPED(status) ? io_now_ms() : 0;
        return;
    }
    tell_end(worker, status);
    db_process_died(server->db, server->process * server->workers + worker->pool_io.number);
    spawned_ended(worker, parked ? CONN_PARK : CONN_CLOSE);
}

static void kill_stopped(struct spawned *worker)
{
    int64_t timeout_ms = worker->spawner->server->config->stopped_timeout_ms;

    if (worker->stopped_ms == 0 || io_now_ms() - worker->stopped_ms < timeout_ms)
        return;
    log_line(LOG_WARN, "process %u (pid %d) is stopped by a signal; killing it",
             worker->pool_io.io.worker, (int)worker->pid);
    kill(worker->pid, SIGKILL);
    worker->stopped_ms = 0;
}

static void reap_processes(struct spawner *spawner)
{
    struct spawned *each = spawner->each;
    unsigned count = spawner->server->workers;
    struct signalfd_siginfo info;
    bool reopen = false;
    int status;
    pid_t pid;

    while (read(spawner->ended_fd, &info, sizeof info) == sizeof info)
        reopen |= info.ssi_signo == SIGUSR1;
    if (reopen)
        server_reopen_log(spawner->server);
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
        for (unsigned i = 0; i < count; i++)
            if (each[i].record != NULL && each[i].pid == pid) {
                note(&each[i], status);
                break;
            }
    for (unsigned i = 0; i < count; i++) {
        if (each[i].record == NULL)
            continue;
        if (reopen)
            kill(each[i].pid, SIGUSR1);
        kill_stopped(&each[i]);
    }
}

const struct spawner_kind forked_processes = {
    .choose_ops = choose_ops,
    .open = open_spawner,
    .start = fork_process,
    .reap = reap_processes,
};
