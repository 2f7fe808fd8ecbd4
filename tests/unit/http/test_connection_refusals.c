/* SPDX-License-Identifier: MIT
 *
 * connection.h: which requests are refused, with which answer, and how long such a client is read
 * on.
 */
#include "routes.h"

/* --- refusals ------------------------------------------------------------------- */

/* What a refusal must look like: status, a length, close, and a half-closed connection. */
static void check_refused(struct rig *rig, const char *input, size_t length, unsigned status)
{
    char line[40];

    rig_send_bytes(rig, input, length);
    if (rig_serve(rig) != CONN_PARK)
        fail_msg("closed at once: %.200s", input);
    rig_receive(rig);
    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    if (strncmp(rig->received, line, strlen(line)) != 0 || !rig->end ||
        strstr(rig->received, "\r\nConnection: close\r\n") == NULL ||
        strstr(rig->received, "\r\nContent-Length: ") == NULL ||
        strstr(rig->received, "\r\nDate: ") == NULL)
        fail_msg("%.200s: %s", input, rig->received);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig_deadline(rig), rig_now() + LINGER_MS);
    assert_int_equal(stats_get(&rig->stats->responses[status / 100]), 1);
    assert_int_equal(stats_get(&rig->stats->requests), 1);
}

static void refusals(void **state)
{
    static const struct {
        const char *input;
        unsigned status;
    } rows[] = {
        {"GET /hi HTTP/1.1\r\n\r\n", 400},
        {"GET /hi HTTP/1.1\nHost: a\n\n", 400},
        {"GET /hi HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400},
        {"GET /hi\r\n", 400},
        {"\x16\x03\x01", 400},
        {POST("/echo", "-1"), 400},
        {POST("/echo", "200001"), 413},
        {POST("/echo", "9223372036854775807"), 413},
        {POST("/hi", "200001"), 413},
        {POST("/hi", "9223372036854775808"), 400},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET /hi HTTP/2.0\r\n\r\n", 505},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: x\r\n\r\nhi", 417},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        again(rig);
        check_refused(rig, rows[i].input, strlen(rows[i].input), rows[i].status);
    }
}

static void a_refused_connect_says_what_is_allowed(void **state)
{
    static const char request[] = "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n";
    struct rig *rig = *state;

    check_refused(rig, request, strlen(request), 405);
    assert_non_null(strstr(rig->received, "\r\nAllow: "));
}

static void refused_after_good_ones(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI GET_HI "BAD\r\n\r\n" GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_receive(rig);
    assert_int_equal(strncmp(rig->received, HI HI "HTTP/1.1 400 ", 2 * strlen(HI) + 13), 0);
    assert_null(strstr(rig->received + 2 * strlen(HI) + 1, "200 OK"));
    assert_true(rig->end);
}

static void head_is_refused_without_a_body(void **state)
{
    static const char *const requests[] = {"HEAD /hi HTTP/1.1\r\n\r\n",
                                           "HEAD /hi HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"};
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(requests); i++) {
        const char *body;

        again(rig);
        check_refused(rig, requests[i], strlen(requests[i]), 400);
        body = strstr(rig->received, "\r\n\r\n");
        assert_non_null(body);
        assert_string_equal(body, "\r\n\r\n");
    }
}

/* A head of exactly that many bytes. */
static size_t head_of(char *text, size_t length)
{
    int pad = (int)(length - strlen("GET /hi HTTP/1.1\r\nHost: a\r\nP: \r\n\r\n"));

    return (size_t)sprintf(text, "GET /hi HTTP/1.1\r\nHost: a\r\nP: %0*d\r\n\r\n", pad, 0);
}

static void the_largest_head(void **state)
{
    struct rig *rig = *state;
    char text[2 * RIG_MAX_HEADER];

    assert_int_equal(head_of(text, RIG_MAX_HEADER), RIG_MAX_HEADER);
    rig_send(rig, text);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    for (size_t split = 1; split < RIG_MAX_HEADER; split += 63) {
        rig_send_bytes(rig, text, split);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_send(rig, text + split);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_expect(rig, HI);
    }
}

static void a_head_that_is_too_large(void **state)
{
    struct rig *rig = *state;
    char text[2 * RIG_MAX_HEADER];
    size_t length = head_of(text, RIG_MAX_HEADER + 1);

    check_refused(rig, text, length, 431);
    again(rig);
    check_refused(rig, text, RIG_MAX_HEADER + 1, 431);
    again(rig);
    rig_send_bytes(rig, text, RIG_MAX_HEADER); /* its last line may still come ... */
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "");
    assert_int_equal(rig->conn.spilled, RIG_MAX_HEADER);
    check_refused(rig, text + RIG_MAX_HEADER, 1, 431); /* ... but it is too late for that */
}

static void too_many_fields(void **state)
{
    struct rig *rig = *state;
    char text[RIG_MAX_HEADER];
    size_t length = (size_t)sprintf(text, "GET /hi HTTP/1.1\r\nHost: a\r\n");

    for (int i = 0; i < HTTP_MAX_FIELDS; i++)
        length += (size_t)sprintf(text + length, "a: b\r\n");
    length += (size_t)sprintf(text + length, "\r\n");
    check_refused(rig, text, length, 431);
}

static void a_target_that_is_too_long(void **state)
{
    struct rig *rig = *state;
    static char text[HTTP_MAX_TARGET + 100];
    size_t length;

    rig->config.max_header = 2 * HTTP_MAX_TARGET;
    free(rig->io.in);
    free(rig->spill);
    rig->io.in_size = connection_in_size(&rig->config);
    rig->io.in = malloc(rig->io.in_size);
    rig->spill = malloc(connection_spill_size(&rig->config));
    assert_true(rig->io.in != NULL && rig->spill != NULL);
    connection_init(&rig->conn, rig->conn.fd, &in6addr_any, rig->spill, &rig->config);
    length = (size_t)sprintf(text, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_MAX_TARGET, 0);
    check_refused(rig, text, length, 414);
}

/* The answer can be read by a client that goes on sending for long. */
static void a_refused_client_is_read_on(void **state)
{
    static const char request[] = POST("/echo", "100000000");
    static char junk[100000];
    struct rig *rig = *state;
    uint64_t before;

    check_refused(rig, request, strlen(request), 413);
    memset(junk, 'j', sizeof junk);
    before = stats_get(&rig->stats->bytes_in);
    for (int i = 0; i < 50; i++) {
        rig_send_bytes(rig, junk, sizeof junk);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_receive(rig);
    }
    assert_int_equal(stats_get(&rig->stats->bytes_in) - before, 50 * sizeof junk);
    assert_int_equal(stats_get(&rig->stats->requests), 1);
    assert_int_equal(rig_deadline(rig), rig_now() + LINGER_MS); /* not moved by what comes */
    close(rig->client);
    rig->client = -1;
    assert_int_equal(rig_serve(rig), CONN_CLOSE);
}

static void lingering_ends_at_its_deadline(void **state)
{
    struct rig *rig = *state;

    check_refused(rig, "BAD\r\n\r\n", 7, 400);
    rig_send(rig, "more");
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(refusals),
        PLAIN(a_refused_connect_says_what_is_allowed),
        PLAIN(refused_after_good_ones),
        PLAIN(head_is_refused_without_a_body),
        PLAIN(the_largest_head),
        PLAIN(a_head_that_is_too_large),
        PLAIN(too_many_fields),
        PLAIN(a_target_that_is_too_long),
        PLAIN(a_refused_client_is_read_on),
        PLAIN(lingering_ends_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
