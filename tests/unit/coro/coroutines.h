/* SPDX-License-Identifier: MIT
 *
 * What the tests of the switch share: coroutines without tasks, from one pool. By the library's
 * own layer, so that the memory checkers are told. Included after cmocka.h.
 */
#ifndef TEST_CORO_COROUTINES_H
#define TEST_CORO_COROUTINES_H

#include "coro/coro.h"

static struct coro *back; /* who runs the test */
static struct coro_stack_pool *pool;

static inline void make(struct coro *c, coro_entry_fn *entry)
{
    struct coro_stack *stack;

    *c = (struct coro){0};
    stack = coro_stack_get(pool, "test");
    assert_non_null(stack);
    coro_init(c, stack, coro_stack_pool_bytes(pool), entry, c);
}

static inline void unmake(struct coro *c)
{
    struct coro_stack *stack = c->stack;

    coro_term(c);
    coro_stack_put(pool, stack);
}

#endif
