/* SPDX-License-Identifier: MIT
 *
 * A parking lot with real sockets: a server made by hand, its listener on a free
 * loopback port, a pool, and workers that are threads of the test, or none. Time
 * belongs to the test (clocks.h); what other threads do is waited for by condition.
 */
#ifndef UNIT_MODELS_POOL_RIG_H
#define UNIT_MODELS_POOL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler/handler.h"
#include "http.h"
#include "system/listen.h"
#include "http/context.h"
#include "models/pool/pool.h"
#include "models/pool/pool_io.h"
#include "server.h"
#include "tests/unit/http/clocks.h"

enum {
    RIG_WORKERS = 4,
    RIG_DESCRIPTORS = 512,
    RIG_HEADER_MS = 10000,
    RIG_KEEPALIVE_MS = 40000,
    RIG_DEAD = 1,        /* a worker that is never started */
    RIG_PATIENCE_S = 30, /* until a condition that never comes true fails the test */
};

struct rig;

struct rig_worker {
    struct pool_io pool_io;
    struct rig *rig;
    pthread_t thread;
};

struct rig {
    struct config config;
    struct server server;
    struct pool *pool;
    int stop_fd;
    struct io master_io;
    struct rig_worker workers[RIG_WORKERS];
    unsigned running;
};

static const struct io_ops rig_ops = {
    .model = "rig", .context_is = "thread", .sharing = &pool_io_sharing};

static inline void rig_init(struct rig *rig)
{
    size_t shared = sizeof(struct server_shared) + (RIG_WORKERS + 1) * sizeof(struct worker_stats);
    size_t align = alignof(struct server_shared);
    char error[200];

    memset(rig, 0, sizeof *rig);
    rig->config = (struct config){
        .header_timeout_ms = RIG_HEADER_MS,
        .body_timeout_ms = 20000,
        .write_timeout_ms = 30000,
        .keepalive_timeout_ms = RIG_KEEPALIVE_MS,
        .max_header = 4096,
        .max_body = 100000,
    };
    shared = (shared + align - 1) / align * align;
    rig->server = (struct server){
        .config = &rig->config,
        .application = &handler_application,
        .workers = RIG_WORKERS,
        .max_connections = RIG_DESCRIPTORS,
        .descriptors = RIG_DESCRIPTORS,
        .root_fd = -1,
        .access_log_fd = -1,
        .shared = aligned_alloc(align, shared),
    };
    assert_non_null(rig->server.shared);
    memset(rig->server.shared, 0, shared);
    rig->server.shared->slots_used = RIG_WORKERS;
    rig->server.listen_fd = listen_open("127.0.0.1:0", NULL, rig->server.listen_name,
                                        sizeof rig->server.listen_name, error, sizeof error);
    if (rig->server.listen_fd < 0)
        fail_msg("%s", error);
    rig->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(rig->stop_fd >= 0);
    assert_int_equal(
        context_init(&rig->master_io, &context_never_waits, &rig->server, SHARED_MASTER), 0);
    for (unsigned i = 0; i < RIG_WORKERS; i++) {
        rig->workers[i].rig = rig;
        assert_int_equal(context_init(&rig->workers[i].pool_io.io, &rig_ops, &rig->server, i), 0);
        shared_worker_begins(rig->server.shared, i, getpid(), gettid());
    }
    rig->pool = pool_new(&rig->server, rig->stop_fd);
    assert_non_null(rig->pool);
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        rig->workers[i].pool_io.pool = rig->pool;
}

static inline void *rig_work(void *arg)
{
    struct rig_worker *worker = arg;

    pool_work(worker->rig->pool, &worker->pool_io.io);
    return NULL;
}

/* Starts that many workers, from number 0. */
static inline void rig_start(struct rig *rig, unsigned workers)
{
    assert_int_equal(rig->running, 0);
    for (; rig->running < workers; rig->running++) {
        struct rig_worker *worker = &rig->workers[rig->running];

        assert_int_equal(pthread_create(&worker->thread, NULL, rig_work, worker), 0);
    }
}

/* Tells the workers to finish and waits for them; they can be started again. */
static inline void rig_stop(struct rig *rig)
{
    eventfd_t ignored;

    assert_return_code(eventfd_write(rig->stop_fd, 1), errno);
    while (rig->running > 0)
        assert_int_equal(pthread_join(rig->workers[--rig->running].thread, NULL), 0);
    assert_return_code(eventfd_read(rig->stop_fd, &ignored), errno);
}

static inline void rig_term(struct rig *rig)
{
    if (rig->running > 0)
        rig_stop(rig);
    for (int fd = 0; fd < RIG_DESCRIPTORS; fd++)
        if (atomic_load(&rig->pool->lot->records[fd].owner) != OWNER_NONE)
            close(fd);
    pool_free(rig->pool);
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        context_term(&rig->workers[i].pool_io.io);
    context_term(&rig->master_io);
    close(rig->stop_fd);
    close(rig->server.listen_fd);
    free(rig->server.shared);
}

/* What a master does when a worker process was killed. */
static inline void rig_kill(struct rig *rig, unsigned worker)
{
    shared_worker_died(rig->server.shared, worker);
    pool_died(rig->pool, worker, true);
    pool_release(rig->pool, &rig->master_io);
}

/* A client, connected; its reads fail when nothing comes for very long. */
static inline int rig_connect(const struct rig *rig)
{
    struct timeval patience = {.tv_sec = RIG_PATIENCE_S};
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), errno);
    assert_return_code(getsockname(rig->server.listen_fd, (void *)&address, &length), errno);
    assert_return_code(connect(fd, (void *)&address, length), errno);
    return fd;
}

static inline void rig_send(int client, const char *text)
{
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static const char rig_request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/* Reads one answer, which must be that of /hello. */
static inline void rig_answer(int client)
{
    static const char end[] = "\r\n\r\nHello, World!";
    char text[1000];
    size_t length = 0;

    do {
        ssize_t count = recv(client, text + length, sizeof text - 1 - length, 0);

        if (count <= 0)
            fail_msg("no answer: %s", count == 0 ? "end of input" : strerror(errno));
        length += (size_t)count;
        text[length] = '\0';
    } while (strstr(text, end) == NULL);
    assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(strstr(text, end) + strlen(end) - text, length);
}

static inline void rig_ask(int client)
{
    rig_send(client, rig_request);
    rig_answer(client);
}

/* The client reads the end of the connection, and nothing before it. */
static inline void rig_expect_end(int client)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, 0), 0);
}

/* The client has nothing to read now. */
static inline void rig_expect_silence(int client)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* The server's descriptor of a client's connection, or -1 before it is accepted. */
static inline int rig_find(const struct rig *rig, int client)
{
    struct sockaddr_in mine = {0}, peer = {0};
    socklen_t length = sizeof mine;
    unsigned high = atomic_load(&rig->pool->lot->high);

    assert_return_code(getsockname(client, (void *)&mine, &length), errno);
    for (int fd = 0; fd < (int)high; fd++) {
        uint32_t owner = atomic_load(&rig->pool->lot->records[fd].owner);

        length = sizeof peer;
        if (owner != OWNER_NONE && !(owner & OWNER_HELD) &&
            getpeername(fd, (void *)&peer, &length) == 0 && peer.sin_port == mine.sin_port)
            return fd;
    }
    return -1;
}

/* Waits until condition holds. */
#define rig_wait(condition)                                                                        \
    do {                                                                                           \
        struct timespec rig_from, rig_now;                                                         \
        clock_gettime(CLOCK_MONOTONIC, &rig_from);                                                 \
        while (!(condition)) {                                                                     \
            clock_gettime(CLOCK_MONOTONIC, &rig_now);                                              \
            if (rig_now.tv_sec > rig_from.tv_sec + RIG_PATIENCE_S)                                 \
                fail_msg("never came true: %s", #condition);                                       \
            sched_yield();                                                                         \
        }                                                                                          \
    } while (0)

static inline uint32_t rig_owner(const struct rig *rig, int fd)
{
    return atomic_load(&rig->pool->lot->records[fd].owner);
}

/* Bytes sent on fd that its client has not acknowledged yet. */
static inline int rig_untaken(int fd)
{
    int count = 0;

    assert_return_code(ioctl(fd, SIOCOUTQ, &count), errno);
    return count;
}

static inline int32_t rig_open(const struct rig *rig)
{
    return atomic_load(&rig->server.shared->open_connections);
}

/* A client whose connection is known to the server and parked; *fd is the server's. */
static inline int rig_connect_parked(const struct rig *rig, int *fd)
{
    int client = rig_connect(rig);

    rig_wait((*fd = rig_find(rig, client)) >= 0);
    rig_wait(rig_owner(rig, *fd) == OWNER_PARKED);
    return client;
}

/* A client that has had its last answer, and read the end; *fd is the server's descriptor. */
static inline int rig_say_goodbye(const struct rig *rig, int *fd)
{
    int client = rig_connect(rig);

    rig_wait((*fd = rig_find(rig, client)) >= 0);
    rig_send(client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    rig_answer(client);
    rig_expect_end(client);
    return client;
}

static inline uint64_t rig_bytes_in(const struct rig *rig)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < RIG_WORKERS; i++)
        bytes += stats_get(&rig->server.shared->workers[i].bytes_in);
    return bytes;
}

/* Takes a parked record, as if some other context served it. */
static inline void rig_seize(const struct rig *rig, int fd, uint32_t owner)
{
    uint32_t parked = OWNER_PARKED;

    assert_true(atomic_compare_exchange_strong(&rig->pool->lot->records[fd].owner, &parked, owner));
}

static inline int rig_begin(void **state)
{
    static struct rig rig;

    rig_init(&rig);
    *state = &rig;
    return 0;
}

static inline int rig_end(void **state)
{
    rig_term(*state);
    return 0;
}

/* The whole rig as one process that has orders from a master: its control is that of worker 0. */
static inline struct worker_control *rig_control(struct rig *rig)
{
    return &rig->workers[0].pool_io.io.stats->control;
}

static inline struct rig *rig_begin_process(void **state)
{
    struct rig *rig;

    rig_begin(state);
    rig = *state;
    rig->server.control = rig_control(rig);
    rig->server.master_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return rig;
}

static inline int rig_end_process(void **state)
{
    close(((struct rig *)*state)->server.master_fd);
    return rig_end(state);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)

#endif
