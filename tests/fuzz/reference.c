/* SPDX-License-Identifier: MIT
 *
 * Heads and bodies: each function is a rule of a grammar, named above it, as grammar.h has them.
 */
#include "grammar.h"

#include <arpa/inet.h>
#include <string.h>

/* --- start line and fields: RFC 9112, 3 and 5 ----------------------------------------- */

/* request-target = what comes before the query, [ "?" query ] */
static bool target(struct cursor *c, struct ref_text *found)
{
    struct ref_text query;

    run(c, is_target_byte, found);
    if (literal(c, "?"))
        run(c, is_query_byte, &query);
    found->length = (size_t)(c->at - found->data);
    return found->length > 0;
}

/* request-line = method SP request-target SP HTTP-version
 * HTTP-version = "HTTP" "/" DIGIT "." DIGIT */
static bool request_line(struct cursor c, struct ref_request *request)
{
    if (!run(&c, is_tchar, &request->method) || !literal(&c, " ") ||
        !target(&c, &request->target) || !literal(&c, " ") || !literal(&c, "HTTP/"))
        return false;
    if (left(&c) != 3 || !is_digit(c.at[0]) || c.at[1] != '.' || !is_digit(c.at[2]))
        return false;
    request->major = c.at[0] - '0';
    request->minor = c.at[2] - '0';
    return true;
}

/* field-line = field-name ":" OWS field-value OWS */
static bool field_line(struct cursor c, struct ref_text *name, struct ref_text *value)
{
    struct ref_text text;

    if (!run(&c, is_tchar, name) || !literal(&c, ":"))
        return false;
    *value = strip(c);
    return left(&c) == 0 || (run(&c, is_field_byte, &text) && left(&c) == 0);
}

/* --- Host: RFC 9110, 7.2; RFC 3986, 3.2.2 ---------------------------------------------- */

/* IP-literal = "[" ( IPv6address / IPvFuture ) "]" */
static bool ip_literal(struct cursor *c)
{
    const uint8_t *close = memchr(c->at, ']', left(c));
    size_t length = close == NULL ? 0 : (size_t)(close - c->at);
    char text[INET6_ADDRSTRLEN + 1];
    struct in6_addr address;
    struct ref_text version;

    if (close == NULL || !literal(c, "["))
        return false;
    length--;
    if (length > 0 && (*c->at == 'v' || *c->at == 'V')) {
        c->at++;
        if (!run(c, is_hexdig, &version) || !literal(c, ".") || c->at == close)
            return false;
        for (; c->at < close; c->at++)
            if (!is_unreserved(*c->at) && !is_sub_delim(*c->at) && *c->at != ':')
                return false;
    } else {
        if (length >= sizeof text)
            return false;
        memcpy(text, c->at, length);
        text[length] = '\0';
        if (strlen(text) != length || inet_pton(AF_INET6, text, &address) != 1)
            return false;
    }
    c->at = close + 1;
    return true;
}

/* Host = uri-host [ ":" port ] */
static bool host(struct ref_text value)
{
    struct cursor c = {value.data, value.data + value.length};

    if (left(&c) > 0 && *c.at == '[') {
        if (!ip_literal(&c))
            return false;
    } else { /* reg-name = *( unreserved / pct-encoded / sub-delims ) */
        for (; c.at < c.end && *c.at != ':'; c.at++) {
            if (*c.at == '%') {
                if (left(&c) < 3 || !is_hexdig(c.at[1]) || !is_hexdig(c.at[2]))
                    return false;
                c.at += 2;
            } else if (!is_unreserved(*c.at) && !is_sub_delim(*c.at)) {
                return false;
            }
        }
    }
    if (left(&c) == 0)
        return true;
    if (!literal(&c, ":"))
        return false;
    while (c.at < c.end && is_digit(*c.at))
        c.at++;
    return left(&c) == 0;
}

/* --- what the fields mean together: RFC 9112, 3.2, 6 and 9.3 ---------------------------- */

static bool number(struct ref_text text, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!is_digit(text.data[i]) || *value > UINT64_MAX / 10)
            return false;
        *value = *value * 10 + (uint64_t)(text.data[i] - '0');
        if (*value > INT64_MAX)
            return false;
    }
    return text.length > 0;
}

/* True when one of the comma-separated members of the list is word, in any case. */
static bool lists(struct ref_text list, const char *word)
{
    struct cursor c = {list.data, list.data + list.length};

    for (const uint8_t *p = c.at;; p++) {
        if (p < c.end && *p != ',')
            continue;
        if (is_nocase(strip((struct cursor){c.at, p}), word))
            return true;
        if (p == c.end)
            return false;
        c.at = p + 1;
    }
}

static bool judge(struct ref_request *request)
{
    unsigned hosts = 0, lengths = 0, codings = 0;
    bool close = false, keep_alive = false;

    for (unsigned i = 0; i < request->field_count; i++) {
        struct ref_text name = request->fields[i].name, value = request->fields[i].value;

        if (is_nocase(name, "Host")) {
            hosts++;
            if (!host(value))
                return false;
        } else if (is_nocase(name, "Content-Length")) {
            lengths++;
            if (!number(value, &request->content_length))
                return false;
        } else if (is_nocase(name, "Transfer-Encoding")) {
            codings++;
            if (!is_nocase(value, "chunked")) /* no other coding is known */
                return false;
        } else if (is_nocase(name, "Connection")) {
            close = close || lists(value, "close");
            keep_alive = keep_alive || lists(value, "keep-alive");
        }
    }
    if (request->major != 1 || hosts > 1 || (hosts == 0 && request->minor > 0))
        return false;
    if (lengths + codings > 1 || (codings > 0 && request->minor == 0))
        return false;
    request->chunked = codings > 0;
    request->persists = !close && (request->minor > 0 || keep_alive);
    return true;
}

enum ref_result ref_head(struct ref_request *request, const uint8_t *data, size_t size)
{
    struct cursor c = {data, data + size}, found;

    memset(request, 0, sizeof *request);
    (void)literal(&c, "\r\n"); /* RFC 9112, 2.2: at least one empty line; here: no more than one */
    if (!line(&c, &found))
        return REF_PARTIAL;
    if (!request_line(found, request))
        return REF_WRONG;
    for (;;) {
        if (!line(&c, &found))
            return REF_PARTIAL;
        if (left(&found) == 0)
            break;
        if (request->field_count == REF_MAX_FIELDS ||
            !field_line(found, &request->fields[request->field_count].name,
                        &request->fields[request->field_count].value))
            return REF_WRONG;
        request->field_count++;
    }
    request->length = (size_t)(c.at - data);
    return judge(request) ? REF_WHOLE : REF_WRONG;
}

bool ref_is_method(const uint8_t *data, size_t size)
{
    struct cursor c = {data, data + size};
    struct ref_text method;

    (void)literal(&c, "\r\n");
    return run(&c, is_tchar, &method) && left(&c) == 0;
}

/* --- chunked bodies: RFC 9112, 7.1 -------------------------------------------------------- */

enum ref_result ref_trailers(const uint8_t *data, size_t size, size_t *used)
{
    struct cursor c = {data, data + size}, found;
    struct ref_text name, value;
    unsigned count = 0;

    *used = 0;
    while (line(&c, &found)) {
        if (left(&found) == 0) {
            *used = (size_t)(c.at - data);
            return REF_WHOLE;
        }
        if (!field_line(found, &name, &value) || ++count > REF_MAX_TRAILERS)
            return REF_WRONG;
    }
    return REF_PARTIAL;
}

/* chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ) */
static bool chunk_extensions(struct cursor c)
{
    struct ref_text text;

    while (left(&c) > 0) {
        struct cursor after;

        blanks(&c);
        if (!literal(&c, ";"))
            return false;
        blanks(&c);
        if (!run(&c, is_tchar, &text))
            return false;
        after = c;
        blanks(&after);
        if (!literal(&after, "="))
            continue;
        blanks(&after);
        if (!quoted_string(&after) && !run(&after, is_tchar, &text))
            return false;
        c = after;
    }
    return true;
}

/* chunk-size = 1*HEXDIG */
static bool chunk_size(struct cursor *c, uint64_t *value)
{
    struct ref_text digits;

    *value = 0;
    if (!run(c, is_hexdig, &digits))
        return false;
    for (size_t i = 0; i < digits.length; i++) {
        uint8_t digit = digits.data[i];

        if (*value >> 59 != 0)
            return false;
        *value =
            *value * 16 + (uint64_t)(is_digit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    return true;
}

/* chunked-body = *chunk last-chunk trailer-section CRLF
 * chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF */
enum ref_result ref_chunked(const uint8_t *data, size_t size, uint8_t *body, size_t *length,
                            size_t *used)
{
    struct cursor c = {data, data + size}, found;
    enum ref_result result;
    uint64_t chunk;

    *length = 0;
    for (;;) {
        if (!line(&c, &found))
            return REF_PARTIAL;
        if (!chunk_size(&found, &chunk) || !chunk_extensions(found))
            return REF_WRONG;
        if (chunk == 0)
            break;
        if (left(&c) < 2 || left(&c) - 2 < chunk)
            return REF_PARTIAL;
        memcpy(body + *length, c.at, (size_t)chunk);
        *length += (size_t)chunk;
        c.at += chunk;
        if (!literal(&c, "\r\n"))
            return REF_WRONG;
    }
    result = ref_trailers(c.at, left(&c), used);
    *used += (size_t)(c.at - data);
    return result;
}
