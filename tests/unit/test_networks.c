/* SPDX-License-Identifier: MIT
 *
 * networks.h: what is a list and what is not, and who is in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "networks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "unix" is a client of a Unix socket. */
static struct in6_addr address_of(const char *text)
{
    struct in6_addr address = {.s6_addr = {0}};
    char mapped[INET6_ADDRSTRLEN];

    if (strcmp(text, "unix") == 0)
        return address;
    snprintf(mapped, sizeof mapped, "%s%s", strchr(text, ':') != NULL ? "" : "::ffff:", text);
    assert_int_equal(inet_pton(AF_INET6, mapped, &address), 1);
    return address;
}

static const struct {
    const char *list, *in, *out; /* addresses with a space between them */
} lists[] = {
    {"", "", "127.0.0.1 ::1 unix 0.0.0.0"},
    {"127.0.0.1", "127.0.0.1", "127.0.0.2 ::1 unix"},
    {"10.0.0.0/8", "10.0.0.0 10.255.255.255", "9.255.255.255 11.0.0.0 ::a00:1 unix"},
    {"10.0.0.0/9", "10.127.255.255", "10.128.0.0"},
    {"192.168.1.128/25", "192.168.1.128 192.168.1.255", "192.168.1.127 192.168.2.128"},
    {"192.0.2.7/32", "192.0.2.7", "192.0.2.6"},
    {"192.0.2.6/31", "192.0.2.6 192.0.2.7", "192.0.2.5 192.0.2.8"},
    {"0.0.0.0/0", "0.0.0.0 255.255.255.255", "::1 2001:db8::1 unix"},
    {"128.0.0.0/1", "128.0.0.0", "127.255.255.255"},
    {"::/0", "::1 2001:db8::1 ffff::", "127.0.0.1 unix"},
    {"::1", "::1", "::2 0.0.0.1"},
    {"::1/128", "::1", "::2"},
    {"2001:db8::/32", "2001:db8:: 2001:db8:ffff::1", "2001:db9::"},
    {"2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"},
    {"::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"},
    {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"},
    {"::fffe:0:0/95", "::fffe:1:1", "127.0.0.1"},
    {"unix", "unix", "127.0.0.1"},
    {"unix,unix,10.0.0.1", "unix 10.0.0.1", "10.0.0.2"},
    {" 10.0.0.1 ,\t::1,\tunix ", "10.0.0.1 ::1 unix", "10.0.0.2 ::2"},
};

static void assert_all(const struct networks *networks, const char *list, const char *addresses,
                       bool in)
{
    char copy[200], *rest, *word;

    snprintf(copy, sizeof copy, "%s", addresses);
    for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        struct in6_addr address = address_of(word);

        if (networks_have(networks, &address) != in)
            fail_msg("\"%s\": %s is%s in it", list, word, in ? " not" : "");
    }
}

static void who_is_in_a_list(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct networks networks;

        memset(&networks, 0xa5, sizeof networks);
        if (networks_parse(&networks, lists[i].list) != 0)
            fail_msg("\"%s\" is refused", lists[i].list);
        assert_all(&networks, lists[i].list, lists[i].in, true);
        assert_all(&networks, lists[i].list, lists[i].out, false);
    }
}

static void what_is_no_list(void **state)
{
    static const char *const refused[] = {
        " ",
        ",",
        "10.0.0.1,",
        ",10.0.0.1",
        "10.0.0.1,,10.0.0.2",
        "10.0.0.1 10.0.0.2",
        "10.0.0.1;10.0.0.2",
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "10.0.0.1/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/-8",
        "10.0.0.0/+8",
        "10.0.0.0/8x",
        "10.0.0.0/ 8",
        "10.0.0.0/8/8",
        "10.0.0.0/4294967304",
        "10.0.0.0/255.0.0.0",
        "10.1.2.3/8",
        "10.0.0.1/31",
        "::1/127",
        "::/129",
        "[::1]",
        "fe80::1%lo",
        "127.0.0.1:80",
        "localhost",
        "unix:",
        "Unix",
        "*",
        "all",
        "2001:db8:0000:0000:0000:0000:0000:0001:0002",
        "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/1288888",
    };
    struct networks networks;

    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++)
        if (networks_parse(&networks, refused[i]) != -EINVAL)
            fail_msg("\"%s\" is accepted", refused[i]);
}

static void as_many_as_there_is_room_for(void **state)
{
    char list[16 * (NETWORKS_MAX + 1)] = "unix";
    struct networks networks;
    struct in6_addr last = address_of("10.0.0.63");

    (void)state;
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), ",10.0.0.%u", i);
    assert_int_equal(networks_parse(&networks, list), 0);
    assert_true(networks_have(&networks, &last));
    snprintf(list + strlen(list), sizeof list - strlen(list), ",10.1.0.0");
    assert_int_equal(networks_parse(&networks, list), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_in_a_list),
        cmocka_unit_test(what_is_no_list),
        cmocka_unit_test(as_many_as_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
