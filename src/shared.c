/* SPDX-License-Identifier: MIT
 *
 * Mapping and counting.
 */
#include "shared.h"

#include <stddef.h>
#include <sys/mman.h>

static const size_t SIZE =
    sizeof(struct server_shared) + SHARED_SLOTS * sizeof(struct worker_stats);

struct server_shared *shared_new(void)
{
    struct server_shared *shared =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_mutexattr_t attributes;

    if (shared == MAP_FAILED)
        return NULL;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&shared->accept_turn, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return shared;
}

void shared_free(struct server_shared *shared)
{
    munmap(shared, SIZE);
}

unsigned shared_unsettled(const struct server_shared *shared, uint64_t *changes)
{
    unsigned slots = atomic_load(&shared->slots_used);
    unsigned found = 0;

    *changes = 0;
    for (unsigned i = 0; i < slots; i++) {
        uint32_t changing = atomic_load(&shared->workers[i].changing);

        found |= changing % SHARED_CHANGE;
        *changes += changing;
    }
    return found;
}

void shared_recount(struct server_shared *shared, int32_t (*connections)(const void *arg),
                    const void *arg)
{
    int32_t counted = atomic_load(&shared->open_connections), seen;
    uint64_t before, after;

    if (!shared->recount || (shared_unsettled(shared, &before) & SHARED_CHANGING) != 0)
        return;
    seen = connections(arg);
    if ((shared_unsettled(shared, &after) & SHARED_CHANGING) == 0 && before == after)
        shared->recount =
            !atomic_compare_exchange_strong(&shared->open_connections, &counted, seen);
}

bool shared_connection_reserve(struct server_shared *shared, struct worker_stats *stats,
                               unsigned most)
{
    _Atomic int32_t *open = &shared->open_connections;
    int32_t seen = atomic_load_explicit(open, memory_order_relaxed);
    bool reserved = false;

    shared_begin_change(stats);
    while (!reserved && seen < (int32_t)most)
        reserved = atomic_compare_exchange_weak_explicit(
            open, &seen, seen + 1, memory_order_relaxed, memory_order_relaxed);
    if (reserved)
        stats_add(&stats->accepted, 1);
    shared_end_change(stats);
    return reserved;
}

void shared_connection_unreserve(struct server_shared *shared, struct worker_stats *stats)
{
    shared_begin_change(stats);
    atomic_fetch_sub_explicit(&shared->open_connections, 1, memory_order_relaxed);
    stats_add(&stats->accepted, (uint64_t)-1);
    shared_end_change(stats);
}

void shared_count_opened(struct server_shared *shared, struct worker_stats *stats)
{
    stats_add(&stats->accepted, 1);
    atomic_fetch_add_explicit(&shared->open_connections, 1, memory_order_relaxed);
}

void shared_count_closed(struct server_shared *shared, struct worker_stats *stats)
{
    atomic_fetch_sub_explicit(&shared->open_connections, 1, memory_order_relaxed);
    stats_add(&stats->closed, 1);
}

void shared_connection_opened(struct server_shared *shared, struct worker_stats *stats)
{
    shared_begin_change(stats);
    shared_count_opened(shared, stats);
    shared_end_change(stats);
}

void shared_connection_closed(struct server_shared *shared, struct worker_stats *stats)
{
    shared_begin_change(stats);
    shared_count_closed(shared, stats);
    shared_end_change(stats);
}

void shared_worker_begins(struct server_shared *shared, unsigned worker, int32_t pid, int32_t tid)
{
    struct worker_stats *stats = &shared->workers[worker];

    atomic_store_explicit(&stats->requests_before, stats_get(&stats->requests),
                          memory_order_relaxed);
    atomic_store_explicit(&stats->tid, tid, memory_order_relaxed);
    atomic_store_explicit(&stats->pid, pid, memory_order_relaxed);
}

void shared_worker_died(struct server_shared *shared, unsigned worker)
{
    struct worker_stats *stats = &shared->workers[worker];
    int32_t contexts = (int32_t)stats_get(&stats->contexts);
    uint32_t left = atomic_load(&stats->changing) % SHARED_CHANGE;

    atomic_fetch_sub_explicit(&shared->contexts, contexts, memory_order_relaxed);
    atomic_store_explicit(&stats->contexts, 0, memory_order_relaxed);
    atomic_fetch_sub_explicit(&shared->read_ahead, (int64_t)stats_get(&stats->read_ahead),
                              memory_order_relaxed);
    atomic_store_explicit(&stats->read_ahead, 0, memory_order_relaxed);
    if (left != 0) {
        shared->strays = shared->recount = true;
        atomic_fetch_add(&stats->changing, SHARED_CHANGE - left);
    }
    atomic_store_explicit(&stats->pid, 0, memory_order_relaxed);
    atomic_store_explicit(&stats->tid, 0, memory_order_relaxed);
}

void shared_worker_lost_connections(struct server_shared *shared, unsigned worker)
{
    struct worker_stats *stats = &shared->workers[worker];
    uint64_t lost = stats_get(&stats->accepted) - stats_get(&stats->closed);

    atomic_fetch_sub_explicit(&shared->open_connections, (int32_t)lost, memory_order_relaxed);
    stats_add(&stats->closed, lost);
}
