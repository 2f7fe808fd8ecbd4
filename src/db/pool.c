/* SPDX-License-Identifier: MIT
 *
 * Places, the line before them, and what is done to a connection when it changes hands.
 */
#include "db/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"

enum {
    COMPLAINT_INTERVAL_MS = 1000,
    LOOK_AFTER_MS = 1000, /* one idle for longer is looked at before it is used */
};

/* A context in line. Lives in its frame; on the line until it has a place or gives up. */
struct db_waiter {
    struct io *io;
    struct db_conn *place;
    struct db_waiter *next;
};

int db_pool_init(struct db_pool *pool, const struct db_backend *backend, const char *label,
                 const char *uri, bool blocks, unsigned total, unsigned processes)
{
    *pool = (struct db_pool){
        .backend = backend,
        .label = label,
        .total = total,
        .processes = processes,
        .uri = uri,
        .lookups = db_lookups_new(),
        .blocks = blocks,
    };
    pool->tail = &pool->head;
    pthread_mutex_init(&pool->mutex, NULL);
    if (pool->lookups == NULL)
        return -ENOMEM;
    if (processes > total) {
        pool->permits = db_permits_new(total, 2 * processes);
        if (pool->permits == NULL)
            return -errno;
    }
    return 0;
}

void db_pool_term(struct db_pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        if (pool->conns[i].handle != NULL)
            pool->backend->close(&pool->conns[i], NULL);
    free(pool->conns);
    db_permits_free(pool->permits);
    db_lookups_free(pool->lookups);
    pthread_mutex_destroy(&pool->mutex);
}

/* The process's share of the total, at least one place. The mutex is held. */
static int share_out(struct db_pool *pool, unsigned process)
{
    unsigned count = pool->total / pool->processes;

    if (process < pool->total % pool->processes)
        count++;
    if (pool->permits != NULL)
        count = 1;
    pool->conns = calloc(count, sizeof *pool->conns);
    if (pool->conns == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        struct db_conn *conn = &pool->conns[i];

        *conn = (struct db_conn){
            .uri = pool->uri, .lookups = pool->lookups, .fd = -1, .blocks = pool->blocks};
        conn->next = pool->idle;
        pool->idle = conn;
    }
    pool->count = count;
    pool->borrower = (struct db_borrower){.permits = pool->permits, .process = process};
    pool->shared_out = true;
    return 0;
}

/* ---- places -------------------------------------------------------------------------------- */

/* Gives a place to the first in line, or to whoever comes next. */
static void put_place(struct db_pool *pool, struct db_conn *conn)
{
    struct db_conn **link = &pool->idle;
    struct db_waiter *first;

    pthread_mutex_lock(&pool->mutex);
    first = pool->head;
    if (first != NULL) {
        pool->head = first->next;
        if (pool->head == NULL)
            pool->tail = &pool->head;
        first->place = conn;
        io_resume(first->io); /* under the mutex: its frame goes once it has looked */
    } else {
        while (conn->handle == NULL && *link != NULL)
            link = &(*link)->next;
        conn->next = *link;
        *link = conn;
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* At its end. The mutex is held. */
static void join_line(struct db_pool *pool, struct db_waiter *waiter)
{
    *pool->tail = waiter;
    pool->tail = &waiter->next;
}

/* The mutex is held. */
static void leave_line(struct db_pool *pool, const struct db_waiter *waiter)
{
    struct db_waiter **link = &pool->head;

    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
    if (waiter->next == NULL)
        pool->tail = link;
}

unsigned db_pool_waiting(struct db_pool *pool)
{
    unsigned count = 0;

    pthread_mutex_lock(&pool->mutex);
    for (const struct db_waiter *w = pool->head; w != NULL; w = w->next)
        count++;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}

static int take_place(struct db_pool *pool, struct io *io, unsigned process, int64_t deadline_ms,
                      struct db_conn **out)
{
    struct db_waiter self = {.io = io};
    int result = 0;

    pthread_mutex_lock(&pool->mutex);
    if (!pool->shared_out)
        result = share_out(pool, process);
    self.place = pool->idle; /* while one is idle nobody waits */
    if (self.place != NULL) {
        pool->idle = self.place->next;
    } else if (result == 0) {
        join_line(pool, &self);
    }
    while (self.place == NULL && result == 0) {
        pthread_mutex_unlock(&pool->mutex);
        result = io_suspend(io, deadline_ms);
        pthread_mutex_lock(&pool->mutex);
        if (self.place == NULL && result < 0)
            leave_line(pool, &self);
    }
    pthread_mutex_unlock(&pool->mutex);
    if (self.place != NULL && result == -ECANCELED) {
        put_place(pool, self.place);
        return result;
    }
    *out = self.place;
    return self.place != NULL ? 0 : result;
}

/* ---- connections --------------------------------------------------------------------------- */

/* Says what is wrong, once a second at most. */
static void complain(struct db_pool *pool, const struct db_conn *conn, int error)
{
    int64_t now = io_now_ms();
    bool silent;

    pthread_mutex_lock(&pool->mutex);
    silent = now - pool->last_complaint_ms < COMPLAINT_INTERVAL_MS;
    if (!silent)
        pool->last_complaint_ms = now;
    pthread_mutex_unlock(&pool->mutex);
    if (!silent)
        log_line(LOG_WARN, "%s: %s", pool->label,
                 conn->reason[0] != '\0' ? conn->reason : strerror(-error));
}

static void close_conn(struct db_pool *pool, struct io *io, struct db_conn *conn)
{
    pool->backend->close(conn, io);
    conn->handle = NULL;
    conn->fd = -1;
}

/* Whether the other side has closed, or broken off, an idle connection, or said something that
 * nobody asked for: that it is going away. */
static bool has_ended(const struct db_conn *conn)
{
    char byte;

    return conn->fd >= 0 && (recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
                             (errno != EAGAIN && errno != EINTR));
}

static uint32_t generation_of(struct db_pool *pool)
{
    uint32_t generation;

    pthread_mutex_lock(&pool->mutex);
    generation = pool->generation;
    pthread_mutex_unlock(&pool->mutex);
    return generation;
}

/* Whether to try although the last attempt failed, or to rest: 0, or what that one ended with.
 * *trial: it failed, and the caller is the one to try again; others rest on. */
static int may_try(struct db_pool *pool, bool *trial)
{
    int64_t now = io_now_ms();
    int64_t longest = pool->backend->optional ? DB_PAUSE_OPTIONAL_MAX_MS : DB_PAUSE_MAX_MS;
    int result = 0;

    pthread_mutex_lock(&pool->mutex);
    *trial = pool->failing != 0 && now >= pool->retry_ms;
    if (*trial) {
        pool->pause_ms = 2 * pool->pause_ms < longest ? 2 * pool->pause_ms : longest;
        pool->retry_ms = now + pool->pause_ms;
    } else {
        result = pool->failing;
    }
    pthread_mutex_unlock(&pool->mutex);
    return result;
}

/* Notes how an attempt has ended. */
static void note_attempt(struct db_pool *pool, int result)
{
    bool back;

    if (result == -ECANCELED)
        return;
    pthread_mutex_lock(&pool->mutex);
    back = pool->failing != 0 && result == 0;
    if (result == 0) {
        pool->pause_ms = 0;
    } else {
        if (pool->failing == 0)
            pool->pause_ms = pool->backend->optional ? DB_PAUSE_OPTIONAL_MIN_MS : DB_PAUSE_MIN_MS;
        pool->retry_ms = io_now_ms() + pool->pause_ms;
    }
    pool->failing = result;
    pthread_mutex_unlock(&pool->mutex);
    if (back)
        log_line(LOG_INFO, "%s: can be reached again", pool->label);
}

static int open_conn(struct db_pool *pool, struct io *io, struct db_conn *conn, int64_t deadline_ms)
{
    uint32_t generation = generation_of(pool);
    int result;

    conn->broken = conn->lost = false;
    conn->fresh = true;
    conn->reason[0] = '\0';
    result = pool->backend->open(conn, io, deadline_ms);
    conn->generation = generation;
    if (result < 0 || !pool->backend->optional) /* one that is not needed has to answer, too */
        note_attempt(pool, result);
    if (result < 0 && result != -ECANCELED)
        complain(pool, conn, result);
    if (result < 0)
        conn->broken = conn->trial = false; /* it is closed */
    return result;
}

/* Makes conn, a place just taken, an open connection. */
static int prepare(struct db_pool *pool, struct io *io, struct db_conn *conn, int64_t deadline_ms)
{
    const struct db_backend *backend = pool->backend;
    int result = 0;

    if (conn->handle != NULL && conn->fd >= 0) {
        uint32_t generation = generation_of(pool);

        if ((backend->look_always || conn->generation != generation ||
             io_now_ms() - conn->idle_since_ms > LOOK_AFTER_MS) &&
            has_ended(conn))
            close_conn(pool, io, conn);
        else
            conn->generation = generation;
    }
    if (conn->handle == NULL || backend->optional)
        result = may_try(pool, &conn->trial);
    if (result == 0 && conn->handle == NULL)
        result = open_conn(pool, io, conn, deadline_ms);
    return result;
}

/* Gives up the permit, if one is needed, and the connection with it where it may not stay. */
static void give_permit(struct db_pool *pool, struct io *io, struct db_conn *conn)
{
    bool stay;

    if (pool->permits == NULL)
        return;
    stay = conn->handle != NULL && db_permit_may_stay(&pool->borrower, io, conn->fd);
    if (!stay && conn->fd >= 0)
        close_conn(pool, io, conn);
    db_permit_give(&pool->borrower, conn->fd, stay);
}

int db_pool_take(struct db_pool *pool, struct io *io, unsigned process, int64_t deadline_ms,
                 struct db_conn **out)
{
    struct db_conn *conn;
    int result = take_place(pool, io, process, deadline_ms, &conn);

    if (result < 0)
        return result;
    if (pool->permits != NULL) {
        bool kept;

        result = db_permit_take(&pool->borrower, io, deadline_ms, &kept);
        if (result < 0) {
            put_place(pool, conn);
            return result;
        }
        if (!kept && conn->fd >= 0) /* its socket has been shut down */
            close_conn(pool, io, conn);
    }
    result = prepare(pool, io, conn, deadline_ms);
    if (result < 0) {
        give_permit(pool, io, conn);
        put_place(pool, conn);
        return result;
    }
    *out = conn;
    return 0;
}

/* Closes what is broken, and remembers it where others may have gone with it. */
static void close_broken(struct db_pool *pool, struct io *io, struct db_conn *conn)
{
    if (conn->lost) {
        pthread_mutex_lock(&pool->mutex);
        pool->generation++;
        pthread_mutex_unlock(&pool->mutex);
    }
    close_conn(pool, io, conn);
}

int db_pool_renew(struct db_pool *pool, struct io *io, struct db_conn *conn, int error,
                  int64_t deadline_ms)
{
    complain(pool, conn, error);
    close_broken(pool, io, conn);
    return open_conn(pool, io, conn, deadline_ms);
}

void db_pool_put(struct db_pool *pool, struct io *io, struct db_conn *conn, int error)
{
    if (error != -ECANCELED && (error < 0 || conn->reason[0] != '\0'))
        complain(pool, conn, error);
    if (pool->backend->optional && (conn->broken || conn->trial))
        note_attempt(pool, conn->broken ? error : 0);
    if (conn->broken)
        close_broken(pool, io, conn);
    conn->broken = conn->fresh = conn->trial = false;
    conn->reason[0] = '\0';
    conn->idle_since_ms = io_now_ms();
    give_permit(pool, io, conn);
    put_place(pool, conn);
}
