/* SPDX-License-Identifier: MIT
 *
 * Stray descriptors: open in a shared descriptor table, owned by nobody.
 *
 * A process killed between the system call that opens a descriptor and the line
 * that records it leaves one. After a death the master looks at its table (the
 * shared one) on some ticks; what is there without a record, is none of those open from
 * the start, and is the same open file each time, no living worker is still about to
 * record: it is closed.
 */
#ifndef MODELS_STRAYS_H
#define MODELS_STRAYS_H

#include <stdint.h>
#include <sys/types.h>

struct pool;

struct strays_entry {
    int fd;
    unsigned seen; /* on how many ticks in a row */
    dev_t device;
    ino_t inode;
};

struct strays {
    unsigned looks; /* ticks left on which to look */
    int *known;     /* descriptors open from the start, ascending */
    size_t known_count;
    struct strays_entry *entries;
    size_t count;
};

/* Notes that there may be strays: a worker has died. */
void strays_expect(struct strays *strays);

/* One tick: looks if it should, closes what has been stray for long enough. Must have been called
 * once before any worker exists, when it takes note of what is open. */
void strays_close(struct strays *strays, struct pool *pool);

void strays_term(struct strays *strays);

#endif
