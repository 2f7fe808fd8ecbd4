/* SPDX-License-Identifier: MIT
 *
 * From the path in a request to an open file below the root.
 *
 * Two independent guards. The path is decoded exactly once, and refused
 * if the result has a component that is empty or begins with a dot: "..", ".",
 * and dot files are one case. Then the kernel resolves it with RESOLVE_BENEATH:
 * no symbolic link, no rename that happens meanwhile, and no fault in the first
 * guard can lead outside. RESOLVE_NO_MAGICLINKS refuses the links of /proc that
 * name open files instead of paths.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
    OPEN_ATTEMPTS = 16, /* openat2() says EAGAIN when a rename made it lose its way */
};

int files_decode_path(struct http_slice encoded, char out[FILES_PATH_SIZE])
{
    bool component_starts = true;
    bool refused = false; /* but a malformed rest is still told apart */
    size_t length = 0;

    for (size_t i = 0; i < encoded.length; i++) {
        char c = encoded.data[i];
        bool slash = c == '/';

        if (c == '%') {
            int byte = http_escaped_byte(encoded.data + i, encoded.data + encoded.length);
            if (byte < 0)
                return -EINVAL;
            c = (char)byte;
            i += 2;
            if (c == '/') /* a slash that does not separate: no file name has one */
                refused = true;
        }
        if (c == '\0')
            return -EINVAL;
        if (component_starts && (slash || c == '.'))
            refused = true;
        component_starts = slash;
        if (length == FILES_PATH_SIZE - 1)
            refused = true;
        else
            out[length++] = c;
    }
    out[length] = '\0';
    return refused ? -ENOENT : 0;
}

static int open_beneath(int root_fd, const char *path)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int attempt = 0;

    for (;;) {
        long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
        if (fd >= 0)
            return (int)fd;
        if (errno == EAGAIN && ++attempt < OPEN_ATTEMPTS)
            continue;
        if (errno != EINTR)
            return -errno;
    }
}

int files_open(int root_fd, const char *path)
{
    int fd = open_beneath(root_fd, path);
    if (fd == -ENOSYS || fd == -EPERM) /* an old kernel; a sandbox that does not know the call */
        fd = files_open_walk(root_fd, path);
    return fd;
}

/* Opens the component name of the directory fd, retrying when interrupted. */
static int open_component(int fd, const char *name, int flags)
{
    for (;;) {
        int next = openat(fd, name, flags | O_NOFOLLOW);
        if (next >= 0)
            return next;
        if (errno != EINTR)
            return -errno;
    }
}

int files_open_walk(int root_fd, const char *path)
{
    char name[256]; /* NAME_MAX and a NUL */
    int directory = root_fd;

    for (;;) {
        size_t length = strcspn(path, "/");
        bool last = path[length] == '\0';
        int next;

        if (length >= sizeof name) {
            next = -ENAMETOOLONG;
        } else if (length == 0 || path[0] == '.') {
            next = -ENOENT; /* never a way up, even if a caller forgot files_decode_path() */
        } else {
            memcpy(name, path, length);
            name[length] = '\0';
            next = open_component(directory, name,
                                  last ? OPEN_FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        if (directory != root_fd)
            close(directory);
        if (next < 0 || last)
            return next;
        directory = next;
        path += length + 1;
    }
}
