/* SPDX-License-Identifier: MIT
 *
 * A Unix socket outlives its server as a file. Whether one found in the way is
 * stale is asked by connecting to it: nobody listens if that is refused. Between the
 * answer and the removal another server might bind there, and its file be removed;
 * so the three steps are taken with the folder locked (flock), which every server of
 * this program does, for a moment each. Anybody else may hold that lock, for as long as
 * he likes: flock(1) around the server does. He is not waited for long.
 */
#include "system/listen_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "system/folder.h"

static const char PREFIX[] = "unix:";

enum { LOCK_ATTEMPTS = 50, LOCK_PAUSE_MS = 10 };

/* The path in a bound socket's name, or NULL. */
static const char *path_of(const char *name)
{
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0 || name[sizeof PREFIX - 1] == '@')
        return NULL;
    return name + sizeof PREFIX - 1;
}

/* A socket left behind by a server that is gone: nobody listens on it. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat st;
    bool stale;
    int fd;

    if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    /* Non-blocking: a backlog that is full is an answer too. */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    stale =
        connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Locks the folder of path. Returns what to close, or -1. There may be no lock then: a folder that
 * cannot be opened for reading, or that another keeps locked, is no reason not to serve. */
static int lock_folder(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    int fd = -1;

    if (folder_of(path, folder, sizeof folder) == 0)
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < LOCK_ATTEMPTS && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
        poll(NULL, 0, LOCK_PAUSE_MS);
    return fd;
}

/* The mode of the file is that of the socket less the umask, from the moment it appears. */
static int bind_with_mode(int fd, const struct sockaddr_un *address, unsigned mode)
{
    mode_t before = 0;
    int result;

    if (mode != 0) {
        if (fchmod(fd, mode) < 0)
            return -errno;
        before = umask(0);
    }
    result = bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;
    if (mode != 0)
        umask(before);
    return result;
}

static bool is_no_socket(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

int listen_unix_open(const char *path, unsigned mode, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, lock, result;

    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    lock = lock_folder(path);
    if (is_stale(&address))
        unlink(address.sun_path);
    result = bind_with_mode(fd, &address, mode);
    if (result == -EADDRINUSE && is_no_socket(path))
        result = -ENOTSOCK;
    if (result == 0 && listen(fd, backlog) < 0) {
        result = -errno;
        unlink(address.sun_path);
    }
    if (lock >= 0)
        close(lock);
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

int listen_unix_probe(const char *path)
{
    return is_no_socket(path) ? -ENOTSOCK : folder_check(path);
}

struct listen_file listen_file_of(const char *name)
{
    struct listen_file file = {0};
    const char *path = path_of(name);
    struct stat st;

    if (path != NULL && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        file = (struct listen_file){.device = st.st_dev, .inode = st.st_ino};
    return file;
}

/* Whether the path still leads to it: 1 with *st, 0 where it is gone or another's by now, or a
 * negative errno. */
static int is_there(const char *name, const struct listen_file *file, struct stat *st)
{
    const char *path = path_of(name);

    if (file->inode == 0 || path == NULL)
        return 0;
    if (lstat(path, st) < 0)
        return errno == ENOENT ? 0 : -errno;
    return st->st_dev == file->device && st->st_ino == file->inode;
}

int listen_file_set_mode(const char *name, const struct listen_file *file, unsigned mode,
                         unsigned *before)
{
    struct stat st;
    int there = is_there(name, file, &st);

    *before = 0;
    if (there <= 0)
        return there;
    if (mode == 0) {
        mode_t mask = umask(0);

        umask(mask);
        mode = ACCESSPERMS & ~mask;
    }
    if ((st.st_mode & ALLPERMS) == mode)
        return 0;
    if (fchmodat(AT_FDCWD, path_of(name), mode, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    *before = st.st_mode & ALLPERMS;
    return 0;
}

int listen_file_remove(const char *name, const struct listen_file *file)
{
    struct stat st;
    int there = is_there(name, file, &st);

    if (there <= 0)
        return there;
    return unlink(path_of(name)) < 0 ? -errno : 0;
}
