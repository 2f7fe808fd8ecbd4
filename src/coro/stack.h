/* SPDX-License-Identifier: MIT
 *
 * Stacks for coroutines: mapped from the kernel, guarded, pooled, measured.
 *
 * A pool hands out stacks of one size. Stacks are cut from arenas, each one anonymous mapping:
 *
 *     │ arena header │ guard │ stack 0 │ guard │ stack 1 │ ... │
 *      one page       one     stack_bytes
 *                     page
 *
 * What limits their number. A guard made by MADV_GUARD_INSTALL (Linux 6.13) lives in the page
 * table and costs no mapping, so memory is the limit: a suspended coroutine that uses less than
 * a page of stack keeps 4 KiB resident. On older kernels the guard is an mprotect(), which costs
 * two mappings per stack; vm.max_map_count (65,530 by default) then ends it near 32,000 stacks.
 *
 * Returned stacks stay warm (resident) for reuse, last in first out, but never more of them than
 * are in use (or a small minimum): as a burst ends, the pages of those above go back to the
 * kernel, and an arena no stack of which is in use or warm is unmapped. With CORO_STACK_ANEW
 * nothing is kept: each stack is a mapping of its own, made for it and unmapped when it is
 * returned. A pool is used by one thread only, the one that made it.
 */
#ifndef CORO_STACK_H
#define CORO_STACK_H

#include <stddef.h>
#include <stdint.h>

enum {
    CORO_STACK_MIN = 8192,
    CORO_STACK_DEFAULT = 64 * 1024,
#if defined(CORO_UCONTEXT)
    CORO_RECORD_BYTES = 1536, /* a ucontext_t is large */
#else
    CORO_RECORD_BYTES = 320,
#endif
};

#define CORO_STACK_ANEW SIZE_MAX /* for warm_min */

struct coro_stack_pool;

/* One stack. This struct lies in its arena's header, not on the stack itself, so that a runaway
 * stack cannot damage it and so that the report of an overflow can read it. */
struct coro_stack {
    char *low;        /* lowest usable address; the guard page lies below */
    const char *name; /* of the coroutine using it; borrowed; NULL: not in use */
    struct coro_arena *arena;
    struct coro_stack *next; /* in the pool's warm list or the arena's cold list */
    unsigned valgrind_id;
    /* Room for its user's own record (a task, a generator): it lives exactly as long as the
     * stack is held, without a malloc(), and leaves with the arena after a burst. */
    _Alignas(64) unsigned char record[CORO_RECORD_BYTES];
};

/* Makes a pool of stacks of stack_bytes each (rounded up to pages; 0: CORO_STACK_DEFAULT; at
 * least CORO_STACK_MIN), keeping warm_min returned stacks resident even when none is in use; or
 * none at all, CORO_STACK_ANEW. NULL with errno ENOMEM or EINVAL (stack_bytes above 1 GiB). */
struct coro_stack_pool *coro_stack_pool_new(size_t stack_bytes, size_t warm_min);

/* Unmaps everything, stacks in use too: nothing may run on them any more. NULL allowed. */
void coro_stack_pool_free(struct coro_stack_pool *pool);

/* A stack, named for overflow reports. name is borrowed until the stack is put back.
 * NULL with errno ENOMEM. */
struct coro_stack *coro_stack_get(struct coro_stack_pool *pool, const char *name);

/* Gives a stack back. Must not be called on that very stack. */
void coro_stack_put(struct coro_stack_pool *pool, struct coro_stack *stack);

size_t coro_stack_pool_bytes(const struct coro_stack_pool *pool); /* size of each stack */
size_t coro_stack_pool_live(const struct coro_stack_pool *pool);  /* stacks in use */
size_t coro_stack_pool_warm(const struct coro_stack_pool *pool);  /* returned, still resident */

/* The deepest use seen, in bytes, over returned stacks that were inspected (the first 64, then
 * one in 64) and over up to 64 stacks in use now. Costs one mincore(2) per inspected stack and a
 * look at one page; 0 under Valgrind, which objects to reading dead stack. */
size_t coro_stack_pool_peak(struct coro_stack_pool *pool);

/* The stack of the calling thread's pools in whose guard address lies, or NULL.
 * Async-signal-safe: this is what the overflow report asks. */
const struct coro_stack *coro_stack_of_guard(uintptr_t address, size_t *stack_bytes);

#endif
