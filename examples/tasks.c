/* SPDX-License-Identifier: MIT
 *
 * Concurrency by tasks: a hundred that each wait 50 ms are done in about 50 ms, because each gives
 * way to the others while it waits. A future is PENDING until the loop first runs its task,
 * RUNNING until that has returned, then DONE; or CANCELLED, as one of them is here. At the end
 * the loop is stopped, which would cancel whatever task is left, and wait for it.
 */
#include "coro/await.h"
#include "coro/run.h"
#include "coro/wait.h"

#include <stdio.h>

enum { TASKS = 100, WAIT_MS = 50, THE_CANCELLED = 42 };

static const char *const names[] = {"PENDING", "RUNNING", "DONE", "CANCELLED"};

/* A task and the states its future was seen in. */
struct seen {
    struct coro_task *task;
    enum coro_future_state states[3];
    int n;
};

static void see(struct seen *s)
{
    s->states[s->n++] = coro_future_state(coro_task_future(s->task));
}

static void *waits(void *arg)
{
    see(arg);
    if (coro_sleep(WAIT_MS) != 0)
        return NULL; /* cancelled: this is the place to clean up */
    return arg;
}

static void *all(void *arg)
{
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    static struct seen tasks[TASKS];
    struct coro_future *futures[TASKS];
    int64_t before = coro_now_ms();
    int64_t took;

    for (int i = 0; i < TASKS; i++) {
        struct coro_task *task = coro_spawn(loop, waits, &tasks[i], "waits");

        if (task == NULL)
            return coro_fail(-1);
        tasks[i].task = coro_task_ref(task);
        futures[i] = coro_task_future(task);
        see(&tasks[i]);
    }
    if (coro_sleep(WAIT_MS / 2) == 0)
        (void)coro_future_cancel(futures[THE_CANCELLED]);
    for (int i = 0; i < TASKS; i++) {
        (void)!coro_await(futures[i], NULL, CORO_FOREVER); /* its result is seen below */
        see(&tasks[i]);
    }
    took = coro_now_ms() - before;
    for (int i = 0; i < TASKS; i++) {
        printf("task %d:", i);
        for (int k = 0; k < tasks[i].n; k++)
            printf(" %s", names[tasks[i].states[k]]);
        printf("\n");
        coro_task_unref(tasks[i].task);
    }
    printf("%d tasks that wait %d ms each: %lld ms\n", TASKS, WAIT_MS, (long long)took);
    coro_loop_stop(loop, CORO_FOREVER);
    return arg;
}

int main(void)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    int rc;

    if (loop == NULL || coro_spawn(loop, all, NULL, "all") == NULL)
        return 1;
    rc = coro_loop_run(loop);
    coro_loop_free(loop);
    return rc == 0 ? 0 : 1;
}
