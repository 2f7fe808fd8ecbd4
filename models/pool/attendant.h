/* SPDX-License-Identifier: MIT
 *
 * What serves one connection after another, each from accept() until it is closed: a process or
 * thread that has nothing else to do meanwhile, so it may block also between two requests.
 *
 * How it came by the connection, and what it does after it, is the caller's: a worker of a pool
 * accepts the next (dedicated.h).
 */
#ifndef MODELS_POOL_ATTENDANT_H
#define MODELS_POOL_ATTENDANT_H

#include <stdbool.h>

#include "io.h"

struct conn;
struct in6_addr;

struct attendant {
    struct io *io;
    int stop_fd;   /* readable: it is to finish; not owned */
    bool stopping; /* it is known to be to finish: stays so */
    char *spill;   /* of its connection; owned */
};

/* Sets one up for the context that io is of; io, with its server, and stop_fd must outlive it.
 * Returns 0 or -ENOMEM; attendant_term() in either case. */
int attendant_init(struct attendant *a, struct io *io, int stop_fd)
    __attribute__((warn_unused_result));
void attendant_term(struct attendant *a);

/* Milliseconds between two looks at what no descriptor tells: the order to finish of one that has
 * served --max-requests, those who want its place. A quarter of a second or, if that is more, a
 * millisecond for each worker there is: thousands would wake the machine without end. */
int attendant_look_ms(const struct attendant *a);

/* Serves a connection that has been counted as open until its end, closes it and counts that: fd
 * and client as listen_accept() has them. Told to finish meanwhile, as connection_drain() says. */
void attendant_serve(struct attendant *a, int fd, const struct in6_addr *client);

/* The same for who has such a connection with a record and a spill of its own, needs no
 * attendant_init(), and closes it afterwards. */
void attendant_attend(struct attendant *a, struct conn *conn);

#endif
