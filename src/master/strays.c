/* SPDX-License-Identifier: MIT
 *
 * Reads /proc/self/fd.
 */
#include "master/strays.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "shared.h"

/* The descriptors open now, as an allocated array; the count, or -errno. */
static ssize_t list_open(struct strays_known **list)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    size_t count = 0, room = 0;

    *list = NULL;
    if (directory == NULL)
        return -errno;
    while ((entry = readdir(directory)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        struct stat found;

        if (entry->d_name[0] == '.' || fd == dirfd(directory) ||
            fstatat(dirfd(directory), entry->d_name, &found, 0) < 0)
            continue;
        if (count == room) {
            struct strays_known *more = realloc(*list, (room = 2 * room + 64) * sizeof **list);

            if (more == NULL) {
                free(*list);
                *list = NULL;
                closedir(directory);
                return -ENOMEM;
            }
            *list = more;
        }
        (*list)[count++] = (struct strays_known){fd, found.st_ino};
    }
    closedir(directory);
    return (ssize_t)count;
}

void strays_init(struct strays *strays)
{
    ssize_t count = strays->known != NULL ? 0 : list_open(&strays->known);

    if (count > 0)
        strays->known_count = (size_t)count;
    if (count < 0 && count != -ENOENT) /* no /proc, which the master has said */
        log_line(LOG_WARN,
                 "cannot list /proc/self/fd: %s: what killed workers had just opened stays open",
                 strerror((int)-count));
}

void strays_term(struct strays *strays)
{
    free(strays->known);
    *strays = (struct strays){0};
}

static bool is_known(const struct strays *strays, const struct strays_known *open)
{
    for (size_t i = 0; i < strays->known_count; i++)
        if (strays->known[i].fd == open->fd && strays->known[i].inode == open->inode)
            return true;
    return false;
}

/* Closes fd if it is open and nobody's. False when that cannot be told now. */
static bool settle(const struct server_shared *shared, strays_owned *owned, const void *arg, int fd)
{
    uint64_t before, after;
    bool stray;

    if (shared_unsettled(shared, &before) != 0)
        return false;
    stray = !owned(arg, fd) && fcntl(fd, F_GETFD) >= 0;
    if (shared_unsettled(shared, &after) != 0 || before != after)
        return false;
    if (stray) { /* and stays so: no call can return a number that is open */
        log_line(LOG_INFO, "closing descriptor %d, left open by a killed worker", fd);
        close(fd);
    }
    return true;
}

void strays_close(const struct strays *strays, struct server_shared *shared, strays_owned *owned,
                  const void *arg)
{
    struct strays_known *list = NULL;
    ssize_t count;
    bool all = true;

    if (!shared->strays || strays->known_count == 0)
        return;
    count = list_open(&list);
    for (ssize_t i = 0; list != NULL && i < count; i++)
        if (list[i].fd > STDERR_FILENO && !is_known(strays, &list[i]) && !owned(arg, list[i].fd))
            all &= settle(shared, owned, arg, list[i].fd);
    free(list);
    shared->strays = !all || count < 0;
}
