/* SPDX-License-Identifier: MIT
 *
 * The descriptors that a process keeps of those it got as a copy of another's table.
 *
 * Before the fork each owner adds its own, so nobody has to be asked, and neither a descriptor nor
 * /proc is needed to find the rest. Standard input, output and error are always kept.
 */
#ifndef SYSTEM_KEPT_H
#define SYSTEM_KEPT_H

#include <stdbool.h>

enum { KEPT_MOST = 64 };

/* Zeroed: none. */
struct kept {
    unsigned count;
    struct kept_range {
        int first, end;
    } ranges[KEPT_MOST];
};

/* Adds one, or as many from fd on; a negative fd: none. */
void kept_add(struct kept *kept, int fd);
void kept_add_some(struct kept *kept, int fd, unsigned count);

bool kept_has(const struct kept *kept, int fd);

/* Closes all others. descriptors: RLIMIT_NOFILE. Sorts the list. */
void kept_close_others(struct kept *kept, unsigned descriptors);

#endif
