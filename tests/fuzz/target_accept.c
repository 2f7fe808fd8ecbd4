/* SPDX-License-Identifier: MIT
 *
 * Accept, an input of one field a line, and what it says of text/html: what the reference reads in
 * it where it is well formed, and a weight that there is in any case.
 */
#include "fuzz.h"
#include "http.h"
#include "reference.h"

enum { MAX_LINES = 8 };

int fuzz_accept(const uint8_t *data, size_t size)
{
    static struct http_request request;
    struct ref_text lists[MAX_LINES];
    char *copies[MAX_LINES];
    unsigned count = 0, weight, expected;
    bool named, expected_named;

    for (size_t at = 0; at < size && count < MAX_LINES; count++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - data) - at : size - at;

        copies[count] = fuzz_copy(data + at, length);
        request.fields[count].name = (struct http_slice){"Accept", 6};
        request.fields[count].value = (struct http_slice){copies[count], length};
        lists[count] = (struct ref_text){data + at, length};
        at += length + 1;
    }
    request.field_count = count;
    weight = http_accept_weight(&request, "text/html", &named);
    FUZZ_CHECK(weight <= 1000);
    if (ref_accept(lists, count, "text", "html", &expected, &expected_named)) {
        FUZZ_CHECK(weight == expected);
        FUZZ_CHECK(named == expected_named);
    }
    while (count > 0)
        free(copies[--count]);
    return 0;
}
