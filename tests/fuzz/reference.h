/* SPDX-License-Identifier: MIT
 *
 * A second reading of HTTP/1.1 requests, to compare the server's with.
 *
 * Written from the grammar of RFC 9112 and RFC 9110, in the order of their rules and sharing no
 * table, function or idea with src/http: it takes what has come as one text and finds each
 * production in it by looking ahead, where the server goes from byte to byte. It is
 * strict: where the RFC lets a recipient be lenient, it is not. It knows no limits.
 */
#ifndef FUZZ_REFERENCE_H
#define FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some bytes of the input. */
struct ref_text {
    const uint8_t *data;
    size_t length;
};

enum {
    REF_MAX_FIELDS = 256,
    REF_MAX_TRAILERS = 100, /* the server's bound */
};

struct ref_request {
    struct ref_text method, target;
    unsigned major, minor;
    unsigned field_count;
    struct {
        struct ref_text name, value; /* the value without the white space around it */
    } fields[REF_MAX_FIELDS];
    bool chunked;
    uint64_t content_length; /* of a body that is not chunked; 0: none */
    bool persists;           /* a further request may follow on the connection */
    size_t length;           /* bytes of the head, with the empty line at its end */
};

enum ref_result {
    REF_WHOLE,   /* read, to its end */
    REF_PARTIAL, /* more may come that makes it whole */
    REF_WRONG,   /* no such message, whatever comes */
};

/* Reads the head of a request at the beginning of data[0..size). Host, framing and
 * version are judged as an origin server must (RFC 9112, 3.2 and 6.3). */
enum ref_result ref_head(struct ref_request *request, const uint8_t *data, size_t size);

/* Whether data[0..size) can be the beginning of a head of which no more than the method is there.
 */
bool ref_is_method(const uint8_t *data, size_t size);

/* Reads a chunked body (RFC 9112, 7.1); copies its data to body, of at least size bytes. Sets
 * *length to the number of these and *used to the bytes read, trailers included. */
enum ref_result ref_chunked(const uint8_t *data, size_t size, uint8_t *body, size_t *length,
                            size_t *used);

/* Reads the query of a target as names and values (RFC 3986, 2.1 and 3.4): "a" and "bc", each once
 * at most and in any order, the value of the former a whole number up to 999. Sets *value to that,
 * or to 1000 when it is not there; returns false for any other query. */
bool ref_query(struct ref_text target, unsigned *value);

/*
 * Reads the values of all Accept fields (RFC 9110, 12.5.1) and finds the weight, in thousandths,
 * that they give type/subtype, and whether it is named itself. Returns false where one of them is
 * not as the grammar has it, or gives the same range twice.
 */
bool ref_accept(const struct ref_text *lists, unsigned count, const char *type, const char *subtype,
                unsigned *weight, bool *named);

/* Reads a trailer section, with the empty line at its end; more than REF_MAX_TRAILERS are wrong. */
enum ref_result ref_trailers(const uint8_t *data, size_t size, size_t *used);

#endif
