/* SPDX-License-Identifier: MIT
 *
 * See check.h. Whether a file could be opened is asked without opening it: that a FIFO was opened
 * is seen by whoever reads it.
 */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "system/folder.h"
#include "system/listen.h"
#include "log.h"
#include "system/pid_file.h"
#include "system/privileges.h"

enum { PATH_SHOWN = 200 };

static int refuse(int code, const char *what, const char *path, char *error, size_t error_size)
{
    char shown[PATH_SHOWN];

    log_escape(shown, sizeof shown, path, strlen(path));
    snprintf(error, error_size, "cannot open %s %s: %s", what, shown, strerror(-code));
    return code;
}

static int check_root(const char *path, char *error, size_t error_size)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return refuse(-errno, "--root", path, error, error_size);
    close(fd);
    return 0;
}

static int check_access_log(const char *path, char *error, size_t error_size)
{
    struct stat st;
    int result = 0;

    if (strcmp(path, "-") == 0)
        return 0;
    if (stat(path, &st) < 0)
        result = errno == ENOENT ? folder_check(path) : -errno;
    else if (S_ISDIR(st.st_mode))
        result = -EISDIR;
    else if (S_ISSOCK(st.st_mode))
        result = -ENXIO;
    else if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
        result = -errno;
    return result < 0 ? refuse(result, "the access log", path, error, error_size) : 0;
}

int check_start(const struct config *config, char *error, size_t error_size)
{
    struct privileges privileges;
    int result = privileges_find(&privileges, config->user, config->group, error, error_size);
    bool stays_root = geteuid() == 0 && !(privileges.change && privileges.uid != 0);

    if (result == 0 && config->root != NULL)
        result = check_root(config->root, error, error_size);
    if (result == 0 && config->access_log != NULL)
        result = check_access_log(config->access_log, error, error_size);
    if (result == 0)
        result = listen_probe(config->listen, stays_root && !config->allow_root, error, error_size);
    if (result == 0)
        result = privileges_drop(&privileges, error, error_size);
    if (result == 0 && config->pid_file != NULL)
        result = pid_file_check(config->pid_file, true, error, error_size);
    return result;
}
