// SPDX-License-Identifier: MIT
/* Generators. A resume switches from the caller's stack to the generator's, a yield back to
 * whoever resumed it (g->caller), so generators may nest to any depth, each on its own stack.
 *
 * The hot path is a send to a suspended generator and the yield that answers it: two switches,
 * a handful of stores, no call. `thrown` is what the last resume brought the body (code 0: a
 * plain send), `raised` what the body wants to end with, `error` what the caller was last told.
 */
#include "coro/generator.h"
#include "coro/coro.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#define WARM_STACKS 16

struct coro_gen {
    struct coro co; /* must be first: coro_gen_self() finds the generator by it */
    struct coro *caller;
    void *value; /* outwards: yielded or returned */
    void *sent;  /* inwards */
    struct coro_error thrown;
    enum coro_gen_state state;
    enum coro_status status;
    struct coro_error raised, error;
    coro_gen_fn *fn;
    void *arg;
    struct coro_stack_pool *pool;
};

static_assert(sizeof(struct coro_gen) <= CORO_RECORD_BYTES, "lives in its stack's record");
static_assert(offsetof(struct coro_gen, co) == 0, "a generator's coroutine is its address");

/* ---- the thread's own pool, for those who bring none ---- */

static pthread_key_t pool_key; /* only so that a thread's pool is freed when it ends */
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;
static _Thread_local struct coro_stack_pool *thread_pool;

static void free_thread_pool(void *pool)
{
    thread_pool = NULL;
    coro_stack_pool_free(pool);
}

static void make_pool_key(void)
{
    (void)pthread_key_create(&pool_key, free_thread_pool);
}

static struct coro_stack_pool *default_pool(void)
{
    if (thread_pool == NULL) {
        pthread_once(&pool_once, make_pool_key);
        thread_pool = coro_stack_pool_new(CORO_STACK_DEFAULT, WARM_STACKS);
        if (thread_pool != NULL)
            pthread_setspecific(pool_key, thread_pool);
    }
    return thread_pool;
}

/* ---- life ---- */

static void gen_main(void *arg)
{
    struct coro_gen *g = arg;
    coro_arrived(&g->co);
    g->value = g->fn(g->arg);
    g->status = CORO_RETURNED;
    if (g->raised.code != 0) {
        g->status = CORO_FAILED;
        g->error = g->raised;
        g->value = NULL;
    }
    g->state = CORO_GEN_CLOSED;
    coro_leave_for_good(&g->co, g->caller);
}

struct coro_gen *coro_gen_new(struct coro_stack_pool *pool, coro_gen_fn *fn, void *arg,
                              const char *name)
{
    if (pool == NULL && (pool = default_pool()) == NULL)
        return NULL;
    struct coro_stack *stack = coro_stack_get(pool, name);
    if (stack == NULL)
        return NULL;
    struct coro_gen *g = (void *)stack->record;
    *g = (struct coro_gen){.fn = fn, .arg = arg, .pool = pool, .state = CORO_GEN_CREATED};
    coro_init(&g->co, stack, coro_stack_pool_bytes(pool), gen_main, g);
    g->co.is_generator = true;
    return g;
}

void coro_gen_free(struct coro_gen *g)
{
    if (g == NULL)
        return;
    assert(g->state != CORO_GEN_RUNNING);
    (void)coro_close(g);
    struct coro_stack *stack = g->co.stack;
    coro_term(&g->co);
    coro_stack_put(g->pool, stack);
}

/* ---- outside ---- */

static enum coro_status failed(struct coro_gen *g, int code, const char *message)
{
    g->error = (struct coro_error){code, message};
    return CORO_FAILED;
}

/* To the body and back; g is CREATED or SUSPENDED and knows what it is resumed with. */
__attribute__((always_inline)) static inline enum coro_status resume(struct coro_gen *g,
                                                                     void **out)
{
    struct coro *self = coro_running();
    g->caller = self;
    g->state = CORO_GEN_RUNNING;
    coro_switch(self, &g->co);
    if (out != NULL)
        *out = g->value;
    return g->status;
}

/* Every state but SUSPENDED. */
static __attribute__((noinline)) enum coro_status send_else(struct coro_gen *g, void *value,
                                                            void **out)
{
    if (g->state == CORO_GEN_CREATED && value == NULL)
        return resume(g, out);
    if (out != NULL)
        *out = NULL;
    if (g->state == CORO_GEN_CLOSED)
        return CORO_RETURNED;
    if (g->state == CORO_GEN_CREATED)
        return failed(g, -EINVAL, "can't send a value to a just-started generator");
    return failed(g, -EBUSY, "generator already executing");
}

enum coro_status coro_send(struct coro_gen *g, void *value, void **out)
{
    if (g->state != CORO_GEN_SUSPENDED)
        return send_else(g, value, out);
    g->sent = value;
    g->thrown.code = 0;
    return resume(g, out);
}

enum coro_status coro_throw(struct coro_gen *g, struct coro_error error, void **out)
{
    assert(error.code < 0);
    if (g->state == CORO_GEN_SUSPENDED) {
        g->sent = NULL;
        g->thrown = error;
        return resume(g, out);
    }
    if (out != NULL)
        *out = NULL;
    if (g->state == CORO_GEN_RUNNING)
        return failed(g, -EBUSY, "generator already executing");
    g->state = CORO_GEN_CLOSED;
    return failed(g, error.code, error.message);
}

int coro_close(struct coro_gen *g)
{
    if (g->state == CORO_GEN_RUNNING) {
        failed(g, -EBUSY, "generator already executing");
        return -EBUSY;
    }
    if (g->state != CORO_GEN_SUSPENDED) {
        g->state = CORO_GEN_CLOSED;
        return 0;
    }
    switch (coro_throw(g, (struct coro_error){CORO_EXIT, "generator closed"}, NULL)) {
    case CORO_RETURNED:
        return 0;
    case CORO_FAILED:
        return g->error.code == CORO_EXIT ? 0 : g->error.code;
    case CORO_YIELDED:
    default:
        failed(g, -EPROTO, "generator ignored its closing");
        return -EPROTO;
    }
}

enum coro_gen_state coro_gen_state(const struct coro_gen *g)
{
    return g->state;
}

struct coro_error coro_gen_error(const struct coro_gen *g)
{
    return g->error;
}

/* ---- inside ---- */

struct coro_gen *coro_gen_self(void)
{
    struct coro *c = coro_thread.current;
    return c != NULL && c->is_generator ? (struct coro_gen *)c : NULL;
}

int coro_yield(void *value, void **sent)
{
    struct coro_gen *g = (struct coro_gen *)coro_thread.current;
    assert(g != NULL && g->co.is_generator);
    g->raised.code = 0;
    g->value = value;
    g->status = CORO_YIELDED;
    g->state = CORO_GEN_SUSPENDED;
    coro_switch(&g->co, g->caller);
    if (sent != NULL)
        *sent = g->sent;
    return g->thrown.code;
}

int coro_yield_from(struct coro_gen *sub, void **result)
{
    struct coro_gen *g = coro_gen_self();
    void *value, *sent;
    assert(g != NULL);
    enum coro_status status = coro_send(sub, NULL, &value);
    while (status == CORO_YIELDED) {
        int rc = coro_yield(value, &sent);
        if (rc == 0) {
            status = coro_send(sub, sent, &value);
        } else if (rc != CORO_EXIT) {
            status = coro_throw(sub, g->thrown, &value);
        } else {
            if ((rc = coro_close(sub)) != 0)
                g->thrown = sub->error;
            return g->thrown.code;
        }
    }
    if (status == CORO_FAILED) {
        g->thrown = sub->error;
        return g->thrown.code;
    }
    if (result != NULL)
        *result = value;
    return 0;
}

void *coro_raise(struct coro_error error)
{
    struct coro_gen *g = coro_gen_self();
    assert(g != NULL && error.code < 0);
    g->raised = error;
    return NULL;
}

void *coro_raise_again(void)
{
    return coro_raise(coro_thrown());
}

struct coro_error coro_thrown(void)
{
    struct coro_gen *g = coro_gen_self();
    assert(g != NULL);
    return g->thrown.code != 0 ? g->thrown : (struct coro_error){0, NULL};
}
