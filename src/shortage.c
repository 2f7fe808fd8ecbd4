/* SPDX-License-Identifier: MIT
 *
 * What was last said, and when, is in the memory that all workers share: once a
 * second means once for the server, not for each of its processes.
 */
#include "shortage.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "io.h"
#include "log.h"
#include "server.h"

enum { INTERVAL_MS = 1000 };

const char *shortage_of_tasks(int error)
{
    if (error != EAGAIN)
        return strerror(error);
    return "no more processes or threads are allowed (ulimit -u and -v, pids.max of the cgroup, "
           "kernel.pid_max, kernel.threads-max or vm.max_map_count)";
}

/* True for one caller in each interval. */
static bool may_speak(_Atomic int64_t *last_ms)
{
    int64_t now = io_now_ms();
    int64_t last = atomic_load(last_ms);

    return (last == 0 || now - last >= INTERVAL_MS) &&
           atomic_compare_exchange_strong(last_ms, &last, now);
}

void shortage_report(struct server *server, const char *what, int error)
{
    if (may_speak(&server->shared->shortage_said_ms))
        log_line(LOG_WARN, "%s: %s; connections wait until it can be done", what, strerror(error));
}

enum accept_failure shortage_of_accept(struct server *server, int error)
{
    switch (error) {
    case EAGAIN:
        return ACCEPT_NONE;
    case EINVAL:
        return ACCEPT_SHUT;
    case EINTR:
    case ECONNABORTED:
        return ACCEPT_NEXT;
    default:
        shortage_report(server, "accept", error);
        return ACCEPT_LATER;
    }
}

void shortage_log_line_lost(struct server *server, int error)
{
    struct server_shared *shared = server->shared;

    atomic_fetch_add_explicit(&shared->log_lines_lost, 1, memory_order_relaxed);
    atomic_store(&shared->log_lost_ms, io_now_ms());
    if (!atomic_exchange(&shared->log_losing, true))
        log_line(LOG_ERROR,
                 "cannot write the access log: %s; serving goes on, lines are dropped and counted",
                 error == EAGAIN ? "its reader does not keep up" : strerror(error));
}

void shortage_log_line_written(struct server *server)
{
    struct server_shared *shared = server->shared;
    bool losing = true;

    if (!atomic_load_explicit(&shared->log_losing, memory_order_relaxed))
        return;
    /* Short lines may fit where longer ones do not: that is not the end of it. */
    if (io_now_ms() - atomic_load(&shared->log_lost_ms) < INTERVAL_MS ||
        !atomic_compare_exchange_strong(&shared->log_losing, &losing, false))
        return;
    log_line(LOG_INFO, "the access log is written again; lines lost so far: %" PRIu64,
             atomic_load_explicit(&shared->log_lines_lost, memory_order_relaxed));
}
