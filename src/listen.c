/* SPDX-License-Identifier: MIT
 *
 * Accepted sockets inherit TCP_NODELAY from the listening one, so it is set once
 * here. A Unix socket's path is removed first only when nobody answers on it.
 */
#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 }; /* the kernel lowers it to net.core.somaxconn */

static const char UNIX_PREFIX[] = "unix:";

/* Splits "host:port" or "[host]:port". Returns false for any other form. */
static bool split(const char *text, char *host, size_t host_size, const char **port)
{
    const char *colon = strrchr(text, ':');
    const char *from = text;
    const char *to = colon;
    char *end;
    unsigned long number;

    if (colon == NULL || colon == text)
        return false;
    if (*text == '[') {
        if (colon[-1] != ']')
            return false;
        from++;
        to--;
    } else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (to <= from || (size_t)(to - from) >= host_size)
        return false;
    number = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || number > 65535)
        return false;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    *port = colon + 1;
    return true;
}

int listen_check(const char *text)
{
    struct sockaddr_un address;
    char host[256];
    const char *port;

    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0) {
        size_t length = strlen(text + sizeof UNIX_PREFIX - 1);

        return length > 0 && length < sizeof address.sun_path ? 0 : -EINVAL;
    }
    return split(text, host, sizeof host, &port) ? 0 : -EINVAL;
}

/* Binds fd and listens; -errno. */
static int bind_and_listen(int fd, const struct sockaddr *address, socklen_t length)
{
    if (bind(fd, address, length) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return 0;
}

/* A socket left behind by a server that is gone: nobody listens on it. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat st;
    bool stale;
    int fd;

    if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    stale =
        connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int open_unix(const char *text, char *name, size_t name_size, char *error, size_t error_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, result;

    memcpy(address.sun_path, text + sizeof UNIX_PREFIX - 1, strlen(text) - sizeof UNIX_PREFIX + 2);
    if (is_stale(&address))
        unlink(address.sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    result = fd < 0 ? -errno : bind_and_listen(fd, (struct sockaddr *)&address, sizeof address);
    if (result < 0) {
        snprintf(error, error_size, "cannot listen on %s: %s", text, strerror(-result));
        if (fd >= 0)
            close(fd);
        return result;
    }
    snprintf(name, name_size, "%s", text);
    return fd;
}

static int name_of(int fd, char *name, size_t name_size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[64], port[8];

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    if (getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    snprintf(name, name_size, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

void listen_describe(int fd, const char *text, char *name, size_t name_size)
{
    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0 || name_of(fd, name, name_size) < 0)
        snprintf(name, name_size, "%s", text);
}

static int open_one(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    int result;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    result = bind_and_listen(fd, info->ai_addr, info->ai_addrlen);
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

int listen_open(const char *text, char *name, size_t name_size, char *error, size_t error_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    char host[256];
    const char *port;
    int failed, fd;

    if (listen_check(text) < 0) {
        snprintf(error, error_size, "--listen=%s: expected ADDR:PORT, [ADDR]:PORT or unix:/path",
                 text);
        return -EINVAL;
    }
    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0)
        return open_unix(text, name, name_size, error, error_size);
    if (!split(text, host, sizeof host, &port))
        return -EINVAL;
    failed = getaddrinfo(host, port, &hints, &list);
    if (failed != 0) {
        snprintf(error, error_size, "cannot listen on %s: %s", text, gai_strerror(failed));
        return -EADDRNOTAVAIL;
    }
    fd = -EADDRNOTAVAIL;
    for (const struct addrinfo *info = list; info != NULL && fd < 0; info = info->ai_next)
        fd = open_one(info);
    freeaddrinfo(list);
    if (fd < 0)
        snprintf(error, error_size, "cannot listen on %s: %s", text, strerror(-fd));
    else
        listen_describe(fd, text, name, name_size);
    return fd;
}
