/* SPDX-License-Identifier: MIT
 *
 * The stack pool. Invariants:
 *
 *   - every stack of an arena is in exactly one of: in use, the pool's warm list, the arena's
 *     cold list, or never cut yet (index >= arena->cut);
 *   - arena->busy counts the stacks in use or warm; at 0 the arena is unmapped, save one spare,
 *     so that a pool at the edge does not map and unmap in turn;
 *   - an arena is on the `open` list while it has a cold or uncut stack, else on `full`.
 *
 * A fresh or cold stack reads as zeros, which is how its use is measured later without painting
 * it first: the lowest word that is not zero is the deepest that was written.
 */
#include "coro/stack.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "coro/expect.h"
#include "coro/sanitize.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    ARENA_BYTES = 4 << 20,
    ARENA_STACKS = 64,
    STACK_MAX = 1 << 30,
    INSPECT_EVERY = 64,
};

struct coro_arena {
    struct coro_arena *prev, *next; /* on the pool's open or full list */
    struct coro_stack *cold;        /* cut before, pages given back */
    unsigned cut;                   /* stacks cut so far, from the front */
    unsigned busy;                  /* in use or warm */
    bool full;                      /* which list it is on */
    struct coro_stack stacks[];
};

struct coro_stack_pool {
    struct coro_stack_pool *next; /* of this thread's pools, for coro_stack_of_guard() */
    struct coro_arena *open, *full;
    struct coro_stack *warm;
    size_t warm_count, warm_min, live;
    size_t stack_bytes, page, head, arena_bytes;
    unsigned per_arena, puts, idle_arenas;
    bool guard_by_madvise, anew;
    size_t peak;
};

/* The overflow report runs in a signal handler and knows nothing but an address; a thread's
 * pools are found from here. Initial-exec, because a lazily allocated TLS block must not be
 * first touched in a signal handler. */
static _Thread_local struct coro_stack_pool *thread_pools
    __attribute__((tls_model("initial-exec")));

/* Whether this kernel makes guards. Asks by result, not by return value: emulators accept advice
 * they do not know. The kernel must fail with EFAULT to write into a guard. It is asked through
 * syscall(2), for what a C library does in user space (getrandom() since glibc 2.41) would be
 * killed there. */
static bool probe_guard_install(size_t page)
{
    char *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok;

    if (p == MAP_FAILED)
        return false;
    ok = madvise(p, page, MADV_GUARD_INSTALL) == 0 && syscall(SYS_mincore, p, page, p) == -1 &&
         errno == EFAULT;
    munmap(p, page);
    return ok;
}

struct coro_stack_pool *coro_stack_pool_new(size_t stack_bytes, size_t warm_min)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct coro_stack_pool *pool;
    size_t n, head;

    if (stack_bytes == 0)
        stack_bytes = CORO_STACK_DEFAULT;
    if (stack_bytes > STACK_MAX) {
        errno = EINVAL;
        return NULL;
    }
    if (stack_bytes < CORO_STACK_MIN)
        stack_bytes = CORO_STACK_MIN;
    stack_bytes = (stack_bytes + page - 1) / page * page;

    pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->anew = warm_min == CORO_STACK_ANEW;
    n = pool->anew ? 1 : ARENA_BYTES / (stack_bytes + page);
    n = n < 1 ? 1 : n > ARENA_STACKS ? ARENA_STACKS : n;
    head = sizeof(struct coro_arena) + n * sizeof(struct coro_stack);
    head = (head + page - 1) / page * page;
    pool->stack_bytes = stack_bytes;
    pool->page = page;
    pool->per_arena = (unsigned)n;
    pool->head = head;
    pool->arena_bytes = head + n * (stack_bytes + page);
    pool->warm_min = warm_min;
    pool->guard_by_madvise = probe_guard_install(page);
    pool->next = thread_pools;
    thread_pools = pool;
    return pool;
}

static void list_remove(struct coro_arena **list, struct coro_arena *a)
{
    if (a->prev != NULL)
        a->prev->next = a->next;
    else
        *list = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
}

static void list_push(struct coro_arena **list, struct coro_arena *a)
{
    a->prev = NULL;
    a->next = *list;
    if (*list != NULL)
        (*list)->prev = a;
    *list = a;
}

static void unmap(const struct coro_stack_pool *pool, struct coro_arena *a)
{
#ifdef CORO_ASAN
    __asan_unpoison_memory_region(a, pool->arena_bytes);
#endif
    munmap(a, pool->arena_bytes);
}

static void unmap_all(const struct coro_stack_pool *pool, struct coro_arena *a)
{
    while (a != NULL) {
        struct coro_arena *next = a->next;

        for (unsigned i = 0; i < a->cut; i++)
            if (a->stacks[i].name != NULL)
                VALGRIND_STACK_DEREGISTER(a->stacks[i].valgrind_id);
        unmap(pool, a);
        a = next;
    }
}

void coro_stack_pool_free(struct coro_stack_pool *pool)
{
    struct coro_stack_pool **link = &thread_pools;

    if (pool == NULL)
        return;
    while (*link != NULL && *link != pool)
        link = &(*link)->next;
    assert(*link == pool); /* another thread's pool */
    *link = pool->next;
    unmap_all(pool, pool->open);
    unmap_all(pool, pool->full);
    free(pool);
}

static struct coro_arena *arena_new(struct coro_stack_pool *pool)
{
    /* MAP_STACK also keeps huge pages away (Linux 6.7), which would make every stack 2 MiB. */
    void *p = mmap(NULL, pool->arena_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    list_push(&pool->open, p);
    pool->idle_arenas++;
    return p;
}

/* The next uncut stack of an arena, its guard made now. NULL with errno. */
static struct coro_stack *cut(struct coro_stack_pool *pool, struct coro_arena *a)
{
    struct coro_stack *s = &a->stacks[a->cut];
    char *guard = (char *)a + pool->head + a->cut * (pool->stack_bytes + pool->page);

    if (!pool->guard_by_madvise || madvise(guard, pool->page, MADV_GUARD_INSTALL) != 0) {
        if (mprotect(guard, pool->page, PROT_NONE) != 0) {
            errno = ENOMEM;
            return NULL;
        }
    }
    a->cut++;
    s->low = guard + pool->page;
    s->arena = a;
    return s;
}

static struct coro_stack *take_cold(struct coro_stack_pool *pool)
{
    struct coro_arena *a = pool->open != NULL ? pool->open : arena_new(pool);
    struct coro_stack *s;

    if (a == NULL)
        return NULL;
    s = a->cold;
    if (s != NULL)
        a->cold = s->next;
    else if ((s = cut(pool, a)) == NULL)
        return NULL;
    if (a->busy++ == 0)
        pool->idle_arenas--;
    if (a->cold == NULL && a->cut == pool->per_arena) {
        list_remove(&pool->open, a);
        list_push(&pool->full, a);
        a->full = true;
    }
    return s;
}

struct coro_stack *coro_stack_get(struct coro_stack_pool *pool, const char *name)
{
    struct coro_stack *s = pool->warm;

    if (s != NULL) {
        pool->warm = s->next;
        pool->warm_count--;
    } else if ((s = take_cold(pool)) == NULL) {
        return NULL;
    }
    s->name = name != NULL ? name : "unnamed";
#ifdef CORO_ASAN
    __asan_unpoison_memory_region(s->record, sizeof s->record);
#endif
    s->valgrind_id = VALGRIND_STACK_REGISTER(s->low, s->low + pool->stack_bytes);
    pool->live++;
    return s;
}

/* Bytes of the stack below its top that were ever written: the lowest resident page, then the
 * lowest word in it that is not zero. */
CORO_NO_ASAN static size_t deepest_use(const struct coro_stack_pool *pool,
                                       const struct coro_stack *s)
{
    unsigned char resident[256];
    size_t pages = pool->stack_bytes / pool->page, first = pages;
    const uintptr_t *word, *top = (const uintptr_t *)(const void *)(s->low + pool->stack_bytes);

    if (RUNNING_ON_VALGRIND)
        return 0;
    for (size_t at = 0; at < pages && first == pages; at += sizeof resident) {
        size_t n = pages - at < sizeof resident ? pages - at : sizeof resident;

        if (mincore(s->low + at * pool->page, n * pool->page, resident) != 0)
            return 0;
        for (size_t i = 0; i < n && first == pages; i++) {
            if (resident[i] & 1)
                first = at + i;
        }
    }
    word = (const uintptr_t *)(const void *)(s->low + first * pool->page);
    while (word < top && *(const volatile uintptr_t *)word == 0)
        word++;
    return (size_t)((const char *)top - (const char *)word);
}

static void inspect(struct coro_stack_pool *pool, struct coro_stack *s)
{
    size_t used = deepest_use(pool, s);

    if (used > pool->peak)
        pool->peak = used;
}

/* Gives the pages of a stack nobody uses back to the kernel, or its whole arena. */
static void chill(struct coro_stack_pool *pool, struct coro_stack *s)
{
    struct coro_arena *a = s->arena;

    if (a->full) {
        list_remove(&pool->full, a);
        list_push(&pool->open, a);
        a->full = false;
    }
    if (--a->busy == 0) {
        if (pool->idle_arenas > 0 || pool->anew) {
            list_remove(&pool->open, a);
            unmap(pool, a);
            return;
        }
        pool->idle_arenas++;
    }
    madvise(s->low, pool->stack_bytes, MADV_DONTNEED); /* guards survive it */
    s->next = a->cold;
    a->cold = s;
}

void coro_stack_put(struct coro_stack_pool *pool, struct coro_stack *s)
{
    coro_expect(s->name != NULL, NULL, "its stack is given back a second time");
    VALGRIND_STACK_DEREGISTER(s->valgrind_id);
#ifdef CORO_ASAN
    __asan_poison_memory_region(s->record, sizeof s->record); /* nobody's any more */
    /* Frames that were never unwound leave their redzones poisoned. */
    __asan_unpoison_memory_region(s->low, pool->stack_bytes);
#endif
    if (pool->puts < INSPECT_EVERY || pool->puts % INSPECT_EVERY == 0)
        inspect(pool, s);
    pool->puts++;
    pool->live--;
    s->name = NULL;
    if (pool->anew) {
        chill(pool, s);
        return;
    }
    s->next = pool->warm;
    pool->warm = s;
    pool->warm_count++;
    while (pool->warm_count > pool->warm_min && pool->warm_count > pool->live) {
        s = pool->warm;
        pool->warm = s->next;
        pool->warm_count--;
        chill(pool, s);
    }
}

size_t coro_stack_pool_bytes(const struct coro_stack_pool *pool)
{
    return pool->stack_bytes;
}

size_t coro_stack_pool_live(const struct coro_stack_pool *pool)
{
    return pool->live;
}

size_t coro_stack_pool_warm(const struct coro_stack_pool *pool)
{
    return pool->warm_count;
}

static unsigned inspect_live(struct coro_stack_pool *pool, struct coro_arena *a, unsigned left)
{
    for (; a != NULL && left > 0; a = a->next) {
        for (unsigned i = 0; i < a->cut && left > 0; i++) {
            if (a->stacks[i].name != NULL) {
                inspect(pool, &a->stacks[i]);
                left--;
            }
        }
    }
    return left;
}

size_t coro_stack_pool_peak(struct coro_stack_pool *pool)
{
    unsigned left = inspect_live(pool, pool->full, INSPECT_EVERY);

    inspect_live(pool, pool->open, left);
    return pool->peak;
}

static const struct coro_stack *guard_in(const struct coro_stack_pool *pool,
                                         const struct coro_arena *a, uintptr_t address)
{
    for (; a != NULL; a = a->next) {
        uintptr_t first = (uintptr_t)a + pool->head;
        size_t slot = pool->stack_bytes + pool->page, at = address - first;
        const struct coro_stack *s;

        if (address < first || address >= (uintptr_t)a + pool->arena_bytes)
            continue;
        s = &a->stacks[at / slot];
        return at % slot < pool->page && s->name != NULL ? s : NULL;
    }
    return NULL;
}

const struct coro_stack *coro_stack_of_guard(uintptr_t address, size_t *stack_bytes)
{
    for (struct coro_stack_pool *pool = thread_pools; pool != NULL; pool = pool->next) {
        const struct coro_stack *s = guard_in(pool, pool->full, address);

        if (s == NULL)
            s = guard_in(pool, pool->open, address);
        if (s != NULL) {
            *stack_bytes = pool->stack_bytes;
            return s;
        }
    }
    return NULL;
}
