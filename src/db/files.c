/* SPDX-License-Identifier: MIT
 *
 * open, close and fcntl where processes share one descriptor table: see files.h.
 */
#include "db/files.h"

#include <fcntl.h>
#include <stdarg.h>

#include "io.h"

/* The library's callbacks are given no context of ours, so it is kept here: one pointer, set once
 * in a process with one thread. */
static struct io *only_context;

void db_files_use(struct io *io)
{
    only_context = io;
}

int db_files_open(const char *path, int flags, int mode)
{
    int fd;

    io_opening(only_context);
    fd = open(path, flags, mode);
    io_hold(only_context, fd);
    return fd;
}

int db_files_close(int fd)
{
    io_close(only_context, fd);
    return 0;
}

/* Takes or looks up a lock of the opened file; l_pid must be 0 there, and is unset by callers who
 * know record locks only. */
static int lock(int fd, int command, struct flock *asked)
{
    struct flock l = *asked;
    int result;

    l.l_pid = 0;
    result = fcntl(fd, command, &l);
    if (result == 0)
        *asked = l;
    return result;
}

int db_files_fcntl(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *); /* as the C library's own fcntl() takes it */
    va_end(arguments);
    switch (command) {
    case F_SETLK:
        return lock(fd, F_OFD_SETLK, argument);
    case F_SETLKW:
        return lock(fd, F_OFD_SETLKW, argument);
    case F_GETLK:
        return lock(fd, F_OFD_GETLK, argument);
    default:
        return fcntl(fd, command, argument);
    }
}
