/* SPDX-License-Identifier: MIT
 *
 * Measures one thing once and prints `NAME VALUE UNIT` lines; scripts/bench-coro calls it again
 * and again, interleaved, and works out medians and ratios. Everything runs on the one core that
 * the caller pinned it to.
 *
 *     bench switch      ns per switch: ours, Boost.Context's fcontext, swapcontext, in turn; ours
 *                       with nothing live across it, its best case: roundtrip and park_resume
 *                       show what it costs in use
 *     bench roundtrip   ns per generator send and the yield that answers it
 *     bench tasks       ns per task spawned and awaited; per park and resume
 *     bench many        100,000 tasks suspended at once: creation, memory, and afterwards
 *     bench kernel      ns per switch of threads and of processes by pipes; of the same calls
 *                       on a pipe where nobody waits, so without a switch
 *     bench suspended N N switches and nothing else, for strace
 */
#include "coro/await.h"
#include "coro/context.h"
#include "coro/generator.h"
#include "coro/run.h"
#include "coro/timer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* Boost.Context's two assembly routines, which its C++ headers wrap; the symbols are plain C. */
struct transfer {
    void *context;
    void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *top, size_t size, void (*fn)(struct transfer));

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

_Noreturn static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void must(int rc, const char *what)
{
    if (rc != 0) {
        fprintf(stderr, "bench: %s: %d\n", what, rc);
        exit(1);
    }
}

/* ---- switches between two stacks of one thread ---- */

enum { SWITCH_PAIRS = 1000000, STACK = 65536 };
static _Alignas(16) char stack_a[STACK], stack_b[STACK], stack_c[STACK];
static struct coro_context ctx_main, ctx_other;
static ucontext_t uc_main, uc_other;

static void ours_body(void *arg)
{
    (void)arg;
    for (;;)
        (void)coro_context_switch(&ctx_other, &ctx_main, NULL);
}

static void fcontext_body(struct transfer t)
{
    for (;;)
        t = jump_fcontext(t.context, NULL);
}

static void ucontext_body(void)
{
    for (;;)
        swapcontext(&uc_other, &uc_main);
}

static double time_ours(int pairs)
{
    double before = now_ns();

    for (int i = 0; i < pairs; i++)
        (void)coro_context_switch(&ctx_main, &ctx_other, NULL);
    return (now_ns() - before) / pairs / 2;
}

static double time_fcontext(struct transfer *t, int pairs)
{
    double before = now_ns();

    for (int i = 0; i < pairs; i++)
        *t = jump_fcontext(t->context, NULL);
    return (now_ns() - before) / pairs / 2;
}

static double time_swapcontext(int pairs)
{
    double before = now_ns();

    for (int i = 0; i < pairs; i++)
        swapcontext(&uc_main, &uc_other);
    return (now_ns() - before) / pairs / 2;
}

static void bench_switch(void)
{
    struct transfer t = {make_fcontext(stack_b + STACK, STACK, fcontext_body), NULL};

    coro_context_init(&ctx_other, stack_a, STACK, ours_body, NULL);
    getcontext(&uc_other);
    uc_other.uc_stack = (stack_t){.ss_sp = stack_c, .ss_size = STACK};
    makecontext(&uc_other, ucontext_body, 0);
    time_ours(1000);
    time_fcontext(&t, 1000);
    time_swapcontext(100);
    printf("switch %.3f ns\n", time_ours(SWITCH_PAIRS));
    printf("switch_fcontext %.3f ns\n", time_fcontext(&t, SWITCH_PAIRS));
    printf("switch_swapcontext %.3f ns\n", time_swapcontext(SWITCH_PAIRS / 10));
}

static void bench_suspended(int pairs)
{
    coro_context_init(&ctx_other, stack_a, STACK, ours_body, NULL);
    time_ours(pairs);
}

/* ---- generators ---- */

static void *echo(void *arg)
{
    void *value = arg;

    while (coro_yield(value, &value) == 0)
        continue;
    return NULL;
}

static void bench_roundtrip(void)
{
    enum { N = 1000000 };
    struct coro_gen *g = coro_gen_new(NULL, echo, NULL, "echo");
    void *out = NULL;
    uintptr_t sum = 0;
    double before;

    coro_send(g, NULL, &out);
    before = now_ns();
    for (uintptr_t i = 1; i <= N; i++) {
        coro_send(g, (void *)i, &out);
        sum += (uintptr_t)out;
    }
    printf("roundtrip %.3f ns\n", (now_ns() - before) / (double)N);
    if (sum != (uintptr_t)N * (N + 1) / 2)
        must(-1, "the echo");
    coro_gen_free(g);
}

/* ---- tasks ---- */

static void *nothing(void *arg)
{
    return arg;
}

static void *spawn_and_await(void *arg)
{
    enum { N = 100000 };
    struct coro_loop *loop = coro_task_loop(coro_task_self());
    double before = now_ns();

    for (int i = 0; i < N; i++) {
        struct coro_task *t = coro_spawn(loop, nothing, arg, "nothing");

        if (t == NULL)
            die("coro_spawn");
        must(coro_await(coro_task_future(t), NULL, CORO_FOREVER), "coro_await");
    }
    printf("spawn_await %.1f ns\n", (now_ns() - before) / (double)N);
    coro_loop_stop(loop, CORO_FOREVER);
    return NULL;
}

static void *parks(void *arg)
{
    *(struct coro_task **)arg = coro_task_self();
    while (coro_park(CORO_FOREVER) == 0)
        continue;
    return NULL;
}

static void on_timer(struct coro_loop *loop, struct coro_timer *timer)
{
    enum { N = 1000000 };
    struct coro_task *worker = *(struct coro_task **)timer->data;
    double before = now_ns();

    for (int i = 0; i < N; i++)
        coro_resume_now(worker);
    printf("park_resume %.3f ns\n", (now_ns() - before) / (double)N);
    coro_loop_stop(loop, CORO_FOREVER);
}

static void bench_tasks(void)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    struct coro_task *worker;
    struct coro_timer timer;

    if (loop == NULL || coro_spawn(loop, spawn_and_await, NULL, "main") == NULL)
        die("coro_loop_new");
    must(coro_loop_run(loop), "coro_loop_run");
    if (coro_spawn(loop, parks, &worker, "parks") == NULL)
        die("coro_spawn");
    coro_timer_init(&timer, on_timer, &worker);
    coro_timer_start(loop, &timer, 0, 0);
    must(coro_loop_run(loop), "coro_loop_run");
    coro_loop_free(loop);
}

/* ---- 100,000 ---- */

/* From smaps_rollup, which counts; statm's figures are off by what each CPU has not yet added. */
static double resident_bytes(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");

    if (f == NULL)
        die("/proc/self/smaps_rollup");
    while (kib < 0 && fgets(line, sizeof line, f) != NULL)
        (void)sscanf(line, "Rss: %ld", &kib);
    fclose(f);
    return (double)kib * 1024;
}

static void *suspended(void *arg)
{
    int rc = coro_park(CORO_FOREVER);

    return rc == 0 ? arg : NULL;
}

struct many {
    unsigned n;
    double create_ns, first_run_ns, end_ns, full_bytes, after_bytes;
};

/* m->n tasks, all suspended at once, then all ended by a stop. */
static void many(struct coro_loop *loop, struct many *m)
{
    unsigned n = m->n;
    double before = now_ns();
    double made;
    double begun;
    double stop;

    for (unsigned i = 0; i < n; i++) {
        if (coro_spawn(loop, suspended, NULL, "one of many") == NULL)
            die("coro_spawn");
    }
    made = now_ns();
    must(coro_pause(), "coro_pause"); /* all have run, and wait */
    begun = now_ns();
    m->full_bytes = resident_bytes();
    stop = now_ns();
    coro_loop_stop(loop, CORO_FOREVER);
    while (coro_loop_tasks(loop) > 1)
        (void)!coro_pause();
    m->end_ns = (now_ns() - stop) / n;
    m->create_ns = (made - before) / n;
    m->first_run_ns = (begun - made) / n;
    m->after_bytes = resident_bytes();
}

static void *many_main(void *arg)
{
    struct many *m = arg;

    many(coro_task_loop(coro_task_self()), m);
    return NULL;
}

static void bench_many(void)
{
    struct coro_loop *loop = coro_loop_new(NULL);
    struct many few = {.n = 100}, all = {.n = 100000}; /* the few bring the code into memory */

    if (loop == NULL || coro_spawn(loop, many_main, &few, "main") == NULL)
        die("coro_loop_new");
    must(coro_loop_run(loop), "coro_loop_run");
    if (coro_spawn(loop, many_main, &all, "main") == NULL)
        die("coro_spawn");
    must(coro_loop_run(loop), "coro_loop_run");
    printf("create %.1f ns\n", all.create_ns);
    printf("first_run %.1f ns\n", all.first_run_ns);
    printf("end %.1f ns\n", all.end_ns);
    printf("suspended_bytes %.1f bytes\n", (all.full_bytes - few.after_bytes) / all.n);
    printf("resident_after %.3f ratio\n", all.after_bytes / few.after_bytes);
    coro_loop_free(loop);
}

/* ---- the kernel's switches: a byte to and fro through two pipes, all on one core ---- */

enum { PINGS = 20000 };
static int to[2], fro[2];

static void *answer(void *arg)
{
    char c;

    while (read(to[0], &c, 1) == 1 && write(fro[1], &c, 1) == 1)
        continue;
    return arg;
}

static double time_pings(void)
{
    char c = 0;
    double before = 0;

    for (int i = -PINGS / 20; i < PINGS; i++) { /* the first are not counted */
        if (i == 0)
            before = now_ns();
        if (write(to[1], &c, 1) != 1 || read(fro[0], &c, 1) != 1)
            die("ping");
    }
    return (now_ns() - before) / (double)PINGS / 2;
}

/* The write and the read that each switch below goes with. */
static double time_calls(void)
{
    char c = 0;
    double before = now_ns();

    for (int i = 0; i < PINGS; i++) {
        if (write(to[1], &c, 1) != 1 || read(to[0], &c, 1) != 1)
            die("pipe");
    }
    return (now_ns() - before) / (double)PINGS;
}

static void bench_kernel(void)
{
    pthread_t id;
    pid_t pid;

    if (pipe(to) != 0 || pipe(fro) != 0)
        die("pipe");
    printf("pipe_calls %.1f ns\n", time_calls());
    must(pthread_create(&id, NULL, answer, NULL), "pthread_create");
    printf("switch_thread %.1f ns\n", time_pings());
    close(to[1]);
    pthread_join(id, NULL);
    close(to[0]);
    if (pipe(to) != 0)
        die("pipe");
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        close(to[1]);
        answer(NULL);
        _exit(0);
    }
    printf("switch_process %.1f ns\n", time_pings());
    close(to[1]);
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "switch") == 0)
        bench_switch();
    else if (strcmp(what, "roundtrip") == 0)
        bench_roundtrip();
    else if (strcmp(what, "tasks") == 0)
        bench_tasks();
    else if (strcmp(what, "many") == 0)
        bench_many();
    else if (strcmp(what, "kernel") == 0)
        bench_kernel();
    else if (strcmp(what, "suspended") == 0 && argc > 2)
        bench_suspended(atoi(argv[2]));
    else
        return fprintf(stderr, "usage: bench switch|roundtrip|tasks|many|kernel\n"), 2;
    return 0;
}
