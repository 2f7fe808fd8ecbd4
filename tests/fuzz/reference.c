/* SPDX-License-Identifier: MIT
 *
 * Each function is a rule of a grammar, named above it; a rule that is found in the text moves
 * the cursor behind itself and says true, else the cursor stays where it was.
 */
#include "reference.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct cursor {
    const uint8_t *at, *end;
};

static size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* --- characters: RFC 5234, appendix B.1; RFC 9110, 5.5 and 5.6.2; RFC 3986, 2 --------- */

static bool is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_hexdig(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(uint8_t c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* tchar */
static bool is_tchar(uint8_t c)
{
    return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

/* field-vchar = VCHAR / obs-text, and the SP and HTAB that may stand between two of them */
static bool is_field_byte(uint8_t c)
{
    return c == ' ' || c == '\t' || (c >= 0x21 && c <= 0x7e) || c >= 0x80;
}

static bool is_unreserved(uint8_t c)
{
    return is_alpha(c) || is_digit(c) || is_one_of(c, "-._~");
}

static bool is_sub_delim(uint8_t c)
{
    return is_one_of(c, "!$&'()*+,;=");
}

/* What a URI without a fragment is made of before its query. A '%' need not begin an escape here:
 * that is judged where a path is decoded, and says nothing about framing. */
static bool is_target_byte(uint8_t c)
{
    return is_unreserved(c) || is_sub_delim(c) || is_one_of(c, ":/[]@%");
}

/* And in it: what the WHATWG's query percent-encode set leaves as it is, '\\' and '^' excepted. */
static bool is_query_byte(uint8_t c)
{
    return c > ' ' && c <= '~' && !is_one_of(c, "\"#<>\\^");
}

/* --- small rules ---------------------------------------------------------------- */

static bool literal(struct cursor *c, const char *text)
{
    size_t length = strlen(text);

    if (left(c) < length || memcmp(c->at, text, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* 1*rule of one class of characters */
static bool run(struct cursor *c, bool (*is)(uint8_t), struct ref_text *found)
{
    found->data = c->at;
    while (c->at < c->end && is(*c->at))
        c->at++;
    found->length = (size_t)(c->at - found->data);
    return found->length > 0;
}

/* OWS, BWS = *( SP / HTAB ) */
static void blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

/* The text up to the next CR LF, which is passed too. Whatever else ends a line elsewhere is part
 * of the text here, for the rule that reads it to refuse. */
static bool line(struct cursor *c, struct cursor *found)
{
    for (const uint8_t *p = c->at; p + 1 < c->end; p++) {
        if (p[0] == '\r' && p[1] == '\n') {
            *found = (struct cursor){c->at, p};
            c->at = p + 2;
            return true;
        }
    }
    return false;
}

static bool is_nocase(struct ref_text text, const char *word)
{
    return text.length == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.length) == 0;
}

/* Takes the white space off both ends. */
static struct ref_text strip(struct cursor c)
{
    while (c.at < c.end && (*c.at == ' ' || *c.at == '\t'))
        c.at++;
    while (c.at < c.end && (c.end[-1] == ' ' || c.end[-1] == '\t'))
        c.end--;
    return (struct ref_text){c.at, left(&c)};
}

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

/* --- queries: RFC 3986, 2.1 and 3.4 ------------------------------------------------------ */

/* The text up to the next separator, or to the end; passes both. */
static struct ref_text part(struct cursor *c, uint8_t separator)
{
    const uint8_t *stop = left(c) > 0 ? memchr(c->at, separator, left(c)) : NULL;
    struct ref_text found = {c->at, stop != NULL ? (size_t)(stop - c->at) : left(c)};

    c->at = stop != NULL ? stop + 1 : c->end;
    return found;
}

enum { TEXT_SIZE = 8192 }; /* more than a target may have */

/* Undoes the escapes of a text; false where one is malformed or stands for NUL. */
static bool unescape(struct ref_text text, char out[TEXT_SIZE])
{
    struct cursor c = {text.data, text.data + text.length};
    size_t length = 0;

    while (left(&c) > 0) {
        char digits[3] = "";
        uint8_t byte = *c.at++;

        if (byte == '%') {
            if (left(&c) < 2 || !is_hexdig(c.at[0]) || !is_hexdig(c.at[1]))
                return false;
            memcpy(digits, c.at, 2);
            byte = (uint8_t)strtoul(digits, NULL, 16);
            c.at += 2;
        }
        if (byte == '\0' || length == TEXT_SIZE - 1)
            return false;
        out[length++] = (char)byte;
    }
    out[length] = '\0';
    return true;
}

bool ref_query(struct ref_text target, unsigned *value)
{
    struct cursor c = {target.data, target.data + target.length};
    bool had_a = false, had_bc = false;
    char name[TEXT_SIZE], number[TEXT_SIZE];

    *value = 1000;
    (void)part(&c, '?');
    while (left(&c) > 0) {
        struct ref_text pair = part(&c, '&');
        struct cursor in_pair = {pair.data, pair.data + pair.length};
        struct ref_text text;

        if (pair.length == 0 || memchr(pair.data, '=', pair.length) == NULL ||
            !unescape(part(&in_pair, '='), name))
            return false;
        text = (struct ref_text){in_pair.at, left(&in_pair)};
        if (strcmp(name, "bc") == 0 && !had_bc) {
            had_bc = true;
        } else if (strcmp(name, "a") == 0 && !had_a) {
            had_a = true;
            if (!unescape(text, number) || strspn(number, "0123456789") != strlen(number) ||
                number[0] == '\0' || strtoul(number, NULL, 10) > 999)
                return false;
            *value = (unsigned)strtoul(number, NULL, 10);
        } else {
            return false;
        }
    }
    return true;
}

/* --- Accept: RFC 9110, 12.4.2, 12.5.1 and 5.6.6 ------------------------------------------- */

static bool quoted_string(struct cursor *c);

/* weight = OWS ";" OWS "q=" qvalue; qvalue = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3"0" ] */
static bool qvalue(struct ref_text text, unsigned *weight)
{
    static const char zeros[] = "000";
    char digits[4] = "000";

    if (text.length == 0 || text.length > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.length > 1 && text.data[1] != '.'))
        return false;
    if (text.length > 2)
        memcpy(digits, text.data + 2, text.length - 2);
    if (strspn(digits, "0123456789") != 3)
        return false;
    *weight = text.data[0] == '1' ? 1000 : (unsigned)strtoul(digits, NULL, 10);
    return text.data[0] == '0' || strcmp(digits, zeros) == 0;
}

/* media-range *( OWS ";" OWS [ parameter ] ); parameter = token "=" ( token / quoted-string ) */
static bool media_range(struct cursor *c, struct ref_text *type, struct ref_text *subtype,
                        unsigned *weight)
{
    *weight = 1000;
    if (!run(c, is_tchar, type) || !literal(c, "/") || !run(c, is_tchar, subtype))
        return false;
    for (;;) {
        struct cursor after = *c;
        struct ref_text name, value;

        blanks(&after);
        if (!literal(&after, ";"))
            return true;
        blanks(&after);
        *c = after;
        if (!run(&after, is_tchar, &name))
            continue;
        if (!literal(&after, "="))
            return false;
        value.data = after.at;
        if (!quoted_string(&after) && !run(&after, is_tchar, &value))
            return false;
        value.length = (size_t)(after.at - value.data);
        if (is_nocase(name, "q") && !qvalue(value, weight))
            return false;
        *c = after;
    }
}

bool ref_accept(const struct ref_text *lists, unsigned count, const char *type, const char *subtype,
                unsigned *weight, bool *named)
{
    bool seen[3] = {false}; /* the range of all, of the type, of the subtype */
    unsigned weights[3] = {0};

    for (unsigned i = 0; i < count; i++) {
        struct cursor c = {lists[i].data, lists[i].data + lists[i].length};

        for (;;) {
            struct ref_text found_type, found_subtype;
            unsigned found, rank;

            blanks(&c);
            if (left(&c) == 0)
                break;
            if (literal(&c, ","))
                continue;
            if (!media_range(&c, &found_type, &found_subtype, &found))
                return false;
            blanks(&c);
            if (left(&c) > 0 && *c.at != ',')
                return false;
            if (is_nocase(found_type, "*") && is_nocase(found_subtype, "*"))
                rank = 0;
            else if (is_nocase(found_type, type) && is_nocase(found_subtype, "*"))
                rank = 1;
            else if (is_nocase(found_type, type) && is_nocase(found_subtype, subtype))
                rank = 2;
            else
                continue;
            if (seen[rank])
                return false;
            seen[rank] = true;
            weights[rank] = found;
        }
    }
    *named = seen[2];
    *weight = count == 0 ? 1000 : seen[2] ? weights[2] : seen[1] ? weights[1] : weights[0];
    return true;
}

/* --- chunked bodies: RFC 9112, 7.1 -------------------------------------------------------- */

enum ref_result ref_trailers(const uint8_t *data, size_t size, size_t *used)
{
    struct cursor c = {data, data + size}, found;
    struct ref_text name, value;

    *used = 0;
    while (line(&c, &found)) {
        if (left(&found) == 0) {
            *used = (size_t)(c.at - data);
            return REF_WHOLE;
        }
        if (!field_line(found, &name, &value))
            return REF_WRONG;
    }
    return REF_PARTIAL;
}

/* quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE */
static bool quoted_string(struct cursor *c)
{
    if (!literal(c, "\""))
        return false;
    for (; c->at < c->end && *c->at != '"'; c->at++) {
        if (*c->at == '\\' && ++c->at == c->end)
            return false;
        if (!is_field_byte(*c->at))
            return false;
    }
    return literal(c, "\"");
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
