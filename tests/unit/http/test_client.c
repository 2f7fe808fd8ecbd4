/* SPDX-License-Identifier: MIT
 *
 * client.h: whom X-Forwarded-For makes the client, by what the trusted proxies wrote.
 */
#include "answer.h"

#include <arpa/inet.h>

#include "http/client.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define TRUSTED       "10.0.0.0/8,fd00::/8"
#define PROXY         "10.0.0.1"
#define FORWARDED_FOR "X-Forwarded-For"

static struct in6_addr address_of(const char *text)
{
    struct in6_addr address;
    char mapped[INET6_ADDRSTRLEN];

    snprintf(mapped, sizeof mapped, "%s%s", strchr(text, ':') != NULL ? "" : "::ffff:", text);
    assert_int_equal(inet_pton(AF_INET6, mapped, &address), 1);
    return address;
}

/* The client of a request from PROXY with these fields, as text. */
static void client_by(const char *const *values, size_t count, const char *peer,
                      const char *trusted, char out[HTTP_CLIENT_SIZE])
{
    struct answer *a = begin_get();

    a->rig.conn.client = address_of(peer);
    assert_int_equal(networks_parse(&a->rig.server.trusted_proxies, trusted), 0);
    for (size_t i = 0; i < count; i++)
        a->request.fields[a->request.field_count++] = (struct http_field){
            {FORWARDED_FOR, strlen(FORWARDED_FOR)}, {values[i], strlen(values[i])}};
    http_client(&a->x, out);
    rig_term(&a->rig);
}

static const struct {
    const char *value, *client;
} forwarded[] = {
    {"192.0.2.1", "192.0.2.1"},
    {"2001:db8::1", "2001:db8::1"},
    {" \t192.0.2.1\t ", "192.0.2.1"},
    /* The right-most that is not trusted: whatever its left neighbour claims to be. */
    {"198.51.100.9, 192.0.2.1", "192.0.2.1"},
    {"198.51.100.9,192.0.2.1,10.2.3.4", "192.0.2.1"},
    {"198.51.100.9, 10.9.9.9, 192.0.2.1, 10.2.3.4, fd00::7", "192.0.2.1"},
    {"10.9.9.9, 192.0.2.1", "192.0.2.1"},
    /* All are trusted: the one that the request began at. */
    {"10.2.3.4", "10.2.3.4"},
    {"fd00::9, 10.2.3.4", "fd00::9"},
    /* With a port, as some balancers write. */
    {"192.0.2.1:8080", "192.0.2.1"},
    {"192.0.2.1:0", "192.0.2.1"},
    {"[2001:db8::1]", "2001:db8::1"},
    {"[2001:db8::1]:65535", "2001:db8::1"},
    {"::ffff:192.0.2.1", "192.0.2.1"},
    {"198.51.100.9, ::ffff:10.0.0.5", "198.51.100.9"},
    /* Empty entries are none. */
    {"", PROXY},
    {",", PROXY},
    {"192.0.2.1,", "192.0.2.1"},
    {",192.0.2.1, ,", "192.0.2.1"},
    /* What is no address, and all to the left of it. */
    {"unknown", PROXY},
    {"192.0.2.1, unknown", PROXY},
    {"192.0.2.1, unknown, 10.2.3.4", "10.2.3.4"},
    {"unknown, 192.0.2.1", "192.0.2.1"},
    {"192.0.2.256", PROXY},
    {"192.0.2", PROXY},
    {"192.0.2.1 192.0.2.2", PROXY},
    {"192.0.2.1;x", PROXY},
    {"192.0.2.1:", PROXY},
    {"192.0.2.1:65536", PROXY},
    {"192.0.2.1:000080", PROXY},
    {"192.0.2.1:x", PROXY},
    {"192.0.2.1:-1", PROXY},
    {"[192.0.2.1]", PROXY},
    {"[2001:db8::1", PROXY},
    {"[2001:db8::1]80", PROXY},
    {"[2001:db8::1]:", PROXY},
    {"[]", PROXY},
    {"[]:80", PROXY},
    {"]", PROXY},
    {":80", PROXY},
    {":", PROXY},
    {"::", PROXY},
    {"fe80::1%eth0", PROXY},
    {"\"192.0.2.1\"", PROXY},
    {"_hidden", PROXY},
    {"unix", PROXY},
    {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555", PROXY},
};

static void the_right_most_that_is_not_trusted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(forwarded); i++) {
        char client[HTTP_CLIENT_SIZE];

        client_by(&forwarded[i].value, 1, PROXY, TRUSTED, client);
        if (strcmp(client, forwarded[i].client) != 0)
            fail_msg("\"%s\": %s, not %s", forwarded[i].value, client, forwarded[i].client);
    }
}

static void nobody_else_is_believed(void **state)
{
    static const char *const claim = "198.51.100.9";
    char client[HTTP_CLIENT_SIZE];

    (void)state;
    client_by(&claim, 1, "192.0.2.7", TRUSTED, client);
    assert_string_equal(client, "192.0.2.7");
    client_by(&claim, 1, PROXY, "", client);
    assert_string_equal(client, PROXY);
    client_by(&claim, 1, "::", TRUSTED, client); /* as one of a Unix socket is recorded */
    assert_string_equal(client, "unix:");
    client_by(&claim, 1, "::", "unix", client);
    assert_string_equal(client, "198.51.100.9");
}

static void several_fields_are_one_list(void **state)
{
    static const char *const values[] = {"198.51.100.9", "192.0.2.1, 10.0.0.3", "10.0.0.2"};
    static const char *const broken[] = {"198.51.100.9", "192.0.2.1, unknown", "10.0.0.2"};
    char client[HTTP_CLIENT_SIZE];

    (void)state;
    client_by(values, COUNT(values), PROXY, TRUSTED, client);
    assert_string_equal(client, "192.0.2.1");
    client_by(broken, COUNT(broken), PROXY, TRUSTED, client);
    assert_string_equal(client, "10.0.0.2");
}

static void other_fields_are_not_looked_at(void **state)
{
    const struct http_request request = {
        .field_count = 3,
        .fields = {{{"x-forwarded-for", 15}, {"192.0.2.1", 9}},
                   {{"X-Forwarded-Fo", 14}, {"192.0.2.2", 9}},
                   {{"Forwarded", 9}, {"for=192.0.2.3", 13}}},
    };
    struct in6_addr peer = address_of(PROXY), expected = address_of("192.0.2.1"), client;
    struct networks trusted;

    (void)state;
    assert_int_equal(networks_parse(&trusted, TRUSTED), 0);
    client = client_of(&request, &peer, &trusted);
    assert_memory_equal(&client, &expected, sizeof client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_most_that_is_not_trusted),
        cmocka_unit_test(nobody_else_is_believed),
        cmocka_unit_test(several_fields_are_one_list),
        cmocka_unit_test(other_fields_are_not_looked_at),
    };
    return cmocka_run_group_tests_name("http/client", tests, NULL, NULL);
}
