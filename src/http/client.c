/* SPDX-License-Identifier: MIT
 *
 * X-Forwarded-For from right to left, and an address as text.
 */
#include "http/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/chars.h"
#include "http/stream.h"
#include "server.h"

enum { PORT_DIGITS = sizeof "65535" - 1 };

static_assert(HTTP_CLIENT_SIZE == INET6_ADDRSTRLEN, "every address fits");

/* Takes the last entry off a list, without the white space around it; false when that is empty. */
static bool take_last(struct http_slice *list, struct http_slice *entry)
{
    size_t begin = list->length;

    if (list->length == 0)
        return false;
    while (begin > 0 && list->data[begin - 1] != ',')
        begin--;
    *entry = http_trim((struct http_slice){list->data + begin, list->length - begin});
    list->length = begin > 0 ? begin - 1 : 0;
    return true;
}

static bool is_port(struct http_slice text)
{
    unsigned value = 0;

    if (text.length == 0 || text.length > PORT_DIGITS)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    return value <= UINT16_MAX;
}

/* Cuts "ADDR", "ADDR:PORT" or "[ADDR]:PORT" into its address, and what follows it. */
static struct http_slice cut(struct http_slice entry, struct http_slice *behind)
{
    const char *end = entry.data + entry.length, *colon = memchr(entry.data, ':', entry.length);
    const char *bracket = memchr(entry.data, ']', entry.length);

    if (entry.data[0] == '[' && bracket != NULL) {
        *behind = (struct http_slice){bracket + 1, (size_t)(end - bracket) - 1};
        return (struct http_slice){entry.data + 1, (size_t)(bracket - entry.data) - 1};
    }
    *behind = (struct http_slice){end, 0};
    if (colon == NULL || memchr(colon + 1, ':', (size_t)(end - colon) - 1) != NULL)
        return entry;
    *behind = (struct http_slice){colon, (size_t)(end - colon)};
    return (struct http_slice){entry.data, (size_t)(colon - entry.data)};
}

static bool read_address(struct http_slice entry, struct in6_addr *address)
{
    struct http_slice behind, text = cut(entry, &behind);
    char copy[INET6_ADDRSTRLEN];
    bool six = memchr(text.data, ':', text.length) != NULL;

    if (text.length == 0 || text.length >= sizeof copy ||
        memchr(text.data, '\0', text.length) != NULL || (entry.data[0] == '[' && !six))
        return false;
    if (behind.length > 0 && (behind.data[0] != ':' ||
                              !is_port((struct http_slice){behind.data + 1, behind.length - 1})))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    *address = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    if (inet_pton(six ? AF_INET6 : AF_INET, copy, six ? address->s6_addr : &address->s6_addr[12]) !=
        1)
        return false;
    return !IN6_IS_ADDR_UNSPECIFIED(address); /* nobody's; here it stands for Unix sockets */
}

struct in6_addr client_of(const struct http_request *request, const struct in6_addr *peer,
                          const struct networks *trusted)
{
    struct in6_addr client = *peer, named;

    for (unsigned i = request->field_count; i-- > 0;) {
        struct http_slice list = request->fields[i].value, entry;

        if (!http_slice_is_nocase(request->fields[i].name, "X-Forwarded-For"))
            continue;
        while (networks_have(trusted, &client) && take_last(&list, &entry)) {
            if (entry.length == 0)
                continue;
            if (!read_address(entry, &named))
                return client;
            client = named;
        }
    }
    return client;
}

void http_client(const struct http_exchange *x, char out[HTTP_CLIENT_SIZE])
{
    const struct in6_addr *peer = &x->stream->conn->client;
    const struct networks *trusted = &x->io->server->trusted_proxies;
    struct in6_addr client =
        networks_have(trusted, peer) ? client_of(x->request, peer, trusted) : *peer;

    if (IN6_IS_ADDR_V4MAPPED(&client))
        inet_ntop(AF_INET, &client.s6_addr[12], out, HTTP_CLIENT_SIZE);
    else if (IN6_IS_ADDR_UNSPECIFIED(&client))
        snprintf(out, HTTP_CLIENT_SIZE, "unix:");
    else
        inet_ntop(AF_INET6, &client, out, HTTP_CLIENT_SIZE);
}
