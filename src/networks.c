/* SPDX-License-Identifier: MIT
 *
 * Reading the list, and comparing prefixes.
 */
#include "networks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

enum {
    ADDRESS_BITS = 128,
    MAPPED_BITS = 96, /* of an IPv4 address's prefix in the mapped one, ::ffff:0:0/96 */
    ITEM_SIZE = INET6_ADDRSTRLEN + sizeof "/128",
};

/* Whether a and b agree in the first `bits` bits. */
static bool share_prefix(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    return memcmp(a, b, bytes) == 0 &&
           (rest == 0 || ((a->s6_addr[bytes] ^ b->s6_addr[bytes]) >> (8 - rest)) == 0);
}

/* A decimal number from 0 to most, without a sign or zeros before it. */
static bool read_prefix(const char *text, unsigned most, unsigned *prefix)
{
    unsigned value = 0;

    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text >= '0' && *text <= '9' && value <= most; text++)
        value = value * 10 + (unsigned)(*text - '0');
    *prefix = value;
    return *text == '\0' && value <= most;
}

static bool read_address(const char *text, struct in6_addr *address)
{
    *address = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    return inet_pton(AF_INET, text, &address->s6_addr[12]) == 1 ||
           inet_pton(AF_INET6, text, address) == 1;
}

static bool read_network(char *text, struct network *network)
{
    struct in6_addr first = {.s6_addr = {0}};
    char *slash = strchr(text, '/');
    unsigned before;

    if (slash != NULL)
        *slash = '\0';
    if (!read_address(text, &network->address))
        return false;
    before = strchr(text, ':') == NULL ? MAPPED_BITS : 0;
    network->prefix = ADDRESS_BITS - before;
    if (slash != NULL && !read_prefix(slash + 1, ADDRESS_BITS - before, &network->prefix))
        return false;
    network->prefix += before;
    network->ipv4 = network->prefix >= MAPPED_BITS && IN6_IS_ADDR_V4MAPPED(&network->address);
    for (unsigned bit = 0; bit < network->prefix; bit++) {
        uint8_t *byte = &first.s6_addr[bit / 8];

        *byte = (uint8_t)(*byte | (network->address.s6_addr[bit / 8] & 0x80 >> bit % 8));
    }
    return memcmp(&first, &network->address, sizeof first) == 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* One item, length bytes of it with the white space around. */
static bool add(struct networks *networks, const char *from, size_t length)
{
    char item[ITEM_SIZE];

    for (; length > 0 && is_blank(*from); length--)
        from++;
    while (length > 0 && is_blank(from[length - 1]))
        length--;
    if (length >= sizeof item)
        return false;
    memcpy(item, from, length);
    item[length] = '\0';
    if (strcmp(item, "unix") == 0) {
        networks->unix_sockets = true;
        return true;
    }
    return networks->count < NETWORKS_MAX && read_network(item, &networks->list[networks->count++]);
}

int networks_parse(struct networks *networks, const char *text)
{
    *networks = (struct networks){.count = 0};
    if (*text == '\0')
        return 0;
    for (;; text++) {
        size_t length = strcspn(text, ",");

        if (!add(networks, text, length))
            return -EINVAL;
        text += length;
        if (*text == '\0')
            return 0;
    }
}

bool networks_have(const struct networks *networks, const struct in6_addr *address)
{
    bool ipv4 = IN6_IS_ADDR_V4MAPPED(address);

    if (IN6_IS_ADDR_UNSPECIFIED(address))
        return networks->unix_sockets;
    for (unsigned i = 0; i < networks->count; i++) {
        const struct network *network = &networks->list[i];

        if (network->ipv4 == ipv4 && share_prefix(&network->address, address, network->prefix))
            return true;
    }
    return false;
}
