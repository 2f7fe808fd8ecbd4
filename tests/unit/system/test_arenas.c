/* SPDX-License-Identifier: MIT
 *
 * arenas.h: below a limit of address space threads that allocate leave room; without one they have
 * arenas of their own.
 */
#include "tests/unit/child.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>

#include "system/arenas.h"

enum { THREADS = 8, STACK_BYTES = 256 * 1024, PAGE = 4096 };

static const size_t LIMIT = 512U << 20;
static const size_t ARENA = 64U << 20;

static size_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    if (file == NULL || fscanf(file, "%zu", &pages) != 1)
        abort();
    fclose(file);
    return pages * PAGE;
}

static void *allocate(void *met)
{
    void *volatile memory = malloc(100);

    pthread_barrier_wait(met); /* all of them live at once */
    free(memory);
    pthread_barrier_wait(met);
    return NULL;
}

/* By how many bytes the address space has grown while threads have memory. */
static size_t growth(void)
{
    size_t before = address_space(), grown;
    pthread_t threads[THREADS];
    pthread_barrier_t met;
    pthread_attr_t small;

    pthread_barrier_init(&met, NULL, THREADS + 1);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    for (int i = 0; i < THREADS; i++)
        CHILD_EXPECT(pthread_create(&threads[i], &small, allocate, &met) == 0);
    pthread_barrier_wait(&met);
    grown = address_space() - before;
    pthread_barrier_wait(&met);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return grown;
}

static void limited(void *arg)
{
    const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = LIMIT};

    (void)arg;
    CHILD_EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    arenas_limit();
    CHILD_EXPECT(growth() < ARENA / 2);
}

static void unlimited(void *arg)
{
    (void)arg;
    arenas_limit();
    CHILD_EXPECT(growth() > 2 * ARENA);
}

static void threads_leave_room(void **state)
{
    (void)state;
#if !defined(__SANITIZE_ADDRESS__) &&                                                              \
    !defined(__SANITIZE_THREAD__) /* they have a malloc of their own */
    in_child(unlimited, NULL);
    in_child(limited, NULL);
#else
    (void)limited;
    (void)unlimited;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_leave_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
