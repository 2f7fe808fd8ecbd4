/* SPDX-License-Identifier: MIT
 *
 * A block is a mapping of its own that begins with its size.
 */
#include "coro/growable.h"

#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum {
    /* libev's largest array has 16 bytes a descriptor and is doubled when it is full. */
    BYTES_PER_DESCRIPTOR = 32,
    MOST_DESCRIPTORS = 1 << 20, /* of a limit that is none */
    LEAST_BYTES = 64 * 1024,
};

struct head {
    alignas(max_align_t) size_t bytes; /* mapped, this head included */
};

static size_t longest(void)
{
    struct rlimit limit;
    size_t descriptors = MOST_DESCRIPTORS;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < MOST_DESCRIPTORS)
        descriptors = (size_t)limit.rlim_cur;
    return sizeof(struct head) + LEAST_BYTES + descriptors * BYTES_PER_DESCRIPTOR;
}

static struct head *map(size_t bytes)
{
    struct head *head = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (head == MAP_FAILED)
        return NULL;
    head->bytes = bytes;
    return head;
}

void *coro_growable_realloc(void *block, long size)
{
    struct head *old = block == NULL ? NULL : (struct head *)block - 1;
    size_t wanted = sizeof *old + (size_t)size;
    size_t bytes = longest();
    struct head *new;

    if (size > 0 && old != NULL && wanted <= old->bytes)
        return block;
    if (size == 0) {
        if (old != NULL)
            munmap(old, old->bytes);
        return NULL;
    }
    new = map(wanted > bytes ? wanted : bytes);
    if (new == NULL)
        return NULL;
    if (old != NULL) {
        memcpy(new + 1, block, old->bytes - sizeof *old);
        munmap(old, old->bytes);
    }
    return new + 1;
}
