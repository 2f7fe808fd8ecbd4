/* SPDX-License-Identifier: MIT
 *
 * A list of addresses and networks, as --trusted-proxies has it: read from text, and asked whether
 * an address is in it.
 *
 * Pure functions. An IPv4 address is the mapped IPv6 one, as struct conn has it; a network of one
 * version has no address of the other, so ::/0 is not everybody. The unspecified address stands for
 * a client of a Unix socket.
 */
#ifndef NETWORKS_H
#define NETWORKS_H

#include <netinet/in.h>
#include <stdbool.h>

enum { NETWORKS_MAX = 64 };

struct networks {
    bool unix_sockets;
    unsigned count;
    struct network {
        struct in6_addr address;
        unsigned prefix; /* bits of it that count, from 0 to 128 */
        bool ipv4;
    } list[NETWORKS_MAX];
};

/*
 * Reads "10.0.0.0/8, 2001:db8::1, unix": addresses, networks with the length of their prefix, and
 * the word unix, separated by commas; white space around them is of no matter, and "" is the empty
 * list. Returns 0, or -EINVAL for anything else, more than NETWORKS_MAX of them, or a network with
 * bits set behind its prefix (10.1.2.3/8: the prefix or the address is a mistake).
 */
int networks_parse(struct networks *networks, const char *text) __attribute__((warn_unused_result));

/* Whether the address is one of the list, or in one of its networks. */
bool networks_have(const struct networks *networks, const struct in6_addr *address);

#endif
