/* SPDX-License-Identifier: MIT
 *
 * A parking lot with real sockets: a server made by hand, its listener on a free
 * loopback port, a pool, and workers that are threads of the test, or none. Time
 * belongs to the test (clocks.h); what other threads do is waited for by condition.
 */
#ifndef UNIT_MODELS_POOL_LOT_H
#define UNIT_MODELS_POOL_LOT_H

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
#include "models/context.h"
#include "models/pool/pool.h"
#include "server.h"
#include "tests/unit/http/clocks.h"

enum {
    LOT_WORKERS = 4,
    LOT_DESCRIPTORS = 512,
    LOT_HEADER_MS = 10000,
    LOT_KEEPALIVE_MS = 40000,
    LOT_PATIENCE_S = 30, /* until a condition that never comes true fails the test */
};

struct lot;

struct lot_worker {
    struct io io;
    struct lot *lot;
    pthread_t thread;
};

struct lot {
    struct config config;
    struct server server;
    struct pool *pool;
    int stop_fd;
    struct io master_io;
    struct lot_worker workers[LOT_WORKERS];
    unsigned running;
};

static const struct io_ops lot_ops = {.model = "lot", .context_is = "thread"};

static inline void lot_init(struct lot *lot)
{
    size_t shared = sizeof(struct server_shared) + (LOT_WORKERS + 1) * sizeof(struct worker_stats);
    size_t align = alignof(struct server_shared);
    char error[200];

    memset(lot, 0, sizeof *lot);
    lot->config = (struct config){
        .header_timeout_ms = LOT_HEADER_MS,
        .body_timeout_ms = 20000,
        .write_timeout_ms = 30000,
        .keepalive_timeout_ms = LOT_KEEPALIVE_MS,
        .max_header = 4096,
        .max_body = 100000,
    };
    shared = (shared + align - 1) / align * align;
    lot->server = (struct server){
        .config = &lot->config,
        .application = &handler_application,
        .workers = LOT_WORKERS,
        .max_connections = LOT_DESCRIPTORS,
        .descriptors = LOT_DESCRIPTORS,
        .root_fd = -1,
        .access_log_fd = -1,
        .shared = aligned_alloc(align, shared),
    };
    assert_non_null(lot->server.shared);
    memset(lot->server.shared, 0, shared);
    lot->server.shared->slots_used = LOT_WORKERS;
    lot->server.listen_fd = listen_open("127.0.0.1:0", NULL, lot->server.listen_name,
                                        sizeof lot->server.listen_name, error, sizeof error);
    if (lot->server.listen_fd < 0)
        fail_msg("%s", error);
    lot->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(lot->stop_fd >= 0);
    assert_int_equal(
        context_init(&lot->master_io, &context_never_waits, &lot->server, SHARED_MASTER), 0);
    for (unsigned i = 0; i < LOT_WORKERS; i++) {
        lot->workers[i].lot = lot;
        assert_int_equal(context_init(&lot->workers[i].io, &lot_ops, &lot->server, i), 0);
        shared_worker_begins(lot->server.shared, i, getpid(), gettid());
    }
    lot->pool = pool_new(&lot->server, lot->stop_fd);
    assert_non_null(lot->pool);
}

static inline void *lot_work(void *arg)
{
    struct lot_worker *worker = arg;

    pool_work(worker->lot->pool, &worker->io);
    return NULL;
}

/* Starts that many workers, from number 0. */
static inline void lot_start(struct lot *lot, unsigned workers)
{
    assert_int_equal(lot->running, 0);
    for (; lot->running < workers; lot->running++) {
        struct lot_worker *worker = &lot->workers[lot->running];

        assert_int_equal(pthread_create(&worker->thread, NULL, lot_work, worker), 0);
    }
}

/* Tells the workers to finish and waits for them; they can be started again. */
static inline void lot_stop(struct lot *lot)
{
    eventfd_t ignored;

    assert_return_code(eventfd_write(lot->stop_fd, 1), errno);
    while (lot->running > 0)
        assert_int_equal(pthread_join(lot->workers[--lot->running].thread, NULL), 0);
    assert_return_code(eventfd_read(lot->stop_fd, &ignored), errno);
}

static inline void lot_term(struct lot *lot)
{
    if (lot->running > 0)
        lot_stop(lot);
    for (int fd = 0; fd < LOT_DESCRIPTORS; fd++)
        if (atomic_load(&lot->pool->records[fd].owner) != OWNER_NONE)
            close(fd);
    pool_free(lot->pool);
    for (unsigned i = 0; i < LOT_WORKERS; i++)
        context_term(&lot->workers[i].io);
    context_term(&lot->master_io);
    close(lot->stop_fd);
    close(lot->server.listen_fd);
    free(lot->server.shared);
}

/* What a master does when a worker process was killed. */
static inline void lot_kill(struct lot *lot, unsigned worker)
{
    shared_worker_died(lot->server.shared, worker);
    pool_died(lot->pool, worker, true);
    pool_release(lot->pool, &lot->master_io);
}

/* A client, connected; its reads fail when nothing comes for very long. */
static inline int lot_connect(const struct lot *lot)
{
    struct timeval patience = {.tv_sec = LOT_PATIENCE_S};
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), errno);
    assert_return_code(getsockname(lot->server.listen_fd, (void *)&address, &length), errno);
    assert_return_code(connect(fd, (void *)&address, length), errno);
    return fd;
}

static inline void lot_send(int client, const char *text)
{
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static const char lot_request[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/* Reads one answer, which must be that of /hello. */
static inline void lot_answer(int client)
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

static inline void lot_ask(int client)
{
    lot_send(client, lot_request);
    lot_answer(client);
}

/* The client reads the end of the connection, and nothing before it. */
static inline void lot_expect_end(int client)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, 0), 0);
}

/* The client has nothing to read now. */
static inline void lot_expect_silence(int client)
{
    char byte;

    assert_int_equal(recv(client, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

/* The server's descriptor of a client's connection, or -1 before it is accepted. */
static inline int lot_find(const struct lot *lot, int client)
{
    struct sockaddr_in mine = {0}, peer = {0};
    socklen_t length = sizeof mine;
    unsigned high = atomic_load(&lot->pool->high);

    assert_return_code(getsockname(client, (void *)&mine, &length), errno);
    for (int fd = 0; fd < (int)high; fd++) {
        uint32_t owner = atomic_load(&lot->pool->records[fd].owner);

        length = sizeof peer;
        if (owner != OWNER_NONE && !(owner & OWNER_HELD) &&
            getpeername(fd, (void *)&peer, &length) == 0 && peer.sin_port == mine.sin_port)
            return fd;
    }
    return -1;
}

/* Waits until condition holds. */
#define lot_wait(condition)                                                                        \
    do {                                                                                           \
        struct timespec lot_from, lot_now;                                                         \
        clock_gettime(CLOCK_MONOTONIC, &lot_from);                                                 \
        while (!(condition)) {                                                                     \
            clock_gettime(CLOCK_MONOTONIC, &lot_now);                                              \
            if (lot_now.tv_sec > lot_from.tv_sec + LOT_PATIENCE_S)                                 \
                fail_msg("never came true: %s", #condition);                                       \
            sched_yield();                                                                         \
        }                                                                                          \
    } while (0)

static inline uint32_t lot_owner(const struct lot *lot, int fd)
{
    return atomic_load(&lot->pool->records[fd].owner);
}

/* Bytes sent on fd that its client has not acknowledged yet. */
static inline int lot_untaken(int fd)
{
    int count = 0;

    assert_return_code(ioctl(fd, SIOCOUTQ, &count), errno);
    return count;
}

static inline int32_t lot_open(const struct lot *lot)
{
    return atomic_load(&lot->server.shared->open_connections);
}

/* A client whose connection is known to the server and parked; *fd is the server's. */
static inline int lot_connect_parked(const struct lot *lot, int *fd)
{
    int client = lot_connect(lot);

    lot_wait((*fd = lot_find(lot, client)) >= 0);
    lot_wait(lot_owner(lot, *fd) == OWNER_PARKED);
    return client;
}

/* A client that has had its last answer, and read the end; *fd is the server's descriptor. */
static inline int lot_say_goodbye(const struct lot *lot, int *fd)
{
    int client = lot_connect(lot);

    lot_wait((*fd = lot_find(lot, client)) >= 0);
    lot_send(client, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    lot_answer(client);
    lot_expect_end(client);
    return client;
}

static inline uint64_t lot_bytes_in(const struct lot *lot)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < LOT_WORKERS; i++)
        bytes += stats_get(&lot->server.shared->workers[i].bytes_in);
    return bytes;
}

/* Takes a parked record, as if some other context served it. */
static inline void lot_seize(const struct lot *lot, int fd, uint32_t owner)
{
    uint32_t parked = OWNER_PARKED;

    assert_true(atomic_compare_exchange_strong(&lot->pool->records[fd].owner, &parked, owner));
}

#endif
