/* SPDX-License-Identifier: MIT
 *
 * A quota holds for all that is below its cgroup, so the least on the way up counts, as far up as
 * can be seen from here: in a container the mount begins at its own cgroup.
 */
#include "system/cores.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CPUS = 1024, MOST_CPUS = 1 << 20 };

/* One line of /proc/self/cgroup: "ID:CONTROLLERS:PATH". */
struct membership {
    const char *path;
    bool unified; /* version 2 */
};

/* True when word is in list, whose words are separated by commas. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (;; list++) {
        size_t n = strcspn(list, ",");

        if (n == length && memcmp(list, word, n) == 0)
            return true;
        list += n;
        if (*list == '\0')
            return false;
    }
}

/* Cuts line up. Returns false for a hierarchy that does not share out CPU time. */
static bool read_membership(char *line, struct membership *m)
{
    char *controllers = strchr(line, ':');
    char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

    if (path == NULL)
        return false;
    *controllers++ = *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    m->path = path;
    m->unified = strcmp(line, "0") == 0 && *controllers == '\0';
    return m->unified || has_word(controllers, "cpu");
}

/* What of a cgroup's path is below the mount of root, which begins with a slash or is empty: so for
 * one that is not below it, as seen from another namespace. */
static const char *path_below(const char *path, const char *root)
{
    size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    bool below = strncmp(path, root, length) == 0 && strncmp(path, "/..", 3) != 0 &&
                 (path[length] == '/' || path[length] == '\0');

    return below ? path + length : "";
}

/*
 * The folder of the cgroup, if line, one of /proc/self/mountinfo (proc_pid_mountinfo(5)), is its
 * hierarchy's mount: "ID PARENT DEVICE ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE OPTIONS".
 * *top: the length of the mount point in folder.
 */
static bool find_folder(char *line, const struct membership *m, char folder[PATH_MAX], size_t *top)
{
    char *save, *root = NULL, *point = NULL;
    char *rest = strstr(line, " - ");
    const char *type, *options, *below;

    if (rest == NULL)
        return false;
    *rest = '\0';
    type = strtok_r(rest + 3, " \n", &save);
    (void)strtok_r(NULL, " \n", &save);
    options = strtok_r(NULL, " \n", &save);
    if (type == NULL || options == NULL || strcmp(type, m->unified ? "cgroup2" : "cgroup") != 0 ||
        (!m->unified && !has_word(options, "cpu")))
        return false;
    for (int field = 0; field < 5; field++) {
        root = point;
        point = strtok_r(field == 0 ? line : NULL, " ", &save);
    }
    if (root == NULL || point == NULL)
        return false;
    below = path_below(m->path, root);
    *top = strlen(point);
    return snprintf(folder, PATH_MAX, "%s%s", point, below) < PATH_MAX;
}

/* Reads the numbers at the beginning of a file of folder. Returns how many there were. */
static int read_numbers(const char *folder, const char *name, long long numbers[2])
{
    char path[PATH_MAX + 32];
    FILE *file;
    int count;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    count = fscanf(file, "%lld %lld", &numbers[0], &numbers[1]); /* "max": none */
    fclose(file);
    return count;
}

static unsigned quota_of(const char *folder, bool unified)
{
    long long numbers[2], period[2];
    bool found = unified ? read_numbers(folder, "cpu.max", numbers) == 2
                         : read_numbers(folder, "cpu.cfs_quota_us", numbers) >= 1 &&
                               read_numbers(folder, "cpu.cfs_period_us", period) >= 1;

    if (!unified && found)
        numbers[1] = period[0];
    if (!found || numbers[0] <= 0 || numbers[1] <= 0)
        return 0;
    numbers[0] = (numbers[0] - 1) / numbers[1] + 1;
    return numbers[0] < UINT_MAX ? (unsigned)numbers[0] : UINT_MAX;
}

/* The least quota of folder and those above it, up to the length top. Cuts folder. */
static unsigned least_quota(char *folder, size_t top, bool unified)
{
    unsigned least = 0;

    for (;;) {
        unsigned quota = quota_of(folder, unified);
        char *slash = strrchr(folder, '/');

        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        if (slash == NULL || slash < folder + top)
            return least;
        *slash = '\0';
    }
}

static unsigned quota_of_membership(const struct membership *m, const char *mountinfo)
{
    FILE *file = fopen(mountinfo, "re");
    char folder[PATH_MAX], *line = NULL;
    unsigned quota = 0;
    size_t size = 0, top;

    if (file == NULL)
        return 0;
    while (quota == 0 && getline(&line, &size, file) > 0)
        if (find_folder(line, m, folder, &top))
            quota = least_quota(folder, top, m->unified);
    free(line);
    fclose(file);
    return quota;
}

unsigned cores_quota(const char *cgroup, const char *mountinfo)
{
    FILE *file = fopen(cgroup, "re");
    struct membership m;
    char *line = NULL;
    unsigned least = 0;
    size_t size = 0;

    if (file == NULL)
        return 0;
    while (getline(&line, &size, file) > 0) {
        unsigned quota = read_membership(line, &m) ? quota_of_membership(&m, mountinfo) : 0;

        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
    }
    free(line);
    fclose(file);
    return least;
}

/* Those that the calling thread may run on; 1 where that cannot be known. */
static unsigned affinity(void)
{
    for (size_t cpus = FIRST_CPUS; cpus <= MOST_CPUS; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        size_t size = CPU_ALLOC_SIZE(cpus);
        int count = 0;

        if (set != NULL && sched_getaffinity(0, size, set) == 0)
            count = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return (unsigned)count; /* else the machine has more than so many */
    }
    return 1;
}

unsigned cores_available(void)
{
    unsigned cores = affinity();
    unsigned quota = cores_quota("/proc/self/cgroup", "/proc/self/mountinfo");

    return quota > 0 && quota < cores ? quota : cores;
}
