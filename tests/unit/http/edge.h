/* SPDX-License-Identifier: MIT
 *
 * A place for input that ends where memory ends: a parser that looks one byte
 * further than it was given dies at once, with or without a sanitizer.
 */
#ifndef EDGE_H
#define EDGE_H

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum { EDGE_ROOM = 256 * 1024, EDGE_GUARD = 64 * 1024 };

struct edge {
    char *end; /* the first byte that cannot be read; EDGE_ROOM bytes before it can */
};

/* Returns 0, or -1 when there is no memory. */
static inline int edge_init(struct edge *edge)
{
    char *base = mmap(NULL, EDGE_ROOM + EDGE_GUARD, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return -1;
    edge->end = base + EDGE_ROOM;
    return mprotect(edge->end, EDGE_GUARD, PROT_NONE);
}

static inline void edge_term(struct edge *edge)
{
    munmap(edge->end - EDGE_ROOM, EDGE_ROOM + EDGE_GUARD);
}

/* Copies length bytes (at most EDGE_ROOM) to where they end at the edge; valid until the next
 * call. */
static inline char *edge_place(const struct edge *edge, const void *data, size_t length)
{
    return memcpy(edge->end - length, data, length);
}

/* The fixture of a whole test program: *state is its one edge. */
static inline int edge_setup(void **state)
{
    static struct edge edge;

    *state = &edge;
    return edge_init(&edge);
}

static inline int edge_teardown(void **state)
{
    edge_term(*state);
    return 0;
}

#endif
