/* SPDX-License-Identifier: MIT
 *
 * cores.h: quotas of both versions of cgroups, as seen from a machine and from a container, and
 * the cores that a thread is bound to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "system/cores.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char base[] = "/tmp/test_cores.XXXXXX";

/* A file below base, with the folders that it is in. */
static void put(const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", base, name);
    for (char *p = path + sizeof base; *p != '\0'; p++) {
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(path, 0700);
            *p = '/';
        }
    }
    file = fopen(path, "w");
    if (file == NULL)
        abort();
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int make_base(void **state)
{
    (void)state;
    return mkdtemp(base) == NULL;
}

static int remove_base(void **state)
{
    (void)state;
    return nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static unsigned quota(const char *cgroup, const char *mountinfo)
{
    char first[PATH_MAX], second[PATH_MAX], mounts[4000];

    snprintf(mounts, sizeof mounts, mountinfo, base, base);
    put("cgroup", cgroup);
    put("mountinfo", mounts);
    snprintf(first, sizeof first, "%s/cgroup", base);
    snprintf(second, sizeof second, "%s/mountinfo", base);
    return cores_quota(first, second);
}

#define OTHERS                                                                                     \
    "22 1 254:0 / / rw - ext4 /dev/root rw\n"                                                      \
    "23 22 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
#define UNIFIED   OTHERS "30 23 0:26 / %s/two rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define FIRST     OTHERS "31 23 0:27 / %s/one rw - cgroup cgroup rw,cpu,cpuacct\n"
#define CONTAINER OTHERS "31 23 0:27 /docker/c %s/own ro master:9 - cgroup cgroup rw,cpuacct,cpu\n"

static void quotas(void **state)
{
    static const struct {
        const char *cgroup, *mountinfo;
        unsigned cores;
    } cases[] = {
        {"0::/\n", UNIFIED, 0}, /* the root has no such file */
        {"0::/a\n", UNIFIED, 2},
        {"0::/a/b\n", UNIFIED, 1}, /* of its own, which is less */
        {"0::/a/b/c\n", UNIFIED, 1},
        {"0::/a/wide\n", UNIFIED, 2}, /* a larger one below a smaller */
        {"0::/max\n", UNIFIED, 0},
        {"0::/max/many\n", UNIFIED, 300},
        {"0::/none\n", UNIFIED, 0},
        {"0::/../a\n", UNIFIED, 0}, /* outside of what is seen here */
        {"1:cpu:/\n", UNIFIED, 0},
        {"4:memory:/\n3:cpu,cpuacct:/a\n0::/\n", FIRST, 3},
        {"4:memory:/a\n3:cpuacct:/a\n3:cpuset:/a\n", FIRST, 0},
        {"3:cpuacct,cpu:/unlimited\n", FIRST, 0},
        {"3:cpu,cpuacct:/docker/c\n", CONTAINER, 5}, /* the mount is its own cgroup */
        {"3:cpu,cpuacct:/docker/c/a\n", CONTAINER, 3},
        {"3:cpu,cpuacct:/docker/cat\n", CONTAINER, 5},
        {"3:cpu:/a\n0::/a/b\n", UNIFIED "31 23 0:27 / %s/one rw - cgroup cgroup rw,cpu\n", 1},
        {"", UNIFIED, 0},
        {"nonsense\n0:\n:::\n", UNIFIED, 0},
        {"0::/a\n", " - \n - cgroup2\n1 2 3 - cgroup2 x y\n - cgroup2 cgroup2 rw\n", 0},
    };

    (void)state;
    put("two/a/cpu.max", "150000 100000\n");
    put("two/a/b/cpu.max", "1000 100000\n");
    put("two/a/b/c/cpu.max", "max 100000\n");
    put("two/a/wide/cpu.max", "800000 100000\n");
    put("two/max/cpu.max", "max 100000\n");
    put("two/max/many/cpu.max", "29910000 100000\n");
    put("own/cpu.cfs_quota_us", "50000\n");
    put("own/cpu.cfs_period_us", "10000\n");
    put("own/a/cpu.cfs_quota_us", "300000\n");
    put("own/a/cpu.cfs_period_us", "100000\n");
    put("one/a/cpu.cfs_quota_us", "300000\n");
    put("one/a/cpu.cfs_period_us", "100000\n");
    put("one/unlimited/cpu.cfs_quota_us", "-1\n");
    put("one/unlimited/cpu.cfs_period_us", "100000\n");
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned cores = quota(cases[i].cgroup, cases[i].mountinfo);

        if (cores != cases[i].cores)
            fail_msg("%s: %u cores, not %u", cases[i].cgroup, cores, cases[i].cores);
    }
    assert_int_equal(cores_quota("/nonexistent", "/nonexistent"), 0);
}

static void what_a_thread_is_bound_to(void **state)
{
    cpu_set_t before, one;
    unsigned all = cores_available();

    (void)state;
    assert_true(all >= 1);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cores_available(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cores_available(), all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas),
        cmocka_unit_test(what_a_thread_is_bound_to),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
