/* SPDX-License-Identifier: MIT
 *
 * Small readings of a request that handlers share: fields by name, slices
 * compared with text, escapes, numbers from the query.
 */
#include "http.h"

#include <string.h>
#include <strings.h>

#include "http/chars.h"

bool http_slice_is(struct http_slice slice, const char *text)
{
    return strlen(text) == slice.length && memcmp(slice.data, text, slice.length) == 0;
}

bool http_slice_is_nocase(struct http_slice slice, const char *text)
{
    return strlen(text) == slice.length && strncasecmp(slice.data, text, slice.length) == 0;
}

struct http_slice http_field(const struct http_request *request, const char *name)
{
    for (unsigned i = 0; i < request->field_count; i++)
        if (http_slice_is_nocase(request->fields[i].name, name))
            return request->fields[i].value;
    return (struct http_slice){0};
}

int http_escaped_byte(const char *p, const char *end)
{
    int high = end - p >= 3 && *p == '%' ? http_hex_value(p[1]) : -1;
    int low = high >= 0 ? http_hex_value(p[2]) : -1;

    return low >= 0 ? high * 16 + low : -1;
}

/* Takes the next byte off an escaped text; -1 at its end, or where '%' begins no escape. */
static int next_byte(struct http_slice *text)
{
    const char *p = text->data, *end = p + text->length;
    int byte = p == end ? -1 : *p == '%' ? http_escaped_byte(p, end) : (unsigned char)*p;

    if (byte >= 0) {
        text->data += *p == '%' ? 3 : 1;
        text->length -= (size_t)(text->data - p);
    }
    return byte;
}

static bool stands_for(struct http_slice text, const char *name)
{
    while (*name != '\0' && next_byte(&text) == (unsigned char)*name)
        name++;
    return *name == '\0' && text.length == 0;
}

/* Splits the next name=value pair off the query. Returns 1, 0 at the end, or -1 for no '='. */
static int next_pair(struct http_slice *query, struct http_slice *name, struct http_slice *value)
{
    const char *end, *equals;

    if (query->length == 0)
        return 0;
    end = memchr(query->data, '&', query->length);
    *name = *query;
    if (end != NULL) {
        name->length = (size_t)(end - query->data);
        query->data += name->length + 1;
        query->length -= name->length + 1;
    } else {
        query->length = 0;
    }
    equals = memchr(name->data, '=', name->length);
    if (equals == NULL)
        return -1;
    *value = (struct http_slice){equals + 1, name->length - (size_t)(equals - name->data) - 1};
    name->length = (size_t)(equals - name->data);
    return 1;
}

bool http_query_check(struct http_exchange *x, const char *const *names, size_t count, int *error)
{
    struct http_slice query = x->request->query;
    struct http_slice name, value;
    uint64_t seen = 0;
    int more;

    while ((more = next_pair(&query, &name, &value)) > 0) {
        size_t i = 0;

        while (i < count && !stands_for(name, names[i]))
            i++;
        if (i == count) {
            *error = http_error(x, 400, "unknown query parameter \"%.*s\"",
                                (int)(name.length < 80 ? name.length : 80), name.data);
            return false;
        }
        if (seen & (uint64_t)1 << i) {
            *error = http_error(x, 400, "query parameter \"%s\" given twice", names[i]);
            return false;
        }
        seen |= (uint64_t)1 << i;
    }
    if (more < 0)
        *error = http_error(x, 400, "query parameter \"%.*s\" has no value",
                            (int)(name.length < 80 ? name.length : 80), name.data);
    return more == 0;
}

static bool parse_number(struct http_slice text, uint64_t maximum, uint64_t *value)
{
    if (text.length == 0)
        return false;
    for (*value = 0; text.length > 0;) {
        int byte = next_byte(&text);
        uint64_t digit = (uint64_t)(byte - '0');

        if (byte < '0' || byte > '9' || *value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
        if (*value > maximum)
            return false;
    }
    return true;
}

bool http_query_number(struct http_exchange *x, const char *name, uint64_t minimum,
                       uint64_t maximum, uint64_t fallback, uint64_t *value, int *error)
{
    struct http_slice query = x->request->query;
    struct http_slice key, text;

    while (next_pair(&query, &key, &text) > 0) {
        if (!stands_for(key, name))
            continue;
        if (parse_number(text, maximum, value) && *value >= minimum)
            return true;
        *error = http_error(x, 400, "%s=%.*s: expected a whole number from %llu to %llu", name,
                            (int)(text.length < 40 ? text.length : 40), text.data,
                            (unsigned long long)minimum, (unsigned long long)maximum);
        return false;
    }
    *value = fallback;
    return true;
}
