/* SPDX-License-Identifier: MIT
 *
 * X-Forwarded-For: the input's first line is the list of trusted proxies, the second the address of
 * the connection's other end, each further one a field. Where the list and the address are none,
 * nothing more is read. Compared with a second reading, from left to right.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "http/client.h"

enum { MAX_LINES = 8, MAX_ENTRIES = 4096 };

struct line {
    const char *data;
    size_t length;
};

/* The next line of the input, a copy that ends where its memory does; NULL: there is none. */
static char *next_line(const uint8_t *data, size_t size, size_t *at, size_t *length)
{
    const uint8_t *end;

    if (*at >= size)
        return NULL;
    end = memchr(data + *at, '\n', size - *at);
    *length = end != NULL ? (size_t)(end - data) - *at : size - *at;
    *at += *length + 1;
    return fuzz_copy(data + *at - *length - 1, *length);
}

/* Whether text is a number up to 65535 in five digits at most, as strtoul() reads it. */
static bool is_port(const char *text)
{
    return *text != '\0' && strlen(text) <= 5 && strspn(text, "0123456789") == strlen(text) &&
           strtoul(text, NULL, 10) <= 65535;
}

/* An entry by getaddrinfo(), which reads numbers the longest way round. */
static bool read_entry(const char *text, struct in6_addr *address)
{
    const struct addrinfo hints = {.ai_family = AF_INET6, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found;
    char copy[INET6_ADDRSTRLEN + 32];
    char *host = copy, *port = NULL, *last;

    if (strlen(text) >= sizeof copy)
        return false;
    memcpy(copy, text, strlen(text) + 1);
    last = strrchr(copy, ':');
    if (copy[0] == '[') {
        char *bracket = strchr(copy, ']');

        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':'))
            return false;
        port = bracket[1] == ':' ? bracket + 2 : NULL;
        *bracket = '\0';
        host = copy + 1;
        if (strchr(host, ':') == NULL)
            return false;
    } else if (last != NULL && strchr(copy, ':') == last) {
        port = last + 1;
        *last = '\0';
    }
    if ((port != NULL && !is_port(port)) || strchr(host, '%') != NULL)
        return false;
    if (strchr(host, ':') == NULL) { /* the four numbers of an IPv4 address, and nothing shorter */
        struct in_addr four;

        *address = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
        if (inet_pton(AF_INET, host, &four) != 1)
            return false;
        memcpy(&address->s6_addr[12], &four, sizeof four);
        return true;
    }
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    *address = ((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr;
    freeaddrinfo(found);
    return !IN6_IS_ADDR_UNSPECIFIED(address);
}

/* All entries of all lists from left to right; then the last of them that nobody trusted wrote
 * behind.
 */
static struct in6_addr expected_client(const struct line *lists, unsigned count,
                                       struct in6_addr client, const struct networks *trusted)
{
    static char *entries[MAX_ENTRIES];
    unsigned entry_count = 0;

    for (unsigned i = 0; i < count; i++) {
        char *copy = strndup(lists[i].data, lists[i].length), *rest = copy, *entry;

        FUZZ_CHECK(copy != NULL);
        while ((entry = strsep(&rest, ",")) != NULL && entry_count < MAX_ENTRIES) {
            entry += strspn(entry, " \t");
            for (size_t end = strlen(entry); end > 0 && strchr(" \t", entry[end - 1]) != NULL;
                 end--)
                entry[end - 1] = '\0';
            if (*entry != '\0')
                entries[entry_count++] = strdup(entry);
        }
        free(copy);
    }
    for (unsigned i = entry_count; i > 0 && networks_have(trusted, &client); i--) {
        struct in6_addr named;

        if (!read_entry(entries[i - 1], &named))
            break;
        client = named;
    }
    while (entry_count > 0)
        free(entries[--entry_count]);
    return client;
}

int fuzz_client(const uint8_t *data, size_t size)
{
    static struct http_request request;
    struct line lists[MAX_LINES];
    struct networks trusted;
    struct in6_addr peer, client, expected;
    size_t at = 0, length;
    char *line = next_line(data, size, &at, &length), *list, *address;
    unsigned count = 0;
    bool usable;

    if (line == NULL)
        return 0;
    list = strndup(line, length);
    free(line);
    line = next_line(data, size, &at, &length);
    address = line != NULL ? strndup(line, length) : strdup("");
    free(line);
    FUZZ_CHECK(list != NULL && address != NULL);
    usable = networks_parse(&trusted, list) == 0 && inet_pton(AF_INET6, address, &peer) == 1;
    free(list);
    free(address);
    if (!usable)
        return 0;
    while (count < MAX_LINES && (line = next_line(data, size, &at, &length)) != NULL) {
        if (memchr(line, '\0', length) != NULL) { /* no field has such a byte */
            free(line);
            continue;
        }
        lists[count] = (struct line){line, length};
        request.fields[count].name = (struct http_slice){"X-Forwarded-For", 15};
        request.fields[count].value = (struct http_slice){line, length};
        count++;
    }
    request.field_count = count;
    client = client_of(&request, &peer, &trusted);
    expected = expected_client(lists, count, peer, &trusted);
    FUZZ_CHECK(memcmp(&client, &expected, sizeof client) == 0);
    while (count > 0)
        free((char *)(uintptr_t)lists[--count].data);
    return 0;
}
