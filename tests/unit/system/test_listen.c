/* SPDX-License-Identifier: MIT
 *
 * listen.h: what an address may look like, what is bound and how it is named, who is refused, and
 * who is accepted. Unix sockets' files are in test_listen_unix.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/listen.h"

static char name[LISTEN_NAME_SIZE], error[300];

static int open_here(const char *text, bool local_only)
{
    const struct listen_options options = {.local_only = local_only};

    name[0] = error[0] = '\0';
    return listen_open(text, &options, name, sizeof name, error, sizeof error);
}

/* Connects to 127.0.0.1 and the port that name ends with; -errno. */
static int client(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address.sin_port = htons((uint16_t)atoi(strrchr(name, ':') + 1));
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -errno;
}

static void forms(void **state)
{
    static const char *const good[] = {"127.0.0.1:80", "[::1]:0", "localhost:65535", "unix:/a"};
    static const char *const bad[] = {"",    "80",     ":80",       "a:",    "a:65536", "a:8x",
                                      "a b", "[::1]8", "::1:80:90", "unix:", "[]:80",   "a:-1"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(listen_check(good[i]), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (listen_check(bad[i]) != -EINVAL)
            fail_msg("\"%s\" is accepted", bad[i]);
    assert_int_equal(open_here("a:8x", false), -EINVAL);
    assert_string_equal(error, "--listen=a:8x: expected ADDR:PORT, [ADDR]:PORT or unix:/path");
}

static void a_port_is_picked_and_named(void **state)
{
    int fd = open_here("127.0.0.1:0", false);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(strncmp(name, "127.0.0.1:", 10), 0);
    assert_true(atoi(name + 10) > 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void a_port_that_is_taken_is_told(void **state)
{
    char first[LISTEN_NAME_SIZE];
    int fd = open_here("127.0.0.1:0", false);

    (void)state;
    memcpy(first, name, sizeof first);
    assert_int_equal(open_here(first, false), -EADDRINUSE);
    assert_non_null(strstr(error, first));
    assert_int_equal(listen_probe(first, false, error, sizeof error), 0); /* it may be ours */
    close(fd);
}

static unsigned in_a_row(int first)
{
    unsigned count = 0;

    while (fcntl(first + (int)count, F_GETFD) == FD_CLOEXEC &&
           (fcntl(first + (int)count, F_GETFL) & O_NONBLOCK))
        count++;
    return count;
}

/* Each connection waits at one of them; who else wants the port still does not get it. */
static void several_are_bound_to_one_port(void **state)
{
    int fd = open_here("127.0.0.1:0", false), first = listen_multiply(fd, 3);
    char mine[LISTEN_NAME_SIZE];
    unsigned waiting = 0;
    int clients[32];

    (void)state;
    memcpy(mine, name, sizeof mine);
    assert_true(first >= 0);
    assert_int_equal(in_a_row(first), 3);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++)
        clients[i] = client();
    for (int k = 0; k < 3; k++) {
        unsigned here = listen_backlog(first + k);

        assert_true(here < 32);
        waiting += here;
    }
    assert_int_equal(waiting, 32);
    assert_int_equal(open_here(mine, false), -EADDRINUSE);
    memcpy(name, mine, sizeof name);
    for (int k = 0; k < 3; k++)
        assert_int_equal(listen_turn_away(first + k), 0);
    assert_int_equal(client(), -ECONNREFUSED);
    for (int k = 0; k < 3; k++)
        close(first + k);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++)
        close(clients[i]);
}

static void without_descriptors_for_all_there_is_none(void **state)
{
    int fd = open_here("127.0.0.1:0", false), first = listen_multiply(fd, 1);
    struct rlimit limit, few;

    (void)state;
    assert_int_equal(in_a_row(first), 1);
    getrlimit(RLIMIT_NOFILE, &limit);
    few = (struct rlimit){.rlim_cur = (rlim_t)first + 2, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    assert_int_equal(listen_multiply(first, 3), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_int_equal(in_a_row(first) + in_a_row(first + 1), 0);
}

static void other_machines_are_not_served_unless_allowed(void **state)
{
    static const char *const remote[] = {"0.0.0.0:0", "[::]:0"};
    int fd;

    (void)state;
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++) {
        assert_int_equal(open_here(remote[i], true), -EACCES);
        assert_non_null(strstr(error, "as root: other machines can reach it"));
        assert_int_equal(listen_probe(remote[i], true, error, sizeof error), -EACCES);
    }
    fd = open_here("127.1.2.3:0", true);
    assert_true(fd >= 0);
    close(fd);
    fd = open_here("0.0.0.0:0", false);
    assert_true(fd >= 0);
    assert_int_equal(listen_inherit(fd, &(struct listen_options){.local_only = true}, name,
                                    sizeof name, error, sizeof error),
                     -EACCES);
    close(fd);
}

static void an_inherited_one_is_named_and_made_fit(void **state)
{
    char first[LISTEN_NAME_SIZE];
    int fd = open_here("127.0.0.1:0", false);

    (void)state;
    memcpy(first, name, sizeof first);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
    assert_int_equal(listen_inherit(fd, NULL, name, sizeof name, error, sizeof error), 0);
    assert_string_equal(name, first);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void what_cannot_be_served_is_told(void **state)
{
    int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int packets = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const struct sockaddr unnamed = {.sa_family = AF_UNIX}; /* the kernel finds a name */
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(listen_inherit(stream, NULL, name, sizeof name, error, sizeof error), -EINVAL);
    assert_non_null(strstr(error, "not a stream socket that listens"));
    assert_int_equal(listen_inherit(datagram, NULL, name, sizeof name, error, sizeof error),
                     -EINVAL);
    assert_int_equal(listen_inherit(file, NULL, name, sizeof name, error, sizeof error), -ENOTSOCK);
    close(file);
    assert_int_equal(listen_inherit(file, NULL, name, sizeof name, error, sizeof error), -EBADF);
    assert_int_equal(bind(packets, &unnamed, sizeof unnamed.sa_family), 0);
    assert_int_equal(listen(packets, 1), 0);
    assert_int_equal(listen_inherit(packets, NULL, name, sizeof name, error, sizeof error),
                     -EINVAL);
    close(packets);
    close(datagram);
    close(stream);
}

static void who_waits_is_counted_and_accepted(void **state)
{
    static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
    struct pollfd arrival = {.events = POLLIN};
    struct in6_addr from;
    int fd = open_here("127.0.0.1:0", false), first, second, accepted;

    (void)state;
    assert_int_equal(listen_backlog(fd), 0);
    assert_int_equal(listen_accept(fd, &from), -EAGAIN);
    first = client();
    second = client();
    assert_true(first >= 0 && second >= 0);
    arrival.fd = fd;
    assert_int_equal(poll(&arrival, 1, -1), 1);
    while (listen_backlog(fd) < 2)
        ;
    assert_int_equal(listen_backlog(fd), 2);
    accepted = listen_accept(fd, &from);
    assert_true(accepted >= 0);
    assert_memory_equal(&from, mapped, sizeof mapped);
    assert_true(fcntl(accepted, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(accepted, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(listen_backlog(fd), 1);
    close(accepted);
    close(first);
    close(second);
    close(fd);
}

static void who_comes_later_is_turned_away(void **state)
{
    struct in6_addr from;
    int fd = open_here("127.0.0.1:0", false), before = client(), accepted, result;

    (void)state;
    assert_true(before >= 0);
    while (listen_backlog(fd) < 1)
        ;
    result = listen_turn_away(fd);
    if (result == -EPERM)
        skip();
    assert_int_equal(result, 0);
    assert_int_equal(client(), -ECONNREFUSED);
    accepted = listen_accept(fd, &from);
    assert_true(accepted >= 0);
    close(accepted);
    close(before);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(a_port_is_picked_and_named),
        cmocka_unit_test(a_port_that_is_taken_is_told),
        cmocka_unit_test(several_are_bound_to_one_port),
        cmocka_unit_test(without_descriptors_for_all_there_is_none),
        cmocka_unit_test(other_machines_are_not_served_unless_allowed),
        cmocka_unit_test(an_inherited_one_is_named_and_made_fit),
        cmocka_unit_test(what_cannot_be_served_is_told),
        cmocka_unit_test(who_waits_is_counted_and_accepted),
        cmocka_unit_test(who_comes_later_is_turned_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
