/* SPDX-License-Identifier: MIT
 *
 * Making a server from its configuration: everything that is opened or mapped
 * before there is a worker.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io.h"
#include "listen.h"
#include "log.h"

enum {
    /* Descriptors beside connections: the log, the root, files being sent, loops' own. */
    DESCRIPTOR_RESERVE = 64,
    /* More are not asked for: the parking lot reserves address space for each. */
    MAX_DESCRIPTORS = 1 << 20,
};

static int fail(char *error, size_t error_size, const char *what, const char *name)
{
    int code = errno;

    snprintf(error, error_size, "cannot %s %s: %s", what, name, strerror(code));
    return -code;
}

/* Raises the soft descriptor limit as far as it goes and is useful. */
static int raise_descriptors(struct server *server, char *error, size_t error_size)
{
    struct rlimit limit;
    rlim_t wanted;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return fail(error, error_size, "read", "RLIMIT_NOFILE");
    wanted = limit.rlim_max < MAX_DESCRIPTORS ? limit.rlim_max : MAX_DESCRIPTORS;
    if (wanted > limit.rlim_cur) {
        limit.rlim_cur = wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
            return fail(error, error_size, "raise", "RLIMIT_NOFILE");
    }
    server->descriptors =
        limit.rlim_cur < MAX_DESCRIPTORS ? (unsigned)limit.rlim_cur : MAX_DESCRIPTORS;
    return 0;
}

static int map_shared(struct server *server, char *error, size_t error_size)
{
    size_t size = sizeof *server->shared + SERVER_SLOTS * sizeof(struct worker_stats);
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return fail(error, error_size, "map", "the shared counters");
    server->shared = memory;
    server->shared_size = size;
    return 0;
}

static int open_access_log(struct server *server, char *error, size_t error_size)
{
    const char *path = server->config->access_log;

    if (path == NULL)
        return 0;
    if (strcmp(path, "-") == 0)
        server->access_log_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    else
        server->access_log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    return server->access_log_fd < 0 ? fail(error, error_size, "open the access log", path) : 0;
}

/* The root directory and the access log. */
static int open_files(struct server *server, char *error, size_t error_size)
{
    const char *root = server->config->root;

    if (root != NULL) {
        server->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (server->root_fd < 0)
            return fail(error, error_size, "open --root", root);
    }
    return open_access_log(server, error, error_size);
}

static int open_listener(struct server *server, char *error, size_t error_size)
{
    server->listen_fd = listen_open(server->config->listen, server->listen_name,
                                    sizeof server->listen_name, error, error_size);
    return server->listen_fd < 0 ? server->listen_fd : 0;
}

static void limit_connections(struct server *server)
{
    const struct config *config = server->config;

    server->max_connections = server->descriptors > 2 * DESCRIPTOR_RESERVE
                                  ? server->descriptors - DESCRIPTOR_RESERVE
                                  : server->descriptors / 2;
    if (config->max_connections > 0 && config->max_connections < server->max_connections)
        server->max_connections = config->max_connections;
}

int server_open(struct server *server, const struct config *config, const struct model *model,
                unsigned workers, int listen_fd, char *error, size_t error_size)
{
    int result;

    *server = (struct server){
        .config = config,
        .model = model,
        .workers = workers,
        .listen_fd = -1,
        .root_fd = -1,
        .access_log_fd = -1,
        .started_ms = io_now_ms(),
        .master_fd = -1,
    };
    result = raise_descriptors(server, error, error_size);
    if (result == 0)
        result = map_shared(server, error, error_size);
    if (result == 0)
        result = open_files(server, error, error_size);
    if (result == 0 && listen_fd >= 0) {
        listen_describe(listen_fd, config->listen, server->listen_name, sizeof server->listen_name);
        server->listen_fd = listen_fd;
    } else if (result == 0) {
        result = open_listener(server, error, error_size);
    }
    limit_connections(server);
    if (result < 0) {
        server_close(server);
        server_unmap(server);
    }
    return result;
}

int server_succeed(struct server *server, const struct server *running, const struct config *config,
                   const struct model *model, unsigned workers, char *error, size_t error_size)
{
    int result;

    *server = *running;
    server->config = config;
    server->model = model;
    server->workers = workers;
    server->listen_fd = -1;
    server->root_fd = -1;
    server->access_log_fd = -1;
    server->log_generation = atomic_load(&server->shared->log_generation);
    result = open_files(server, error, error_size);
    if (result == 0 && strcmp(config->listen, running->config->listen) == 0)
        server->listen_fd = running->listen_fd;
    else if (result == 0)
        result = open_listener(server, error, error_size);
    limit_connections(server);
    if (result < 0)
        server_close(server);
    return result;
}

void server_shut_listening(struct server *server)
{
    if (server->listen_fd < 0 || server->handed_over)
        return;
    shutdown(server->listen_fd, SHUT_RD); /* for every process that shares it */
    if (strncmp(server->listen_name, "unix:", 5) == 0)
        unlink(server->listen_name + 5);
    server->handed_over = true; /* once is enough: the path may be another's by the second time */
}

void server_stop_listening(struct server *server)
{
    server_shut_listening(server);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    server->listen_fd = -1;
}

void server_close(struct server *server)
{
    server_stop_listening(server);
    if (server->root_fd >= 0)
        close(server->root_fd);
    if (server->access_log_fd >= 0)
        close(server->access_log_fd);
    server->root_fd = server->access_log_fd = -1;
}

void server_unmap(struct server *server)
{
    if (server->shared != NULL)
        munmap(server->shared, server->shared_size);
    server->shared = NULL;
}

int64_t server_drain_deadline(const struct server *server)
{
    const struct server_shared *shared = server->shared;
    int64_t deadline = INT64_MAX;

    if (server->control != NULL && atomic_load(&server->control->draining))
        deadline = atomic_load(&server->control->deadline_ms);
    if (atomic_load(&shared->draining) && atomic_load(&shared->drain_deadline_ms) < deadline)
        deadline = atomic_load(&shared->drain_deadline_ms);
    return deadline;
}

bool server_idle_may_stay(const struct server *server)
{
    return !server_stopping(server) && server->control != NULL &&
           io_now_ms() < atomic_load(&server->control->idle_until_ms);
}

void server_worker_spent(const struct server *server)
{
    if (!atomic_exchange_explicit(&server->control->spent, true, memory_order_relaxed))
        server_wake_master(server);
}

void server_wake_master(const struct server *server)
{
    uint64_t one = 1;

    if (write(server->master_fd, &one, sizeof one) < 0)
        return; /* EAGAIN: it is awake already */
}

void server_reopen_log(struct server *server)
{
    const char *path = server->config->access_log;
    uint32_t wanted = atomic_load(&server->shared->log_generation);
    uint32_t have = atomic_load(&server->log_generation);
    int fd;

    if (path == NULL || strcmp(path, "-") == 0 || have == wanted ||
        !atomic_compare_exchange_strong(&server->log_generation, &have, wanted))
        return;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        log_line(LOG_ERROR, "cannot reopen the access log %s: %s; the old file stays in use", path,
                 strerror(errno));
        return;
    }
    dup3(fd, server->access_log_fd, O_CLOEXEC);
    close(fd);
}

void server_context_enter(struct server *server, struct worker_stats *stats)
{
    int32_t now = atomic_fetch_add_explicit(&server->shared->contexts, 1, memory_order_relaxed) + 1;
    int32_t peak = atomic_load_explicit(&server->shared->contexts_peak, memory_order_relaxed);

    stats_add(&stats->contexts, 1);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&server->shared->contexts_peak, &peak, now,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void server_context_leave(struct server *server, struct worker_stats *stats)
{
    atomic_fetch_sub_explicit(&server->shared->contexts, 1, memory_order_relaxed);
    stats_add(&stats->contexts, (uint64_t)-1);
}

void server_connection_opened(struct server *server, struct worker_stats *stats)
{
    stats_add(&stats->accepted, 1); /* first: what a killed worker counted alone is put right */
    atomic_fetch_add_explicit(&server->shared->open_connections, 1, memory_order_relaxed);
}

void server_connection_closed(struct server *server, struct worker_stats *stats)
{
    atomic_fetch_sub_explicit(&server->shared->open_connections, 1, memory_order_relaxed);
    stats_add(&stats->closed, 1);
}

void server_worker_begins(struct server *server, unsigned worker, int32_t pid, int32_t tid)
{
    struct worker_stats *stats = &server->shared->workers[worker];

    atomic_store_explicit(&stats->requests_before, stats_get(&stats->requests),
                          memory_order_relaxed);
    atomic_store_explicit(&stats->tid, tid, memory_order_relaxed);
    atomic_store_explicit(&stats->pid, pid, memory_order_relaxed);
}

void server_worker_died(struct server *server, unsigned worker)
{
    struct worker_stats *stats = &server->shared->workers[worker];
    int32_t contexts = (int32_t)stats_get(&stats->contexts);

    atomic_fetch_sub_explicit(&server->shared->contexts, contexts, memory_order_relaxed);
    atomic_store_explicit(&stats->contexts, 0, memory_order_relaxed);
    atomic_fetch_sub_explicit(&server->shared->read_ahead, (int64_t)stats_get(&stats->read_ahead),
                              memory_order_relaxed);
    atomic_store_explicit(&stats->read_ahead, 0, memory_order_relaxed);
    atomic_store_explicit(&stats->changing, 0, memory_order_relaxed);
    atomic_store_explicit(&stats->pid, 0, memory_order_relaxed);
    atomic_store_explicit(&stats->tid, 0, memory_order_relaxed);
}

void server_worker_lost_connections(struct server *server, unsigned worker)
{
    struct worker_stats *stats = &server->shared->workers[worker];
    uint64_t lost = stats_get(&stats->accepted) - stats_get(&stats->closed);

    atomic_fetch_sub_explicit(&server->shared->open_connections, (int32_t)lost,
                              memory_order_relaxed);
    stats_add(&stats->closed, lost);
}
