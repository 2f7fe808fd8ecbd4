/* SPDX-License-Identifier: MIT
 *
 * --check-config beyond the form of settings: would a server start with them here, now?
 *
 * Asked in the order in which server_open() does these things, and answered in its words, but
 * nothing is made, bound or locked: a server that runs with the same settings is in nobody's way,
 * nor is the check in its. What only a start can find out (a port that another program has, too
 * little memory) is left to it.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>

struct config;

/*
 * Returns 0, or a negative errno with one line in error. Becomes --user on the way, as the server
 * would, to see what that user may: to be called by a process that is about to end.
 */
int check_start(const struct config *config, char *error, size_t error_size)
    __attribute__((warn_unused_result));

#endif
