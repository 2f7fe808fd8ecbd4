/* SPDX-License-Identifier: MIT
 *
 * Reads /proc/self/fd.
 */
#include "models/strays.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "log.h"
#include "models/pool.h"

/* The descriptors open now, as an allocated array; the count, or -errno. */
static ssize_t list_open(int **list)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    size_t count = 0, room = 0;

    *list = NULL;
    if (directory == NULL)
        return -errno;
    while ((entry = readdir(directory)) != NULL) {
        char *end;
        long fd = strtol(entry->d_name, &end, 10);

        if (*end != '\0' || end == entry->d_name || fd == dirfd(directory))
            continue;
        if (count == room) {
            int *more = realloc(*list, (room = 2 * room + 64) * sizeof **list);

            if (more == NULL) {
                free(*list);
                *list = NULL;
                closedir(directory);
                return -ENOMEM;
            }
            *list = more;
        }
        (*list)[count++] = (int)fd;
    }
    closedir(directory);
    return (ssize_t)count;
}

int strays_init(struct strays *strays)
{
    ssize_t count = list_open(&strays->known);

    strays->expected = false;
    strays->known_count = count < 0 ? 0 : (size_t)count;
    return count < 0 ? (int)count : 0;
}

void strays_term(struct strays *strays)
{
    free(strays->known);
    *strays = (struct strays){0};
}

void strays_expect(struct strays *strays)
{
    strays->expected = true;
}

static bool is_known(const struct strays *strays, int fd)
{
    for (size_t i = 0; i < strays->known_count; i++)
        if (strays->known[i] == fd)
            return true;
    return false;
}

static bool is_owned(const struct pool *pool, int fd)
{
    return atomic_load(&pool->records[fd].owner) != OWNER_NONE;
}

/* Closes fd if it is open and nobody's. False when that cannot be told now. */
static bool settle(const struct pool *pool, int fd)
{
    uint64_t before, after;
    bool stray;

    if (!pool_is_settled(pool, &before))
        return false;
    stray = !is_owned(pool, fd) && fcntl(fd, F_GETFD) >= 0;
    if (!pool_is_settled(pool, &after) || before != after)
        return false;
    if (stray) { /* and stays so: no call can return a number that is open */
        log_line(LOG_INFO, "closing descriptor %d, left open by a killed worker", fd);
        close(fd);
    }
    return true;
}

void strays_close(struct strays *strays, const struct pool *pool, strays_ours *ours,
                  const void *arg, const struct master *master)
{
    int *list;
    ssize_t count;
    bool all = true;

    if (!strays->expected || strays->known_count == 0)
        return;
    count = list_open(&list);
    for (ssize_t i = 0; list != NULL && i < count; i++)
        if (!is_known(strays, list[i]) && !is_owned(pool, list[i]) &&
            (ours == NULL || !ours(arg, master, list[i])))
            all &= settle(pool, list[i]);
    free(list);
    strays->expected = !all || count < 0;
}
