/* SPDX-License-Identifier: MIT
 *
 * The lock is on the open file, so it goes with the last process of the server, not with
 * the first descriptor closed: flock(2), not fcntl(2).
 */
#include "system/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/folder.h"
#include "log.h"

enum { SHOWN = 200, NUMBER = 24 };

static int fail(const char *path, const char *why, char *error, size_t error_size)
{
    int code = errno;
    char shown[SHOWN];

    log_escape(shown, sizeof shown, path, strlen(path));
    snprintf(error, error_size, "cannot write --pid-file=%s: %s", shown,
             why != NULL ? why : strerror(code));
    return -code;
}

/* The folder of path must be one where files can be made and renamed. */
static int check_folder(const char *path, char *error, size_t error_size)
{
    int result = strlen(path) < PATH_MAX - sizeof ".123456" ? folder_check(path) : -ENAMETOOLONG;

    if (result == 0)
        return 0;
    errno = -result;
    return fail(path, NULL, error, error_size);
}

int pid_file_check(const char *path, bool successor, char *error, size_t error_size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    int result = 0;

    if (fd < 0) {
        if (errno != ENOENT)
            return fail(path, NULL, error, error_size);
        return check_folder(path, error, error_size);
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        errno = EINVAL;
        result = fail(path, "not a regular file", error, error_size);
    } else if (!successor && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        char why[80], number[NUMBER] = "";
        ssize_t length = read(fd, number, sizeof number - 1);

        number[length > 0 ? strspn(number, "0123456789") : 0] = '\0';
        snprintf(why, sizeof why, "a server that runs holds it (pid %s)",
                 number[0] != '\0' ? number : "unknown");
        errno = EEXIST;
        result = fail(path, why, error, error_size);
    }
    close(fd);
    return result == 0 ? check_folder(path, error, error_size) : result;
}

int pid_file_write(struct pid_file *file, const char *path, pid_t pid)
{
    char other[PATH_MAX], line[NUMBER];
    int length = snprintf(line, sizeof line, "%d\n", (int)pid);
    char *copy;
    int fd, result;

    if (snprintf(other, sizeof other, "%s.XXXXXX", path) >= (int)sizeof other)
        return -ENAMETOOLONG;
    fd = mkostemp(other, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    copy = strdup(path);
    if (copy == NULL || fchmod(fd, 0644) < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        goto fail;
    errno = ENOSPC; /* of a short write */
    if (write(fd, line, (size_t)length) != length || rename(other, path) < 0)
        goto fail;
    *file = (struct pid_file){.path = copy, .fd = fd};
    return 0;
fail:
    result = -errno;
    unlink(other);
    close(fd);
    free(copy);
    return result;
}

void pid_file_remove(struct pid_file *file)
{
    struct stat there, ours;

    if (file->path == NULL)
        return;
    if (lstat(file->path, &there) == 0 && fstat(file->fd, &ours) == 0 &&
        there.st_dev == ours.st_dev && there.st_ino == ours.st_ino && unlink(file->path) < 0)
        log_line(LOG_WARN, "cannot remove the pid file: %s", strerror(errno));
    pid_file_abandon(file);
}

void pid_file_abandon(struct pid_file *file)
{
    if (file->path == NULL)
        return;
    close(file->fd);
    free(file->path);
    file->path = NULL;
}
