/* SPDX-License-Identifier: MIT
 *
 * The record of one connection: all that is kept of it while it is parked.
 *
 * A connection is parked between requests, while its request head is incomplete,
 * while it lingers after an error, and where it has sent many requests and others
 * have their turn before it. It then holds no process, thread,
 * coroutine or buffer: unread bytes lie in `spill`, memory that
 * the parking lot set aside (and which costs nothing until it is touched).
 */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/guard.h"

enum conn_phase {
    CONN_IDLE,   /* no byte of a request has come */
    CONN_HEAD,   /* part of a head is in spill */
    CONN_MORE,   /* unread requests are in spill: it waits for a context, and to be writable */
    CONN_LINGER, /* answered and half-closed: input is read and dropped */
    /* The same, and nothing but the client's own end is expected, as both have agreed: the parking
     * lot may leave it without a watch and look at it later, with connection_serve(). */
    CONN_ENDING,
};

struct conn {
    int fd;
    /* enum conn_phase; written by the context that serves the connection, read by whoever looks for
     * idle ones. */
    _Atomic uint8_t phase;
    bool dirty;      /* spill has been written since the connection was opened */
    uint16_t worker; /* that served it last, below SHARED_SLOTS */
    struct guard guard;
    uint16_t untaken_kb; /* of answers on their way when its deadline last passed; 0: it has not */
    uint32_t spilled;    /* bytes in spill */
    uint32_t requests;   /* served on this connection */
    /* The other end, as it was accepted from: a connection that was reset has none any more. */
    struct in6_addr client;
    /* When the parking lot is to call connection_expire(), in io_now_ms() time. Written by the
     * context that serves the connection, read by whoever looks for expired ones. */
    _Atomic int64_t deadline_ms;
    char *spill; /* connection_spill_size() bytes, owned by the parking lot */
};

/* Where a connection goes when a context has done what can be done now. */
enum conn_next {
    CONN_PARK,  /* wait until it is readable or its deadline has passed */
    CONN_CLOSE, /* close its socket and forget it */
};

#endif
