/* SPDX-License-Identifier: MIT
 *
 * A kernel that refuses when a test wants it to: preloaded into the server. In the folder that
 * REFUSING_KERNEL names, the file called
 *
 *   epoll_add   holds the errno with which a descriptor is kept out of every epoll set
 *   accept      the errno with which no connection is accepted
 *   tasks       the errno with which no process is forked and no thread made
 *   poll_late   milliseconds that a poll() which has timed out takes longer, as on a busy machine
 *
 * and without the file all is as ever. What is in an epoll set already stays there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS = 6 };

typedef pid_t fork_fn(void);
typedef int create_fn(pthread_t *thread, const pthread_attr_t *attributes, void *run(void *),
                      void *arg);

typedef long syscall_fn(long number, ...);

/* The number in that file; 0: there is none. */
static int wanted(const char *name)
{
    const char *folder = getenv("REFUSING_KERNEL");
    char path[512], text[32] = "";
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : "", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    close(fd);
    return (int)strtol(text, NULL, 10);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
long syscall(long number, ...)
{
    static syscall_fn *real;
    long argument[ARGUMENTS];
    int saved = errno, refused;
    va_list arguments;

    if (real == NULL)
        real = (syscall_fn *)dlsym(RTLD_NEXT, "syscall");
    va_start(arguments, number);
    for (int i = 0; i < ARGUMENTS; i++)
        argument[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_epoll_ctl && (int)argument[1] == EPOLL_CTL_ADD) {
        refused = wanted("epoll_add");
        errno = refused != 0 ? refused : saved;
        if (refused != 0)
            return -1;
    }
    return real(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                argument[5]);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    return (int)syscall(SYS_epoll_ctl, (long)set, (long)operation, (long)fd, event);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int refused = wanted("accept");

    errno = refused;
    if (refused != 0)
        return -1;
    return (int)syscall(SYS_accept4, (long)fd, address, length, (long)flags);
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec after = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
    int ready = ppoll(fds, count, timeout_ms < 0 ? NULL : &after, NULL);
    int late_ms = ready == 0 && timeout_ms > 0 ? wanted("poll_late") : 0;
    const struct timespec late = {late_ms / 1000, (long)(late_ms % 1000) * 1000000};

    if (late_ms > 0)
        nanosleep(&late, NULL);
    return ready;
}

pid_t fork(void)
{
    static fork_fn *real;
    int refused = wanted("tasks");

    if (real == NULL)
        real = (fork_fn *)dlsym(RTLD_NEXT, "fork");
    if (refused == 0)
        return real();
    errno = refused;
    return -1;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *run(void *),
                   void *arg)
{
    static create_fn *real;
    int refused = wanted("tasks");

    if (real == NULL)
        real = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
    return refused != 0 ? refused : real(thread, attributes, run, arg);
}
