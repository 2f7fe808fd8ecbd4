/* SPDX-License-Identifier: MIT
 *
 * The addresses of a host's name, for no longer than one has time.
 *
 * The C library blocks in getaddrinfo(), for tens of seconds while a name server is silent, and
 * cannot be told to stop. So each name is looked up on a thread of its own, which nobody has to
 * wait for: not the helper threads of a loop, which others need, and not the worker of a pool.
 * There is one for a name at a time, whoever asks; who runs out of time leaves it to the others,
 * and it ends with its own. It works in a descriptor table of its own, so that it may open what it
 * likes where workers share one (src/master/strays.h).
 *
 * The waiting look every few milliseconds: a thread that is to wake up contexts of any model would
 * need a descriptor for each.
 */
#ifndef DB_LOOKUP_H
#define DB_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

struct io;

enum {
    DB_LOOKUP_HOST = 256,      /* bytes of a name with its NUL */
    DB_LOOKUP_ADDRESSES = 512, /* of the addresses */
    DB_LOOKUP_LIST = 2048,     /* of the lists of db_lookup_list() */
};

/* What is being looked up. */
struct db_lookups;

/* NULL: no memory. May be made before processes are forked. */
struct db_lookups *db_lookups_new(void);

/* Leaves it to the threads that still look. NULL allowed. */
void db_lookups_free(struct db_lookups *lookups);

/*
 * Writes the addresses of host, a name or an address, as numbers separated by commas. Returns 0;
 * -ETIMEDOUT, -ECANCELED; -EHOSTUNREACH with what the library said in *reason, else NULL; -ENOMEM,
 * -EAGAIN (no thread).
 */
int db_lookup(struct db_lookups *lookups, struct io *io, const char *host, int64_t deadline_ms,
              char addresses[DB_LOOKUP_ADDRESSES], const char **reason)
    __attribute__((warn_unused_result));

/* The lists that libpq connects by: an item each for every address of every host. */
struct db_lookup_list {
    char hosts[DB_LOOKUP_LIST], addresses[DB_LOOKUP_LIST], ports[DB_LOOKUP_LIST];
};

/*
 * The same for hosts, a list separated by commas, and their ports, one each or one for all (NULL:
 * the default, as nothing is). A host that is empty or a socket's path has no address. Of several
 * hosts those are left out whose names are not found in their share of the time. Returns 0; or what
 * db_lookup() gave for the last, when none is left; -ENAMETOOLONG.
 */
int db_lookup_list(struct db_lookups *lookups, struct io *io, const char *hosts, const char *ports,
                   int64_t deadline_ms, struct db_lookup_list *list, const char **reason)
    __attribute__((warn_unused_result));

#endif
