/* SPDX-License-Identifier: MIT
 *
 * The folder of the database that nobody has named: see state.h.
 */
#include "db/state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[PATH_MAX];
    bool among_others; /* in a folder in which anybody may write */
};

/* The value of an environment variable that names a folder, or NULL. */
static const char *folder_in(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && value[0] == '/' ? value : NULL;
}

static int find(struct folder *folder)
{
    const char *base = folder_in("STATE_DIRECTORY");
    size_t size = sizeof folder->path;
    int length;

    folder->among_others = false;
    if (base != NULL) {
        length = snprintf(folder->path, size, "%.*s", (int)strcspn(base, ":"), base);
    } else if ((base = folder_in("XDG_STATE_HOME")) != NULL) {
        length = snprintf(folder->path, size, "%s/server", base);
    } else {
        base = folder_in("TMPDIR");
        length = snprintf(folder->path, size, "%s/server-%ld", base != NULL ? base : "/tmp",
                          (long)geteuid());
        folder->among_others = true;
    }
    return (size_t)length < size ? 0 : -ENAMETOOLONG;
}

int state_uri(char *uri, size_t size)
{
    struct folder folder;

    if (find(&folder) < 0 ||
        (size_t)snprintf(uri, size, "sqlite:%s/world.sqlite", folder.path) >= size)
        return -ENAMETOOLONG;
    return 0;
}

bool state_is(const char *uri)
{
    char own[PATH_MAX];

    return state_uri(own, sizeof own) == 0 && strcmp(own, uri) == 0;
}

static int make(const char *path)
{
    char part[PATH_MAX];

    for (const char *end = path; *end != '\0';) {
        end += 1 + strcspn(end + 1, "/");
        snprintf(part, sizeof part, "%.*s", (int)(end - path), path);
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* Whether path is a folder, not a link to one, into which nobody else may put a link or a file. */
static bool is_ours_alone(const char *path)
{
    struct stat s;

    return lstat(path, &s) == 0 && S_ISDIR(s.st_mode) && s.st_uid == geteuid() &&
           (s.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

int state_make_folder(char *reason, size_t size)
{
    struct folder folder;
    int result = find(&folder);

    if (result == 0)
        result = make(folder.path);
    if (result < 0) {
        snprintf(reason, size, "cannot make the folder %s: %s", folder.path, strerror(-result));
        return -EIO;
    }
    if (folder.among_others && !is_ours_alone(folder.path)) {
        snprintf(reason, size,
                 "%s is not a folder that is ours alone; --db=sqlite:PATH names another",
                 folder.path);
        return -EIO;
    }
    return 0;
}
