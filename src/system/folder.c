/* SPDX-License-Identifier: MIT
 *
 * See folder.h.
 */
#include "system/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

int folder_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 1;

    if (length >= size)
        return -ENAMETOOLONG;
    memcpy(out, slash != NULL ? path : ".", length);
    out[length] = '\0';
    return 0;
}

int folder_check(const char *path)
{
    char folder[PATH_MAX];
    int result = folder_of(path, folder, sizeof folder);

    if (result == 0 && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        result = -errno;
    return result;
}
