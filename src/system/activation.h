/* SPDX-License-Identifier: MIT
 *
 * Sockets that a service manager opened for this process: systemd's protocol
 * (sd_listen_fds(3)) without its library. The descriptors begin at 3, LISTEN_FDS
 * counts them, LISTEN_PID names the process they are for and LISTEN_FDNAMES, if
 * set, has a name for each, separated by colons.
 *
 * This server has one listening socket. Of several the one named "http" is taken; without
 * exactly one of that name the start fails.
 */
#ifndef SYSTEM_ACTIVATION_H
#define SYSTEM_ACTIVATION_H

#include <stddef.h>

/*
 * Takes the socket that was passed and closes the others. The variables are removed from the
 * environment, so that no child takes them for its own.
 *
 * Returns the descriptor, now the caller's, which may be anything yet; -ENOENT when none was passed
 * to this process; or -EINVAL with one line in error. To be called once, before there are
 * threads, and before descriptors from 3 on are used for anything else.
 */
int activation_take(char *error, size_t error_size) __attribute__((warn_unused_result));

#endif
