/* SPDX-License-Identifier: MIT
 *
 * Accepted sockets inherit TCP_NODELAY from the listening one, so it is set once
 * here. Unix sockets, which leave a file behind, are made in listen_unix.c.
 */
#include "system/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "system/listen_unix.h"
#include "log.h"

enum {
    FIRST_OF_MANY = 64, /* the lowest descriptor of sockets that have consecutive ones */
    A_FEW = 8,          /* for how many wait on a socket that does not tell */
    LOOPBACK_ZONE = 1   /* the number that the kernel gives to lo, in every network namespace */
};

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
    if (bind(fd, address, length) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
        return -errno;
    return 0;
}

/* True for what no other machine can reach. */
static bool is_local(const struct sockaddr *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    const struct in6_addr *v6 = &in6->sin6_addr;
    const struct in_addr *v4 = &((const struct sockaddr_in *)(const void *)address)->sin_addr;

    if (address->sa_family == AF_INET)
        return ntohl(v4->s_addr) >> 24 == IN_LOOPBACKNET;
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(v6) ||
               (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == IN_LOOPBACKNET) ||
               (IN6_IS_ADDR_LINKLOCAL(v6) && in6->sin6_scope_id == LOOPBACK_ZONE);
    return address->sa_family == AF_UNIX;
}

static int refuse_remote(const char *shown, char *error, size_t error_size)
{
    snprintf(error, error_size,
             "refusing to serve %s as root: other machines can reach it; choose a user with "
             "--user=NAME, or insist with --allow-root",
             shown);
    return -EACCES;
}

static void name_unix(const struct sockaddr_un *address, socklen_t length, char *name,
                      size_t name_size)
{
    size_t used = length > offsetof(struct sockaddr_un, sun_path)
                      ? length - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    bool abstract = used > 0 && address->sun_path[0] == '\0';

    if (abstract)
        snprintf(name, name_size, "unix:@%.*s", (int)used - 1, address->sun_path + 1);
    else
        snprintf(name, name_size, "unix:%.*s", (int)strnlen(address->sun_path, used),
                 address->sun_path);
    for (char *p = name; *p != '\0'; p++) /* it is shown in the ready line */
        if ((unsigned char)*p < ' ' || *p == '\x7f')
            *p = '?';
}

static int name_of(int fd, char *name, size_t name_size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1], port[8];

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    if (address.ss_family == AF_UNIX) {
        name_unix((struct sockaddr_un *)&address, length, name, name_size);
        return 0;
    }
    if (getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EAFNOSUPPORT;
    snprintf(name, name_size, address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

/* -errno when there is none. */
static int open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return fd;
}

static int open_one(const struct addrinfo *info)
{
    int fd = open_socket(info->ai_family), result;

    if (fd < 0)
        return fd;
    result = bind_and_listen(fd, info->ai_addr, info->ai_addrlen);
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

/* Whether it could be bound, but for others: a port in use may be this very server's. Root may bind
 * any port, so it asks for the address alone. */
static int probe_one(const struct addrinfo *info)
{
    struct sockaddr_storage address = {0};
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1, result = 0;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* in nobody's way for the moment */
    memcpy(&address, info->ai_addr, info->ai_addrlen);
    if (geteuid() == 0 && info->ai_family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_port = 0;
    else if (geteuid() == 0)
        ((struct sockaddr_in6 *)&address)->sin6_port = 0;
    if (bind(fd, (struct sockaddr *)&address, info->ai_addrlen) < 0 && errno != EADDRINUSE)
        result = -errno;
    close(fd);
    return result;
}

/* Tries the addresses in turn, until attempt() does not fail for one. */
static int attempt_each(const struct addrinfo *list, const char *text, bool local_only,
                        int (*attempt)(const struct addrinfo *info), char *error, size_t error_size)
{
    int result = -EADDRNOTAVAIL;

    for (const struct addrinfo *info = list; info != NULL && result < 0; info = info->ai_next) {
        if (local_only && !is_local(info->ai_addr))
            return refuse_remote(text, error, error_size);
        result = attempt(info);
    }
    if (result < 0)
        snprintf(error, error_size, "cannot listen on %s: %s", text, strerror(-result));
    return result;
}

/* The same for all that text, "ADDR:PORT" or "[ADDR]:PORT", means. */
static int attempt_tcp(const char *text, const char *shown, bool local_only,
                       int (*attempt)(const struct addrinfo *info), char *error, size_t error_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list;
    char host[256];
    const char *port;
    int failed, result;

    if (!split(text, host, sizeof host, &port))
        return -EINVAL;
    failed = getaddrinfo(host, port, &hints, &list);
    if (failed != 0) {
        snprintf(error, error_size, "cannot listen on %s: %s", shown, gai_strerror(failed));
        return -EADDRNOTAVAIL;
    }
    result = attempt_each(list, shown, local_only, attempt, error, error_size);
    freeaddrinfo(list);
    return result;
}

static void explain_unix(const char *shown, int result, char *error, size_t error_size)
{
    snprintf(error, error_size, "cannot listen on %s: %s", shown,
             result == -ENOTSOCK ? "what is there is no socket, and is left alone"
                                 : strerror(-result));
}

int listen_open(const char *text, const struct listen_options *options, char *name,
                size_t name_size, char *error, size_t error_size)
{
    static const struct listen_options none;
    char shown[LISTEN_NAME_SIZE];
    int fd;

    options = options != NULL ? options : &none;
    log_escape(shown, sizeof shown, text, strlen(text));
    if (listen_check(text) < 0) {
        snprintf(error, error_size, "--listen=%s: expected ADDR:PORT, [ADDR]:PORT or unix:/path",
                 shown);
        return -EINVAL;
    }
    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0) {
        fd = listen_unix_open(text + sizeof UNIX_PREFIX - 1, options->mode, LISTEN_BACKLOG);
        if (fd < 0)
            explain_unix(shown, fd, error, error_size);
        else
            snprintf(name, name_size, "%s", text);
        return fd;
    }
    fd = attempt_tcp(text, shown, options->local_only, open_one, error, error_size);
    if (fd >= 0 && name_of(fd, name, name_size) < 0)
        snprintf(name, name_size, "%s", text);
    return fd;
}

int listen_accept(int fd, struct in6_addr *client)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof address;
    int accepted = accept4(fd, &address.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (accepted < 0)
        return -errno;
    *client = in6addr_any;
    if (address.any.sa_family == AF_INET6)
        *client = address.v6.sin6_addr;
    else if (address.any.sa_family == AF_INET) {
        client->s6_addr[10] = client->s6_addr[11] = 0xff;
        memcpy(&client->s6_addr[12], &address.v4.sin_addr, 4);
    }
    return accepted;
}

int listen_probe(const char *text, bool local_only, char *error, size_t error_size)
{
    char shown[LISTEN_NAME_SIZE];
    int result;

    log_escape(shown, sizeof shown, text, strlen(text));
    if (strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) != 0)
        return attempt_tcp(text, shown, local_only, probe_one, error, error_size);
    result = listen_unix_probe(text + sizeof UNIX_PREFIX - 1);
    if (result < 0)
        explain_unix(shown, result, error, error_size);
    return result;
}

/* One more that is bound where fd is, at the descriptor `at`, which is free. 0 or -errno. */
static int open_beside(int fd, int at)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    int on = 1, result = 0, one;

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    one = open_socket(address.ss_family);
    if (one < 0)
        return one;
    if (setsockopt(one, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        result = -errno;
    if (result == 0)
        result = bind_and_listen(one, (struct sockaddr *)&address, length);
    if (result == 0 && dup3(one, at, O_CLOEXEC) < 0)
        result = errno == EBADF ? -EMFILE : -errno;
    close(one);
    return result;
}

/* The first of `count` consecutive descriptors that are free, with room before them for what is
 * opened meanwhile. */
static int free_range(unsigned count)
{
    int first = FIRST_OF_MANY, fd = first;

    for (; fd < first + (int)count; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            first = fd + 1;
    return first;
}

int listen_multiply(int fd, unsigned count)
{
    int first = free_range(count), on = 1, result = 0, made = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        result = -errno;
    if (result == 0 && dup3(fd, first, O_CLOEXEC) < 0)
        result = errno == EBADF ? -EMFILE : -errno;
    close(fd);
    while (result == 0 && ++made < (int)count)
        result = open_beside(first, first + made);
    while (result < 0 && made-- > 0)
        close(first + made);
    return result < 0 ? result : first;
}

/* 0 if fd is a stream socket that listens. */
static int check_listens(int fd)
{
    int type = 0, listens = 0;
    socklen_t size = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
        return -errno;
    return type == SOCK_STREAM && listens ? 0 : -EINVAL;
}

/* Makes fd what accept4() and the models expect; names it. */
static int adopt(int fd, char *name, size_t name_size)
{
    int status = fcntl(fd, F_GETFL);
    int on = 1;

    if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket has no such option */
    return name_of(fd, name, name_size);
}

int listen_inherit(int fd, const struct listen_options *options, char *name, size_t name_size,
                   char *error, size_t error_size)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    int result = check_listens(fd);

    if (result == -EINVAL) {
        snprintf(error, error_size,
                 "cannot serve the inherited descriptor %d: not a stream socket that listens", fd);
        return result;
    }
    if (result == 0)
        result = adopt(fd, name, name_size);
    if (result == 0 && getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        result = -errno;
    if (result < 0) {
        snprintf(error, error_size, "cannot serve the inherited descriptor %d: %s", fd,
                 strerror(-result));
        return result;
    }
    if (options != NULL && options->local_only && !is_local((struct sockaddr *)&address))
        return refuse_remote(name, error, error_size);
    return 0;
}

unsigned listen_backlog(int fd)
{
    struct pollfd listener = {.fd = fd, .events = POLLIN};
    struct tcp_info info;
    socklen_t size = sizeof info;

    if (poll(&listener, 1, 0) <= 0)
        return 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
        return A_FEW;
    return info.tcpi_unacked > 0 ? info.tcpi_unacked : 1; /* of a listening socket: its backlog */
}

int listen_turn_away(int fd)
{
    /* Bound to an interface that no packet comes from, the socket is not found for a new connection
     * any more. Those that it has made keep what they were bound to, handshakes under way too. */
    const int no_interface = INT_MAX;
    int domain;
    socklen_t size = sizeof domain;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return -errno;
    if (domain == AF_UNIX)
        return -EOPNOTSUPP;
    return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &no_interface, sizeof no_interface) < 0
               ? -errno
               : 0;
}
