/* SPDX-License-Identifier: MIT
 *
 * How many descriptors there are, what they are left for, and memory for each.
 *
 * A connection's record is found by the number of its descriptor, so no number may be beyond the
 * records: the limit is the number of records, and each new descriptor is held against them, since
 * a limit may be raised from outside (prlimit(1)).
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

struct in6_addr;
struct server;
struct worker_stats;

/* For each connection to a database: its file, log and index (SQLite), and one to the cache. */
enum { DESCRIPTORS_FOR_DB = 4 };

/*
 * Maps zeroed memory of `fixed` bytes and `each` for every number below server->descriptors, which
 * costs nothing until it is touched; *size: bytes, for munmap(). sharing: MAP_SHARED or
 * MAP_PRIVATE. Where there is no address space for so many, server->descriptors and the limit are
 * lowered until there is, in the calling process and those that it will make, and that is logged:
 * to be called before descriptors_resolve(). NULL with errno.
 */
void *descriptors_map(struct server *server, size_t fixed, size_t each, int sharing, size_t *size);

/* True when fd, just opened, is below the number of records there are. Not so if somebody has
 * raised the limit of this process since; then it is lowered again. */
bool descriptors_have(unsigned records, int fd);

/* As listen_accept(), for whom has so many records; -EMFILE, and the client is let go, when
 * descriptors_have() it not. */
int descriptors_accept(int listen_fd, unsigned records, struct in6_addr *client)
    __attribute__((warn_unused_result));

/* The same of a connection that has its place among --max-connections, whatever other workers
 * accept meanwhile, and is counted; -EDQUOT when there is no place. */
int descriptors_admit(const struct server *server, struct worker_stats *stats,
                      struct in6_addr *client) __attribute__((warn_unused_result));

/*
 * Sets process_connections and max_connections, for a model whose workers have `tables` descriptor
 * tables between them; kept: descriptors that the workers of one table may have open beside
 * connections. Before any of them is made, or in each for itself. Makes room in this table, see
 * descriptor_table_grow().
 */
void descriptors_resolve(struct server *server, unsigned tables, unsigned kept);

#endif
