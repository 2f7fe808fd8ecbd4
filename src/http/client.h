/* SPDX-License-Identifier: MIT
 *
 * Whose request it is: the other end of the connection, or, where that is a proxy that is trusted
 * (--trusted-proxies), whom it names in X-Forwarded-For.
 *
 * Each proxy appends the address that it was asked from, so what the last one wrote stands at the
 * right, and whatever stands left of an address that is not trusted may be that client's invention.
 * Forwarded (RFC 7239) is not read: HAProxy, nginx and the clouds' balancers send this one.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <netinet/in.h>

#include "http.h"
#include "networks.h"

/*
 * The right-most address of the request's X-Forwarded-For, all such fields one after another taken
 * as one list, that is not in `trusted`; its left-most if all are; peer where that is not trusted
 * itself, or nothing is named. Reading ends at an entry that is no address, with or without a port
 * ("1.2.3.4:5", "[::1]:5"): it and what stands left of it is ignored, so that the last proxy before
 * it counts as the client. Empty entries are passed over.
 */
struct in6_addr client_of(const struct http_request *request, const struct in6_addr *peer,
                          const struct networks *trusted);

#endif
