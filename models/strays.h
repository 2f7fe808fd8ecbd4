/* SPDX-License-Identifier: MIT
 *
 * Stray descriptors: open in a shared descriptor table, owned by nobody.
 *
 * A process killed between the system call that opens a descriptor and the line
 * that records it leaves one. For some seconds after a death the master looks at its
 * table, the shared one. What is there without a record, was not open from the start,
 * and has been the same open file for a second, no living worker is still about to
 * record: it is closed.
 */
#ifndef MODELS_STRAYS_H
#define MODELS_STRAYS_H

#include <stdint.h>
#include <sys/types.h>

struct pool;

struct strays_entry {
    int fd;
    int64_t since_ms; /* seen at every look from then on */
    dev_t device;
    ino_t inode;
};

struct strays {
    int64_t until_ms; /* when to stop looking */
    int *known;     /* descriptors open from the start, ascending */
    size_t known_count;
    struct strays_entry *entries;
    size_t count;
};

/* Notes that there may be strays: a worker was killed. */
void strays_expect(struct strays *strays);

/* One tick: looks if it should, closes what has been stray for long enough. Must have been called
 * once before any worker exists, when it takes note of what is open. */
void strays_close(struct strays *strays, struct pool *pool);

void strays_term(struct strays *strays);

#endif
