/* SPDX-License-Identifier: MIT
 *
 * A socket is made for each message: there are few, and a descriptor kept would be
 * shared with every worker.
 */
#include "system/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* "/path", or "@name" for an abstract socket. Returns the address's length, or 0. */
static socklen_t read_address(const char *text, struct sockaddr_un *address)
{
    size_t length = strlen(text);

    if ((text[0] != '/' && text[0] != '@') || length < 2 || length > sizeof address->sun_path - 1)
        return 0;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, text, length);
    if (text[0] == '@')
        address->sun_path[0] = '\0'; /* its length counts, not a NUL at the end */
    else
        length++;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int send_message(const char *message, int flags)
{
    const struct timeval limit = {.tv_sec = 1};
    const char *text = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t length;
    int fd, result = 0;

    if (text == NULL || text[0] == '\0')
        return 0;
    length = read_address(text, &address);
    if (length == 0)
        return -EAFNOSUPPORT;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (sendto(fd, message, strlen(message), flags | MSG_NOSIGNAL,
               (const struct sockaddr *)&address, length) < 0)
        result = -errno;
    close(fd);
    return result;
}

int notify_ready(pid_t main_pid)
{
    char message[64];

    snprintf(message, sizeof message, "READY=1\nMAINPID=%d", (int)main_pid);
    return send_message(message, 0);
}

int notify_reloading(void)
{
    char message[80];
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    return send_message(message, 0);
}

int notify_stopping(int64_t within_ms)
{
    char message[80];

    snprintf(message, sizeof message, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, within_ms * 1000);
    return send_message(message, 0);
}

int notify_main_pid(pid_t successor)
{
    char message[60];

    /* What it has said itself before this is not heard, and this process has said its last. */
    snprintf(message, sizeof message, "MAINPID=%d\nWATCHDOG=1", (int)successor);
    return send_message(message, 0);
}

int notify_watchdog(void)
{
    return send_message("WATCHDOG=1", MSG_DONTWAIT);
}

/* A positive decimal number, or 0. */
static int64_t number_in(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long long number;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    number = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' ? number : 0;
}

int notify_pass_watchdog(void)
{
    char self[24];

    if (getenv("WATCHDOG_PID") == NULL || number_in("WATCHDOG_PID") != getppid())
        return 0;
    snprintf(self, sizeof self, "%d", (int)getpid());
    return setenv("WATCHDOG_PID", self, 1) < 0 ? -errno : 0;
}

int64_t notify_watchdog_interval_ms(void)
{
    int64_t interval_ms = number_in("WATCHDOG_USEC") / 1000;

    if (getenv("WATCHDOG_PID") != NULL && number_in("WATCHDOG_PID") != getpid())
        return 0; /* meant for another process */
    return interval_ms;
}
