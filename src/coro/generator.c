/* SPDX-License-Identifier: MIT
 *
 * Generators. A resume switches from the caller's stack to the generator's, a yield back to
 * whoever resumed it (g->caller), so generators may nest to any depth, each on its own stack.
 *
 * The hot paths, send and yield, are inline in their callers (generator_inline.h, which says why
 * and has the struct); here is everything else.
 */
#include "coro/generator.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "coro/expect.h"

enum { WARM_STACKS = 16 };

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
    void *value;

    coro_arrived(&g->co);
    value = g->fn(g->arg);
    g->ended = CORO_RETURNED;
    if (g->raised.code != 0) {
        g->ended = CORO_FAILED;
        g->error = g->raised;
        value = NULL;
    }
    g->state = CORO_GEN_CLOSED;
    coro_leave_for_good(&g->co, g->caller, value);
}

struct coro_gen *coro_gen_new(struct coro_stack_pool *pool, coro_gen_fn *fn, void *arg,
                              const char *name)
{
    struct coro_stack *stack;
    struct coro_gen *g;

    if (pool == NULL && (pool = default_pool()) == NULL)
        return NULL;
    stack = coro_stack_get(pool, name);
    if (stack == NULL)
        return NULL;
    g = (void *)stack->record;
    *g = (struct coro_gen){.fn = fn, .arg = arg, .pool = pool, .state = CORO_GEN_CREATED};
    coro_init(&g->co, stack, coro_stack_pool_bytes(pool), gen_main, g);
    g->co.is_generator = true;
    return g;
}

/* The one place where a generator's stack is freed, and the generator with it. */
void coro_gen_free(struct coro_gen *g)
{
    struct coro_stack *stack;

    if (g == NULL)
        return;
    stack = g->co.stack;
    coro_expect(g->state != CORO_GEN_RUNNING, stack->name, "freed while it runs");
    (void)coro_close(g);
    coro_term(&g->co);
    coro_stack_put(g->pool, stack);
}

/* ---- outside ---- */

static enum coro_status failed(struct coro_gen *g, int code, const char *message)
{
    g->error = (struct coro_error){code, message};
    return CORO_FAILED;
}

/* Every state but SUSPENDED. */
enum coro_status coro_gen_send_else(struct coro_gen *g, void *value, void **out)
{
    if (g->state == CORO_GEN_CREATED && value == NULL)
        return coro_gen_resume(g, NULL, out);
    if (out != NULL)
        *out = NULL;
    if (g->state == CORO_GEN_CLOSED)
        return CORO_RETURNED;
    if (g->state == CORO_GEN_CREATED)
        return failed(g, -EINVAL, "can't send a value to a just-started generator");
    return failed(g, -EBUSY, "generator already executing");
}

/* The body has come to its end. */
enum coro_status coro_gen_ended(const struct coro_gen *g)
{
    return g->ended;
}

enum coro_status coro_throw(struct coro_gen *g, struct coro_error error, void **out)
{
    assert(error.code < 0);
    if (g->state == CORO_GEN_SUSPENDED) {
        g->incoming = error;
        return coro_gen_resume(g, NULL, out);
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

/* The body was resumed by a throw or a close. */
int coro_gen_take_error(struct coro_gen *g)
{
    g->thrown = g->incoming;
    g->incoming.code = 0;
    return g->thrown.code;
}

int coro_yield_from(struct coro_gen *sub, void **result)
{
    struct coro_gen *g = coro_gen_self();
    enum coro_status status;
    void *value, *sent;

    assert(g != NULL);
    status = coro_send(sub, NULL, &value);
    while (status == CORO_YIELDED) {
        int rc = coro_yield(value, &sent);

        if (rc == 0) {
            status = coro_send(sub, sent, &value);
        } else if (rc != CORO_EXIT) {
            status = coro_throw(sub, g->thrown, &value);
        } else {
            if (coro_close(sub) != 0)
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
    return g->thrown;
}
