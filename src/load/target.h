/* SPDX-License-Identifier: MIT
 *
 * Whom to ask, and for what: the server's address and the bytes of each request, all made before
 * the first one is sent.
 */
#ifndef LOAD_TARGET_H
#define LOAD_TARGET_H

#include <stddef.h>
#include <sys/socket.h>

#include "load/options.h"

struct target_request {
    char *bytes;
    size_t length;
};

struct target {
    struct sockaddr_storage address;
    socklen_t address_length;
    char *host;                      /* of the URL, without brackets */
    char *host_port;                 /* as the field Host has it */
    char port[6];                    /* digits */
    const char *path;                /* of the URL, with its query; part of the command line */
    struct target_request *requests; /* one for each path; of no --path the URL's */
    double *weights;                 /* of the paths */
    size_t paths;
    bool close; /* a connection for each request */
};

enum { TARGET_BAD_URL = 1 }; /* beside -errno: what was given is no such URL */

/* Reads the URL and makes the requests. options must outlive it. 0, TARGET_BAD_URL or -ENOMEM; of
 * all but 0 one line, without its end, in error. In all cases target_free() it. */
int target_init(struct target *target, const struct options *options, char *error,
                size_t error_size) __attribute__((warn_unused_result));
void target_free(struct target *target);

/* Looks up the address, and connects once to see that somebody is there, waiting up to
 * options->timeout_s: blocks. 0, or -errno with one line in error. */
int target_find(struct target *target, const struct options *options, char *error,
                size_t error_size) __attribute__((warn_unused_result));

#endif
