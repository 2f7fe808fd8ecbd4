/* SPDX-License-Identifier: MIT
 *
 * Reads /proc/self/fd. Out of memory, or without /proc, nothing is closed: a leak
 * is better than closing what is in use.
 */
#include "models/strays.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "models/pool.h"

enum {
    LOOK_MS = 3000,  /* how long to look after a death */
    STRAY_MS = 1000, /* how long a descriptor must have been there without an owner */
};

void strays_expect(struct strays *strays)
{
    strays->until_ms = io_now_ms() + LOOK_MS;
}

void strays_term(struct strays *strays)
{
    free(strays->known);
    free(strays->entries);
    *strays = (struct strays){0};
}

/* The descriptors open now, as an allocated array; the count, or -1. */
static ssize_t list_open(int **list)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    size_t count = 0, room = 0;

    *list = NULL;
    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);

        if (*end != '\0' || end == entry->d_name || fd == dirfd(directory))
            continue;
        if (count == room) {
            int *more = realloc(*list, (room = 2 * room + 64) * sizeof **list);

            if (more == NULL) {
                free(*list);
                closedir(directory);
                return -1;
            }
            *list = more;
        }
        (*list)[count++] = (int)fd;
    }
    closedir(directory);
    return (ssize_t)count;
}

static bool is_known(const struct strays *strays, int fd)
{
    for (size_t i = 0; i < strays->known_count; i++)
        if (strays->known[i] == fd)
            return true;
    return false;
}

static const struct strays_entry *find(const struct strays *strays, int fd)
{
    for (size_t i = 0; i < strays->count; i++)
        if (strays->entries[i].fd == fd)
            return &strays->entries[i];
    return NULL;
}

/* Sees fd once more. Returns true when it has now been stray for long enough. */
static bool sight(const struct strays *strays, int fd, struct strays_entry *entry)
{
    const struct strays_entry *before = find(strays, fd);
    struct stat st;

    if (fstat(fd, &st) < 0)
        return false;
    *entry = (struct strays_entry){fd, io_now_ms(), st.st_dev, st.st_ino};
    if (before != NULL && before->device == st.st_dev && before->inode == st.st_ino)
        entry->since_ms = before->since_ms;
    return io_now_ms() - entry->since_ms >= STRAY_MS;
}

static void look(struct strays *strays, struct pool *pool, const int *list, size_t count)
{
    struct strays_entry *entries = calloc(count, sizeof *entries);
    size_t kept = 0;

    if (entries == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        struct strays_entry entry = {.fd = -1};

        if (is_known(strays, list[i]) ||
            atomic_load_explicit(&pool->records[list[i]].owner, memory_order_relaxed) != OWNER_NONE)
            continue;
        if (sight(strays, list[i], &entry)) {
            log_line(LOG_INFO, "closing descriptor %d, left open by a killed worker", entry.fd);
            close(entry.fd);
        } else if (entry.fd >= 0) {
            entries[kept++] = entry;
        }
    }
    free(strays->entries);
    strays->entries = entries;
    strays->count = kept;
}

void strays_close(struct strays *strays, struct pool *pool)
{
    int *list;
    ssize_t count;

    if (strays->known == NULL) {
        count = list_open(&strays->known);
        strays->known_count = count < 0 ? 0 : (size_t)count;
        return;
    }
    if (strays->known_count == 0 || io_now_ms() >= strays->until_ms)
        return;
    count = list_open(&list);
    if (count < 0)
        return;
    look(strays, pool, list, (size_t)count);
    free(list);
}
