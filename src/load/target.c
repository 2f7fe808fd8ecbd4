/* SPDX-License-Identifier: MIT
 *
 * See target.h.
 */
#include "load/target.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define SCHEME "http://"

/* ---- the URL ---- */

/* Host and port: NAME, ADDRESS, [ADDRESS], each with :PORT or without. */
static bool parse_authority(struct target *t, const char *text, size_t length)
{
    const char *end = text + length, *host = text, *host_end, *port;

    if (length > 0 && *text == '[') {
        host_end = memchr(text, ']', length);
        if (host_end == NULL)
            return false;
        host++;
        port = host_end + 1;
    } else {
        host_end = memchr(text, ':', length);
        if (host_end == NULL)
            host_end = end;
        port = host_end;
    }
    if (host == host_end || (port != end && *port != ':'))
        return false;
    snprintf(t->port, sizeof t->port, "80");
    if (port != end) {
        size_t digits = (size_t)(end - ++port);
        long number = strtol(port, NULL, 10);

        if (digits == 0 || digits > 5 || strspn(port, "0123456789") < digits || number < 1 ||
            number > 65535)
            return false;
        snprintf(t->port, sizeof t->port, "%ld", number);
    }
    t->host = strndup(host, (size_t)(host_end - host));
    t->host_port = strndup(text, length);
    return true;
}

/* Of bytes that can be in a request line and the field Host; a userinfo or fragment is for neither.
 */
static bool parse_url(struct target *t, const char *url)
{
    const char *authority = url + strlen(SCHEME);
    size_t length;

    if (strncmp(url, SCHEME, strlen(SCHEME)) != 0 || strchr(url, '#') != NULL)
        return false;
    for (const char *at = url; *at != '\0'; at++) {
        if (*at <= ' ' || *at == 0x7f)
            return false;
    }
    length = strcspn(authority, "/?");
    t->path = authority + length;
    return *t->path != '?' && memchr(authority, '@', length) == NULL &&
           parse_authority(t, authority, length);
}

/* ---- the requests ---- */

static int make_request(struct target *t, struct target_request *request, const char *path,
                        const struct options *o)
{
    char length[64] = "";
    int head;

    if (o->body != NULL)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", o->body_length);
    head = asprintf(&request->bytes, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
                    o->body != NULL ? "POST" : "GET", path, t->host_port, length,
                    o->close ? "Connection: close\r\n" : "");
    if (head < 0) {
        request->bytes = NULL;
        return -ENOMEM;
    }
    request->length = (size_t)head;
    if (o->body != NULL) {
        char *whole = realloc(request->bytes, request->length + o->body_length + 1);

        if (whole == NULL)
            return -ENOMEM;
        memcpy(whole + head, o->body, o->body_length);
        request->bytes = whole;
        request->length += o->body_length;
    }
    return 0;
}

static bool path_is_good(const char *path)
{
    for (const char *at = path; *at != '\0'; at++) {
        if (*at <= ' ' || *at == 0x7f || *at == '#')
            return false;
    }
    return true;
}

int target_init(struct target *t, const struct options *o, char *error, size_t size)
{
    *t = (struct target){.close = o->close, .paths = o->path_count > 0 ? o->path_count : 1};
    if (!parse_url(t, o->url)) {
        snprintf(error, size, "%s: expected http://HOST[:PORT]/PATH, and the path as it is sent",
                 o->url);
        return TARGET_BAD_URL;
    }
    if (*t->path == '\0')
        t->path = "/";
    t->requests = calloc(t->paths, sizeof *t->requests);
    t->weights = calloc(t->paths, sizeof *t->weights);
    if (t->host == NULL || t->host_port == NULL || t->requests == NULL || t->weights == NULL)
        goto no_memory;
    for (size_t i = 0; i < t->paths; i++) {
        const char *path = o->path_count > 0 ? o->paths[i].path : t->path;

        if (!path_is_good(path)) {
            snprintf(error, size, "--path=%s: expected a path as it is sent, without spaces", path);
            return TARGET_BAD_URL;
        }
        t->weights[i] = o->path_count > 0 ? o->paths[i].weight : 1;
        if (make_request(t, &t->requests[i], path, o) < 0)
            goto no_memory;
    }
    return 0;
no_memory:
    snprintf(error, size, "no memory for the requests");
    return -ENOMEM;
}

void target_free(struct target *t)
{
    for (size_t i = 0; t->requests != NULL && i < t->paths; i++)
        free(t->requests[i].bytes);
    free(t->requests);
    free(t->weights);
    free(t->host);
    free(t->host_port);
}

/* ---- the address ---- */

/* Connects to the target's address and leaves at once. 0 or -errno. */
static int try_address(const struct target *t, double timeout_s)
{
    int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    socklen_t length = sizeof(int);
    int result = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&t->address, t->address_length) < 0) {
        result = errno;
        if (result == EINPROGRESS && poll(&writable, 1, (int)(timeout_s * 1000)) == 0)
            result = ETIMEDOUT;
        else if (result == EINPROGRESS)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &result, &length);
    }
    close(fd);
    return -result;
}

static int find_unix(struct target *t, const struct options *o, char *error, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int result;

    if (strlen(o->unix_path) >= sizeof address.sun_path) {
        snprintf(error, size, "--unix=%s: expected at most %zu characters", o->unix_path,
                 sizeof address.sun_path - 1);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, o->unix_path, strlen(o->unix_path));
    memcpy(&t->address, &address, sizeof address);
    t->address_length = sizeof address;
    result = try_address(t, o->timeout_s);
    if (result < 0)
        snprintf(error, size, "--unix=%s: cannot connect: %s", o->unix_path, strerror(-result));
    return result;
}

int target_find(struct target *t, const struct options *o, char *error, size_t size)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int result;

    if (o->unix_path != NULL)
        return find_unix(t, o, error, size);
    result = getaddrinfo(t->host, t->port, &hints, &found);
    if (result != 0) {
        snprintf(error, size, "%s: no address of %s: %s", o->url, t->host, gai_strerror(result));
        return -EHOSTUNREACH;
    }
    result = -EHOSTUNREACH;
    for (const struct addrinfo *a = found; a != NULL && result < 0; a = a->ai_next) {
        memcpy(&t->address, a->ai_addr, a->ai_addrlen);
        t->address_length = a->ai_addrlen;
        result = try_address(t, o->timeout_s);
    }
    freeaddrinfo(found);
    if (result < 0)
        snprintf(error, size, "%s: cannot connect: %s", o->url, strerror(-result));
    return result;
}
