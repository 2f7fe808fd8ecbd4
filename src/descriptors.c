/* SPDX-License-Identifier: MIT
 *
 * What follows from the limit on descriptors.
 */
#include "descriptors.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "server.h"
#include "system/descriptor_limit.h"
#include "system/listen.h"

enum {
    /* Beside connections and what workers keep: the log, the root, loops' own and the files they
     * are sending, bells; and the same of a generation that starts beside. */
    RESERVE = 128,
    LEAST = 64, /* with less memory than for so many there is no server */
};

static void *map_for(unsigned descriptors, size_t fixed, size_t each, int sharing, size_t *size)
{
    void *memory;

    *size = fixed + descriptors * each;
    memory =
        mmap(NULL, *size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void *descriptors_map(struct server *server, size_t fixed, size_t each, int sharing, size_t *size)
{
    unsigned most = server->descriptors, fit = most;
    void *memory = map_for(fit, fixed, each, sharing, size);

    while (memory == NULL && errno == ENOMEM && fit >= 2 * LEAST) {
        fit /= 2;
        memory = map_for(fit, fixed, each, sharing, size);
    }
    if (memory == NULL || fit == most)
        return memory;
    if (fit >= 2 * LEAST) { /* half of what fits: all else needs room as well */
        munmap(memory, *size);
        fit /= 2;
        memory = map_for(fit, fixed, each, sharing, size);
    }
    if (memory == NULL || descriptor_limit_lower(fit) < 0)
        return NULL;
    server->descriptors = fit;
    log_line(LOG_WARN,
             "there is address space (ulimit -v, vm.overcommit_memory) for the connections of %u "
             "descriptors, not of %u: no more are used",
             fit, most);
    return memory;
}

bool descriptors_have(unsigned records, int fd)
{
    if ((unsigned)fd < records)
        return true;
    /* prlimit(1) has raised the limit of this process. */
    if (descriptor_limit_lower(records) == 0)
        log_line(LOG_WARN, "RLIMIT_NOFILE was raised while the server runs: it is put back to %u",
                 records);
    return false;
}

int descriptors_accept(int listen_fd, unsigned records, struct in6_addr *client)
{
    int fd = listen_accept(listen_fd, client);

    if (fd < 0 || descriptors_have(records, fd))
        return fd;
    close(fd);
    return -EMFILE;
}

int descriptors_admit(const struct server *server, struct worker_stats *stats,
                      struct in6_addr *client)
{
    int fd;

    if (!shared_connection_reserve(server->shared, stats, server->max_connections))
        return -EDQUOT;
    fd = descriptors_accept(server->listen_fd, server->descriptors, client);
    if (fd < 0)
        shared_connection_unreserve(server->shared, stats);
    return fd;
}

void descriptors_resolve(struct server *server, unsigned tables, unsigned kept)
{
    uint64_t reserve = (uint64_t)RESERVE + kept + server->more_listeners +
                       (uint64_t)DESCRIPTORS_FOR_DB * server->config->db_connections;
    uint64_t most;

    server->process_connections = server->descriptors > 2 * reserve
                                      ? server->descriptors - (unsigned)reserve
                                      : server->descriptors / 2;
    most = (uint64_t)server->process_connections * tables;
    if (server->config->max_connections > 0 && server->config->max_connections < most)
        most = server->config->max_connections;
    server->max_connections = most < INT32_MAX ? (unsigned)most : INT32_MAX;
    most = server->max_connections + reserve;
    descriptor_table_grow(most < server->descriptors ? (unsigned)most : server->descriptors);
}
