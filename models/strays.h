/* SPDX-License-Identifier: MIT
 *
 * Stray descriptors: open in a shared descriptor table, owned by nobody.
 *
 * A process killed between the system call that opens a descriptor and the line
 * that records it leaves one. After a death the master looks at its table, the
 * shared one, until it has seen every descriptor that nobody owns at a moment when
 * no living worker was between opening and recording; what is left open then is closed.
 */
#ifndef MODELS_STRAYS_H
#define MODELS_STRAYS_H

#include <stdbool.h>
#include <stddef.h>

struct master;
struct pool;

/* True when fd is open for good reason though no record names it. */
typedef bool strays_ours(const void *arg, const struct master *master, int fd);

struct strays {
    bool expected; /* a worker was killed: look */
    int *known;    /* descriptors open before there were workers */
    size_t known_count;
};

/* Notes what is open, before any worker exists. Returns 0; or -errno, after which strays_close()
 * does nothing: a leak is better than closing what is in use. */
int strays_init(struct strays *strays);
void strays_term(struct strays *strays);

/* Notes that there may be strays: a worker was killed. */
void strays_expect(struct strays *strays);

/* One look, if there is reason: closes what is certainly stray. To be called by the master now and
 * then. ours(arg, master, fd) names the descriptors opened since strays_init() that are to stay;
 * NULL: there are none. */
void strays_close(struct strays *strays, const struct pool *pool, strays_ours *ours,
                  const void *arg, const struct master *master);

#endif
