/* SPDX-License-Identifier: MIT
 *
 * The two hot paths of generators, a send to a suspended one and the yield that answers it,
 * inline in their callers. Out of line they took ten times as long: the processor predicts a
 * `ret` from the calls it has seen, so one that is executed after a switch, on another stack,
 * is always mispredicted, twice in each round trip. Inline there is no `ret` to get wrong.
 *
 * Included by generator.h only; its struct is nobody else's business. A function that sends or
 * yields must not use alloca() or variable-length arrays (see context.h).
 */
#ifndef CORO_GENERATOR_INLINE_H
#define CORO_GENERATOR_INLINE_H

#include "coro/coro.h"

#include <assert.h>

struct coro_gen {
    struct coro co; /* must be first: coro_gen_self() finds the generator by it */
    struct coro *caller;
    enum coro_gen_state state;
    enum coro_status ended;     /* CLOSED by its body: how */
    struct coro_error incoming; /* what a throw brings; code 0: nothing */
    struct coro_error thrown;   /* what the body was told of last */
    struct coro_error raised;   /* what the body wants to end with */
    struct coro_error error;    /* what the caller was told of last */
    coro_gen_fn *fn;
    void *arg;
    struct coro_stack_pool *pool;
};

/* The rest of both functions, out of line. */
enum coro_status coro_gen_send_else(struct coro_gen *g, void *value, void **out);
enum coro_status coro_gen_ended(const struct coro_gen *g);
int coro_gen_take_error(struct coro_gen *g);

/* To the body and back with a value in each direction; g is CREATED or SUSPENDED. */
__attribute__((always_inline)) static inline enum coro_status
coro_gen_resume(struct coro_gen *g, void *value, void **out)
{
    struct coro *self = coro_running();

    g->caller = self;
    g->state = CORO_GEN_RUNNING;
    value = coro_switch(self, &g->co, value);
    if (out != NULL)
        *out = value;
    return __builtin_expect(g->state == CORO_GEN_SUSPENDED, 1) ? CORO_YIELDED : coro_gen_ended(g);
}

__attribute__((always_inline)) static inline enum coro_status coro_send(struct coro_gen *g,
                                                                        void *value, void **out)
{
    if (__builtin_expect(g->state != CORO_GEN_SUSPENDED, 0))
        return coro_gen_send_else(g, value, out);
    return coro_gen_resume(g, value, out);
}

__attribute__((always_inline)) static inline int coro_yield(void *value, void **sent)
{
    struct coro_gen *g = (struct coro_gen *)coro_thread.current;

    assert(g != NULL && g->co.is_generator);
    g->state = CORO_GEN_SUSPENDED;
    value = coro_switch(&g->co, g->caller, value);
    if (sent != NULL)
        *sent = value;
    return __builtin_expect(g->incoming.code != 0, 0) ? coro_gen_take_error(g) : 0;
}

#endif
