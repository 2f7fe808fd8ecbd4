/* SPDX-License-Identifier: MIT
 *
 * Random waits, random cancellations, a fixed seed: whatever the interleaving, every task unwinds
 * exactly once, every wait says what it may say, and nothing is lost or done twice:
 *
 *   - as many semaphore units at the end as at the beginning, and never more held than there are;
 *   - every item put into the queue is got once, or still in it;
 *   - an offloaded function has run once if coro_offload() said 0, and never if it did not;
 *   - the loop ends with no task left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coro/await.h"
#include "coro/generator.h"
#include "coro/loop.h"
#include "coro/offload.h"
#include "coro/run.h"
#include "coro/sanitize.h"
#include "coro/sync.h"
#include "coro/wait.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS = 40, UNITS = 5, CAPACITY = 4, KINDS = 9 };

struct worker {
    struct coro_task *task; /* held; NULL before it was spawned */
    unsigned unwound;
    unsigned cancelled; /* waits that said -ECANCELED */
};

/* The one scene of a run; cmocka gives tests no argument worth the name. */
static struct {
    uint64_t random;
    struct coro_sem sem;
    struct coro_queue queue;
    struct worker workers[WORKERS];
    struct coro_future *shared; /* everybody may await it; completed at the end */
    int pipe[2];
    unsigned held, put, got, offloads_ok, spawned, ended, by_kind[KINDS];

    atomic_uint offloads_run;
} scene;

static unsigned pick(unsigned n) /* xorshift64 */
{
    scene.random ^= scene.random << 13;
    scene.random ^= scene.random >> 7;
    scene.random ^= scene.random << 17;
    return (unsigned)(scene.random >> 33) % n;
}

static int64_t some_deadline(void)
{
    return pick(3) == 0 ? CORO_FOREVER : coro_now_ms() + pick(4);
}

static void check(int rc)
{
    if (rc != 0 && rc != -ETIMEDOUT && rc != -ECANCELED)
        fail_msg("a wait said %d", rc);
}

static void *offloaded(void *arg)
{
    scene.offloads_run++;
    return arg;
}

static void *short_task(void *arg)
{
    if (coro_sleep((int64_t)(uintptr_t)arg) != 0)
        return coro_fail(-ECANCELED);
    return arg;
}

static int hold_unit(void)
{
    int rc = coro_sem_acquire(&scene.sem, some_deadline());

    if (rc != 0)
        return rc;
    assert_true(++scene.held <= UNITS);
    rc = coro_sleep(pick(2));
    scene.held--;
    coro_sem_release(&scene.sem);
    return rc;
}

static int put_or_get(void)
{
    void *item = &scene;
    int rc;

    if (pick(2)) {
        rc = coro_queue_put(&scene.queue, item, coro_now_ms() + pick(4));
        scene.put += rc == 0;
    } else {
        rc = coro_queue_get(&scene.queue, &item, coro_now_ms() + pick(4));
        scene.got += rc == 0;
        assert_ptr_equal(item, &scene);
    }
    return rc;
}

static int gather_some(void)
{
    struct coro_future *f[3];
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    size_t n = 0;
    int rc;

    for (; n < 3; n++) {
        struct coro_task *t = coro_spawn(loop, short_task, (void *)(uintptr_t)pick(3), "short");

        if (t == NULL)
            break; /* the loop is stopping */
        f[n] = coro_future_ref(coro_task_future(t));
    }
    rc = coro_gather(f, n, some_deadline());
    if (rc == 0 && n == 3)
        rc = coro_await_within(f[0], NULL, some_deadline());
    while (n > 0)
        coro_future_unref(f[--n]);
    return rc;
}

static void *sleepy_body(void *arg)
{
    for (;;) {
        if (coro_sleep(1) != 0)
            return coro_raise((struct coro_error){-ECANCELED, NULL});
        if (coro_yield(arg, NULL) != 0)
            return NULL;
    }
}

static int sleep_in_generator(void)
{
    struct coro_gen *g = coro_gen_new(NULL, sleepy_body, NULL, "sleepy");
    int rc = 0;

    for (unsigned i = pick(3); rc == 0 && i > 0; i--)
        rc = coro_send(g, NULL, NULL) == CORO_FAILED ? coro_gen_error(g).code : 0;
    coro_gen_free(g);
    return rc;
}

static int offload_one(void)
{
    void *result = NULL;
    int rc = coro_offload(offloaded, &scene, &result, coro_now_ms() + pick(3));

    if (rc == 0) {
        assert_ptr_equal(result, &scene);
        scene.offloads_ok++;
    }
    return rc;
}

static int something(void)
{
    unsigned kind = pick(KINDS);

    scene.by_kind[kind]++;
    switch (kind) {
    case 0:
        return coro_sleep(pick(3));
    case 1:
        return coro_wait_fd(scene.pipe[0], CORO_READ, coro_now_ms() + pick(3));
    case 2:
        return hold_unit();
    case 3:
        return put_or_get();
    case 4:
        return gather_some();
    case 5:
        return offload_one();
    case 6:
        return coro_park(coro_now_ms() + pick(3));
    case 7:
        return coro_shield(scene.shared, NULL, coro_now_ms() + pick(3));
    default:
        return sleep_in_generator();
    }
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    int rc = 0;

    for (unsigned i = 10 + pick(30); i > 0 && rc != -ECANCELED; i--) {
        rc = something();
        check(rc);
    }
    if (rc == -ECANCELED) {
        w->cancelled++;
        if (pick(2))
            check(hold_unit()); /* clean-up that waits */
    }
    w->unwound++;
    scene.ended++;
    return NULL;
}

/* Keeps the workers going, and kills and prods some of them all the time. */
static void *chaos(void *arg)
{
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    unsigned rounds = *(unsigned *)arg;

    for (unsigned i = 0; i < rounds; i++) {
        struct worker *w = &scene.workers[pick(WORKERS)];

        if (w->task == NULL || w->unwound > 0) {
            assert_true(w->task == NULL || w->unwound == 1);
            coro_task_unref(w->task);
            *w = (struct worker){0};
            w->task = coro_task_ref(coro_spawn(loop, worker_main, w, "worker"));
            scene.spawned++;
        } else if (pick(3) == 0) {
            (void)coro_task_cancel(w->task);
        } else {
            coro_unpark(w->task);
        }
        assert_int_equal(pick(4) == 0 ? coro_sleep(1) : coro_pause(), 0);
    }
    coro_loop_stop(loop, 10000);
    return NULL;
}

static void run(uint64_t seed, unsigned rounds)
{
    struct coro_loop_config config = {.offload_threads = 2, .cleanup_ms = 5};
    struct coro_loop *loop = coro_loop_new(&config);

    memset(&scene, 0, sizeof scene);
    scene.random = seed;
    coro_sem_init(&scene.sem, UNITS);
    assert_int_equal(coro_queue_init(&scene.queue, CAPACITY), 0);
    assert_int_equal(pipe(scene.pipe), 0);
    scene.shared = coro_future_new(loop);
    assert_non_null(coro_spawn(loop, chaos, &rounds, "chaos"));
    assert_int_equal(coro_loop_run(loop), 0);

    assert_int_equal(coro_loop_tasks(loop), 0);
    assert_int_equal(scene.ended, scene.spawned);
    for (int i = 0; i < WORKERS; i++) {
        assert_true(scene.workers[i].unwound == (scene.workers[i].task != NULL));
        coro_task_unref(scene.workers[i].task);
    }
    assert_int_equal(scene.held, 0);
    assert_int_equal(scene.sem.count, UNITS);
    assert_int_equal(scene.put, scene.got + scene.queue.count);
    assert_int_equal(scene.offloads_ok, scene.offloads_run);
    for (int i = 0; i < KINDS; i++)
        assert_true(scene.by_kind[i] > 0);
    coro_future_unref(scene.shared);
    coro_queue_term(&scene.queue);
    coro_loop_free(loop);
    close(scene.pipe[0]);
    close(scene.pipe[1]);
}

static void test_random_interleavings(void **state)
{
#ifdef CORO_TSAN
    unsigned rounds = 150; /* ThreadSanitizer takes milliseconds to make a fibre */
#else
    unsigned rounds = RUNNING_ON_VALGRIND ? 300 : 1000;
#endif

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        run(seed * UINT64_C(0x9E3779B97F4A7C15), rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_interleavings)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
