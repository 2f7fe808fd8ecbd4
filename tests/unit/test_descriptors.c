/* SPDX-License-Identifier: MIT
 *
 * descriptors.h: how many connections the descriptors allow, and that there is a record for each
 * number that a descriptor may have.
 */
#include "tests/unit/child.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "descriptors.h"
#include "server.h"

static rlim_t soft(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

static void what_is_left_for_connections(void **state)
{
    static const struct {
        unsigned descriptors, tables, kept, db_connections, max_connections;
        unsigned of_process, of_server;
    } rows[] = {
        {1024, 1, 0, 0, 0, 896, 896},     /* 128 are set aside */
        {1024, 4, 0, 0, 0, 896, 3584},    /* in each table */
        {1024, 1, 100, 0, 0, 796, 796},   /* and what workers keep */
        {1024, 1, 0, 16, 0, 832, 832},    /* and four for each connection to a database */
        {1024, 4, 0, 0, 1000, 896, 1000}, /* no more than were asked for */
        {1024, 1, 0, 0, 1000, 896, 896},  /* nor than there can be */
        {256, 1, 0, 0, 0, 128, 128},      /* half, where the rest would take more than that */
        {257, 1, 0, 0, 0, 129, 129},
        {200, 1, 0, 0, 0, 100, 100},
        {1U << 20, 10000, 0, 0, 0, (1U << 20) - 128, INT32_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct config config = {.db_connections = rows[i].db_connections,
                                      .max_connections = rows[i].max_connections};
        struct server server = {.config = &config, .descriptors = rows[i].descriptors};

        descriptors_resolve(&server, rows[i].tables, rows[i].kept);
        if (server.process_connections != rows[i].of_process ||
            server.max_connections != rows[i].of_server)
            fail_msg("row %zu: %u, %u", i, server.process_connections, server.max_connections);
    }
}

static void there_is_zeroed_memory_for_each(void **state)
{
    struct server server = {.descriptors = 1000};
    size_t size;
    char *memory = descriptors_map(&server, 100, 64, MAP_PRIVATE, &size);

    (void)state;
    assert_non_null(memory);
    assert_int_equal(size, 100 + 64 * 1000);
    assert_int_equal(server.descriptors, 1000);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(memory[i], 0);
    munmap(memory, size);
}

/* More than there is of address space: the limit follows what there is room for. */
static void map_too_much(void *arg)
{
    enum { MANY = 1 << 20 };
    struct server server = {.descriptors = MANY};
    struct rlimit limit;
    size_t size;
    void *memory;

    (void)arg;
    CHILD_EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max; /* so that there is something to lower */
    CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    memory = descriptors_map(&server, 0, (size_t)1 << 31, MAP_PRIVATE, &size);
    CHILD_EXPECT(memory != NULL);
    CHILD_EXPECT(server.descriptors >= 64 && server.descriptors < MANY);
    CHILD_EXPECT(size == (size_t)server.descriptors << 31);
    CHILD_EXPECT(soft() <= server.descriptors);
}

static void the_limit_follows_the_memory(void **state)
{
    (void)state;
    in_child(map_too_much, NULL);
}

/* As if somebody had raised the limit of this process since. */
static void open_beyond(void *arg)
{
    const struct sockaddr unnamed = {.sa_family = AF_INET};
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    struct in6_addr from;
    struct pollfd arrival = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
                             .events = POLLIN};
    int client = socket(AF_INET, SOCK_STREAM, 0), lowest = fcntl(0, F_DUPFD, 0);

    (void)arg;
    close(lowest);
    CHILD_EXPECT(soft() > (rlim_t)lowest + 1);
    CHILD_EXPECT(descriptors_have((unsigned)lowest + 1, lowest));
    CHILD_EXPECT(bind(arrival.fd, &unnamed, sizeof address) == 0 && listen(arrival.fd, 1) == 0);
    CHILD_EXPECT(getsockname(arrival.fd, (struct sockaddr *)&address, &length) == 0);
    CHILD_EXPECT(connect(client, (const struct sockaddr *)&address, length) == 0);
    CHILD_EXPECT(poll(&arrival, 1, -1) == 1);
    CHILD_EXPECT(descriptors_accept(arrival.fd, (unsigned)lowest, &from) == -EMFILE);
    CHILD_EXPECT(fcntl(lowest, F_GETFD) < 0);
    CHILD_EXPECT(recv(client, &(char){0}, 1, 0) == 0); /* who came is let go */
    CHILD_EXPECT(soft() == (rlim_t)lowest);
}

static void none_is_used_without_a_record(void **state)
{
    (void)state;
    in_child(open_beyond, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_for_connections),
        cmocka_unit_test(there_is_zeroed_memory_for_each),
        cmocka_unit_test(the_limit_follows_the_memory),
        cmocka_unit_test(none_is_used_without_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
