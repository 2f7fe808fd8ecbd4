/* SPDX-License-Identifier: MIT
 *
 * A head parsed as the tests of request.h need it. Every head is passed by the guard first, as
 * request.h's contract wants, and ends at a page that cannot be read; every one is parsed twice
 * into memory of different contents, which must make no difference.
 */
#ifndef PARSED_H
#define PARSED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "edge.h"
#include "http/guard.h"
#include "http/request.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One head, parsed; its slices point to the edge. */
struct parsed {
    struct http_request request;
    struct request_error error;
    const char *head;
    size_t length;
};

static inline bool same_slice(struct http_slice a, struct http_slice b)
{
    return a.data == b.data && a.length == b.length;
}

static inline bool same_request(const struct http_request *a, const struct http_request *b)
{
    return a->method == b->method && same_slice(a->method_name, b->method_name) &&
           same_slice(a->target, b->target) && same_slice(a->path, b->path) &&
           same_slice(a->query, b->query) && same_slice(a->authority, b->authority) &&
           a->version_minor == b->version_minor &&
           memcmp(&a->keep_alive, &b->keep_alive, sizeof a->keep_alive) == 0 &&
           memcmp(&a->expects_continue, &b->expects_continue, sizeof a->expects_continue) == 0 &&
           memcmp(&a->chunked, &b->chunked, sizeof a->chunked) == 0 &&
           memcmp(&a->has_body, &b->has_body, sizeof a->has_body) == 0 &&
           a->content_length == b->content_length && a->field_count == b->field_count;
}

static inline struct parsed *parse_bytes(void **state, const char *head, size_t length)
{
    static struct parsed parsed;
    static struct http_request other;
    struct guard guard;
    size_t used;

    parsed.head = edge_place(*state, head, length);
    parsed.length = length;
    guard_init_head(&guard);
    if (guard_feed(&guard, parsed.head, length, &used) != GUARD_DONE || used != length)
        fail_msg("not a head that the guard passes: %s", head);
    memset(&other, 0x01, sizeof other);
    (void)request_parse(&other, parsed.head, length);
    memset(&parsed.request, 0x00, sizeof parsed.request);
    parsed.error = request_parse(&parsed.request, parsed.head, length);
    if (!same_request(&parsed.request, &other))
        fail_msg("what was in memory before shows through: %s", head);
    assert_true(parsed.error.status == 0 || parsed.error.reason != NULL);
    return &parsed;
}

static inline struct parsed *parse(void **state, const char *head)
{
    return parse_bytes(state, head, strlen(head));
}

/* A GET of "/" with these field lines (each with its CRLF) behind Host. */
static inline struct parsed *parse_with(void **state, const char *lines)
{
    char head[5000];

    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    return parse(state, head);
}

static inline void assert_slice(const struct parsed *parsed, struct http_slice slice,
                                const char *expected)
{
    if (slice.length != strlen(expected) || memcmp(slice.data, expected, slice.length) != 0)
        fail_msg("\"%.*s\" instead of \"%s\" in %.*s", (int)slice.length, slice.data, expected,
                 (int)parsed->length, parsed->head);
}

static inline void assert_status(const struct parsed *parsed, unsigned status, bool close)
{
    if (parsed->error.status != status || (status != 0 && close && !parsed->error.close))
        fail_msg("%u%s instead of %u%s: %.*s", parsed->error.status,
                 parsed->error.close ? " and close" : "", status, close ? " and close" : "",
                 (int)parsed->length, parsed->head);
}

/* The fixture of a whole test program: *state is its one edge. */
static inline int parsed_setup(void **state)
{
    request_init();
    return edge_setup(state);
}

#endif
