/* SPDX-License-Identifier: MIT
 *
 * The guard has passed the head, so splitting it into fields takes no more than
 * finding colons and line ends. http-parser is given the parts that mean something
 * to it: the method, the target's form and, if there are any, the fields that
 * decide framing with the version before them. These fields this file reads for itself as well,
 * and where the two readings of the framing differ the request is refused. (Feeding the parser
 * all of a head would cost more instructions than the rest of the server together.)
 */
#include "http/request.h"

#include <arpa/inet.h>
#include <http_parser.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "http/chars.h"

/* What the fields said that need judging. */
struct reading {
    struct http_request *request;
    unsigned hosts;
    unsigned lengths;   /* Content-Length fields */
    unsigned codings;   /* transfer codings listed, in all fields */
    unsigned encodings; /* Transfer-Encoding fields */
    bool chunked_last;  /* the last coding listed is "chunked" */
    unsigned chunked_count;
    bool unknown_coding;
    bool bad_coding; /* an empty element */
    bool bad_length;
    bool bad_host;
    bool bad_expect;
    bool wants_close;
    bool wants_keep_alive;
    const char *version; /* what follows the target: VERSION_LENGTH bytes */
    http_parser parser;  /* last: the rest is zeroed at the start */
};

static const struct request_error OK = {0};

/* What follows the target, but for its digit. */
static const char VERSION[] = " HTTP/1.?\r\n";
enum { VERSION_LENGTH = sizeof VERSION - 1, VERSION_DIGIT = 8 };

static struct request_error refuse(unsigned status, const char *reason)
{
    return (struct request_error){.status = status, .reason = reason, .close = true};
}

/* A request whose framing is known: the connection can stay. */
static struct request_error not_served(unsigned status, const char *reason)
{
    return (struct request_error){.status = status, .reason = reason};
}

/* Splits the next element off a comma-separated list; false at its end. */
static bool next_element(struct http_slice *list, struct http_slice *element)
{
    const char *comma;

    if (list->data == NULL)
        return false;
    comma = memchr(list->data, ',', list->length);
    if (comma == NULL) {
        *element = http_trim(*list);
        list->data = NULL;
    } else {
        *element = http_trim((struct http_slice){list->data, (size_t)(comma - list->data)});
        list->length -= (size_t)(comma + 1 - list->data);
        list->data = comma + 1;
    }
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ), of RFC 3986, 3.2.2. */
static bool ip_future_valid(const char *data, size_t length)
{
    size_t at = 1;

    while (at < length && http_char_is(data[at], CHAR_HEX))
        at++;
    if (at == 1 || length - at < 2 || data[at] != '.')
        return false;
    while (++at < length)
        if (!http_char_is(data[at], CHAR_HOST) && data[at] != ':')
            return false;
    return true;
}

/* The inside of an IP literal's brackets: an IPv6 address, or one of a version to come. */
static bool ip_literal_valid(const char *data, size_t length)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (length > 0 && (data[0] | 0x20) == 'v')
        return ip_future_valid(data, length);
    if (length >= sizeof text)
        return false;
    memcpy(text, data, length);
    text[length] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* The end of an IP literal, p at its "[". NULL: it is none. */
__attribute__((noinline)) static const char *ip_literal_end(const char *p, const char *end)
{
    const char *stop = memchr(p, ']', (size_t)(end - p));

    return stop != NULL && ip_literal_valid(p + 1, (size_t)(stop - p) - 1) ? stop + 1 : NULL;
}

/* uri-host [ ":" port ] of RFC 9110, 7.2, the host not empty. */
static bool authority_valid(struct http_slice s)
{
    const char *p = s.data, *end = s.data + s.length;

    if (p < end && *p == '[')
        p = ip_literal_end(p, end);
    else
        while ((p = http_chars_skip(p, end, CHAR_HOST)) < end && *p == '%') {
            if (end - p < 3 || !http_char_is(p[1], CHAR_HEX) || !http_char_is(p[2], CHAR_HEX))
                return false;
            p += 3;
        }
    if (p == NULL || p == s.data)
        return false;
    if (p == end)
        return true;
    if (*p++ != ':' || end - p > 5)
        return false;
    for (; p < end; p++)
        if (!is_digit(*p))
            return false;
    return true;
}

static void read_host(struct reading *r, struct http_slice value)
{
    r->hosts++;
    r->bad_host |= !authority_valid(value);
    r->request->authority = value;
}

static void read_content_length(struct reading *r, struct http_slice value)
{
    uint64_t total = 0;

    r->lengths++;
    r->bad_length |= value.length == 0;
    for (size_t i = 0; i < value.length && !r->bad_length; i++) {
        unsigned digit = (unsigned)(value.data[i] - '0');

        if (!is_digit(value.data[i]) || total > ((uint64_t)INT64_MAX - digit) / 10)
            r->bad_length = true;
        else
            total = total * 10 + digit;
    }
    r->request->content_length = total;
}

static void read_transfer_encoding(struct reading *r, struct http_slice list)
{
    struct http_slice coding;

    r->encodings++;
    while (next_element(&list, &coding)) {
        r->codings++;
        r->bad_coding |= coding.length == 0;
        r->chunked_last = http_slice_is_nocase(coding, "chunked");
        if (r->chunked_last)
            r->chunked_count++;
        else
            r->unknown_coding = true;
    }
}

static void read_connection(struct reading *r, struct http_slice list)
{
    struct http_slice option;

    while (next_element(&list, &option)) {
        r->wants_close |= http_slice_is_nocase(option, "close");
        r->wants_keep_alive |= http_slice_is_nocase(option, "keep-alive");
    }
}

static void read_expect(struct reading *r, struct http_slice list)
{
    struct http_slice expectation;

    r->bad_expect |= list.length == 0;
    while (next_element(&list, &expectation)) {
        if (http_slice_is_nocase(expectation, "100-continue"))
            r->request->expects_continue = true;
        else if (expectation.length > 0) /* empty ones are passed over: RFC 9110, 5.6.1 */
            r->bad_expect = true;
    }
}

/* name is a token as long as text, and text in lower case, so setting one bit compares letters in
 * any case. */
static bool name_is(struct http_slice name, const char *text)
{
    for (size_t i = 0; i < name.length; i++)
        if ((name.data[i] | 0x20) != text[i])
            return false;
    return true;
}

/* The same for the four bytes of the one field that every request has. */
static bool name_is_host(struct http_slice name)
{
    uint32_t letters, host;

    memcpy(&letters, name.data, sizeof letters);
    memcpy(&host, "host", sizeof host);
    return (letters | 0x20202020) == host;
}

/* Reads the fields that decide framing, connection and target; all others are the handler's.
 * Returns true for those that the parser is to read as well. */
static bool read_field(struct reading *r, const struct http_field *field)
{
    switch (field->name.length) {
    case 4:
        if (name_is_host(field->name))
            read_host(r, field->value);
        return false;
    case 6:
        if (name_is(field->name, "expect"))
            read_expect(r, field->value);
        return false;
    case 10:
        if (name_is(field->name, "connection"))
            read_connection(r, field->value);
        return false;
    case 14:
        if (!name_is(field->name, "content-length"))
            return false;
        read_content_length(r, field->value);
        return true;
    case 17:
        if (!name_is(field->name, "transfer-encoding"))
            return false;
        read_transfer_encoding(r, field->value);
        return true;
    default:
        return false;
    }
}

/* 1: the parser is to read no body; bodies are read by chunked.h and body.c. */
static int on_headers_complete(http_parser *parser)
{
    (void)parser;
    return 1;
}

static const http_parser_settings SETTINGS = {
    .on_headers_complete = on_headers_complete,
};

static void parse(struct reading *r, const char *data, size_t length)
{
    if (HTTP_PARSER_ERRNO(&r->parser) == HPE_OK)
        http_parser_execute(&r->parser, &SETTINGS, data, length);
}

static enum request_method method_of(const http_parser *parser)
{
    switch (parser->method) {
    case HTTP_GET:
        return HTTP_METHOD_GET;
    case HTTP_HEAD:
        return HTTP_METHOD_HEAD;
    case HTTP_POST:
        return HTTP_METHOD_POST;
    case HTTP_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    case HTTP_CONNECT:
        return HTTP_METHOD_CONNECT;
    default:
        return HTTP_METHOD_OTHER;
    }
}

/* The request line, from line on; the head goes up to end. Returns its line feed, or NULL as
 * read_fields() returns false. */
static const char *read_request_line(struct reading *r, const char *line, const char *end)
{
    struct http_request *request = r->request;
    const char *space = http_chars_skip(line, end, CHAR_TOKEN); /* behind the method */
    const char *target = space + 1, *stop, *shown;

    if (end - target < VERSION_LENGTH || *space != ' ')
        return NULL;
    stop = memchr(target, ' ', (size_t)(end - target));
    if (stop == NULL || stop == target || end - stop < VERSION_LENGTH ||
        memcmp(stop, VERSION, VERSION_DIGIT) != 0 || stop[VERSION_LENGTH - 1] != '\n')
        return NULL;
    /* Of a path the parser sees the first byte: it takes whatever the guard takes after that. */
    shown = *target == '/' ? target + 1 : stop;
    http_parser_init(&r->parser, HTTP_REQUEST);
    parse(r, line, (size_t)(shown - line));
    request->method = method_of(&r->parser);
    if (HTTP_PARSER_ERRNO(&r->parser) == HPE_INVALID_METHOD) {
        /* Not a method the parser knows, yet its message has a length like any other's:
         * read on behind a method that may have a body. */
        http_parser_init(&r->parser, HTTP_REQUEST);
        parse(r, "POST", 4);
        parse(r, space, (size_t)(shown - space));
        request->method = HTTP_METHOD_UNKNOWN;
    }
    r->version = stop;
    request->method_name = (struct http_slice){line, (size_t)(space - line)};
    request->target = (struct http_slice){target, (size_t)(stop - target)};
    request->version_minor = stop[VERSION_DIGIT] != '0';
    return stop + VERSION_LENGTH - 1;
}

/* The field lines from p on, up to the empty line that ends at end. False when they are not what
 * the guard passes: trusting it blindly would turn a bug there into a crash. */
static bool read_fields(struct reading *r, const char *p, const char *end)
{
    struct http_field *field = r->request->fields, *limit = field + HTTP_MAX_FIELDS;
    bool framed = false; /* the parser has been given a field */

    for (; *p != '\r'; field++) {
        const char *colon = memchr(p, ':', (size_t)(end - p));
        const char *stop = colon == NULL ? NULL : memchr(colon, '\r', (size_t)(end - colon));

        if (stop == NULL || field == limit)
            return false;
        field->name = (struct http_slice){p, (size_t)(colon - p)};
        field->value = http_trim((struct http_slice){colon + 1, (size_t)(stop - colon - 1)});
        if (read_field(r, field)) {
            if (!framed) /* to the parser, too, the version matters for these fields only */
                parse(r, r->version, VERSION_LENGTH);
            parse(r, p, (size_t)(colon + 1 - p));
            parse(r, field->value.data, field->value.length); /* it takes no tab behind it */
            parse(r, "\r\n", 2);
            framed = true;
        }
        p = stop + 2;
    }
    r->request->field_count = (unsigned)(field - r->request->fields);
    if (framed)
        parse(r, "\r\n", 2);
    return true;
}

/* Content-Length and Transfer-Encoding (RFC 9112, 6). */
static struct request_error judge_framing(const struct reading *r)
{
    struct http_request *request = r->request;
    const http_parser *parser = &r->parser;

    if (r->encodings > 0 && r->lengths > 0)
        return refuse(400, "both Transfer-Encoding and Content-Length");
    if (r->lengths > 1)
        return refuse(400, "Content-Length given more than once");
    if (r->bad_length)
        return refuse(400, "Content-Length is not a decimal number below 2^63");
    if (r->encodings > 0) {
        if (request->version_minor == 0)
            return refuse(400, "Transfer-Encoding in an HTTP/1.0 request");
        if (r->bad_coding || !r->chunked_last || r->chunked_count > 1)
            return refuse(400, "Transfer-Encoding must end in chunked, named once");
        if (r->unknown_coding)
            return refuse(501, "only the transfer coding chunked is implemented");
    }
    if (HTTP_PARSER_ERRNO(parser) != HPE_OK)
        return refuse(400, http_errno_description(HTTP_PARSER_ERRNO(parser)));
    request->chunked = r->encodings > 0;
    if (request->chunked != ((parser->flags & F_CHUNKED) != 0) ||
        (r->lengths > 0 && parser->content_length != request->content_length))
        return refuse(400, "ambiguous message framing");
    request->has_body = request->chunked || request->content_length > 0;
    return OK;
}

/* Takes scheme and authority off a target in absolute form (RFC 9112, 3.2.2). */
static struct request_error judge_absolute_form(struct http_request *request,
                                                struct http_slice *rest)
{
    bool secured = rest->length > 8 && strncasecmp(rest->data, "https://", 8) == 0;
    size_t scheme = secured ? 8 : 7, length = 0;

    if (!secured && (rest->length <= 7 || strncasecmp(rest->data, "http://", 7) != 0))
        return not_served(400, "request target of no form that is served here");
    rest->data += scheme;
    rest->length -= scheme;
    while (length < rest->length && rest->data[length] != '/' && rest->data[length] != '?')
        length++;
    request->authority = (struct http_slice){rest->data, length};
    if (!authority_valid(request->authority))
        return refuse(400, "invalid authority in the request target");
    if (secured) /* RFC 9110, 7.4 */
        return not_served(421, "an https resource is not served over an unsecured connection");
    rest->data += length;
    rest->length -= length;
    return OK;
}

/* Splits the target into path and query, by its form (RFC 9112, 3.2). */
static struct request_error judge_target(struct http_request *request)
{
    struct http_slice rest = request->target;
    const char *query;

    if (rest.length == 1 && rest.data[0] == '*') {
        if (request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD ||
            request->method == HTTP_METHOD_POST)
            return not_served(400, "\"*\" is a target for OPTIONS only");
    } else if (rest.data[0] != '/') {
        struct request_error error = judge_absolute_form(request, &rest);

        if (error.status != 0)
            return error;
    }
    query = memchr(rest.data, '?', rest.length);
    request->path = rest;
    request->query = (struct http_slice){rest.data + rest.length, 0};
    if (query != NULL) {
        request->path.length = (size_t)(query - rest.data);
        request->query.data = query + 1;
        request->query.length = rest.length - request->path.length - 1;
    }
    if (request->path.length == 0) /* RFC 9112, 3.2.4: for OPTIONS the server as a whole */
        request->path = (struct http_slice){
            request->method == HTTP_METHOD_OPTIONS && query == NULL ? "*" : "/", 1};
    return OK;
}

static struct request_error judge(const struct reading *r)
{
    struct http_request *request = r->request;
    struct request_error error = judge_framing(r);

    if (error.status != 0)
        return error;
    if (r->hosts > 1)
        return refuse(400, "Host given more than once");
    if (r->hosts == 0 && request->version_minor > 0)
        return refuse(400, "no Host in an HTTP/1.1 request");
    if (r->bad_host)
        return refuse(400, "invalid Host");
    if (request->method == HTTP_METHOD_CONNECT)
        return refuse(405, "CONNECT is not served here");
    error = judge_target(request);
    if (error.status != 0)
        return error;
    if (request->version_minor == 0)
        request->expects_continue = false; /* RFC 9110, 10.1.1 */
    else if (r->bad_expect)
        return refuse(417, "only Expect: 100-continue is understood");
    return OK;
}

/* All but the fields. Member by member: a string instruction costs more than these few stores. */
static void clear(struct http_request *request)
{
    request->method = HTTP_METHOD_UNKNOWN;
    request->method_name = request->target = (struct http_slice){0};
    request->path = request->query = request->authority = (struct http_slice){0};
    request->version_minor = 0;
    request->keep_alive = request->expects_continue = false;
    request->chunked = request->has_body = false;
    request->content_length = 0;
    request->field_count = 0;
}

struct request_error request_parse(struct http_request *request, const char *head, size_t length)
{
    struct reading r;
    const char *end = head + length;
    const char *line_feed;

    if (head[0] == '\r') /* the one empty line that may come first */
        head += 2;
    memset(&r, 0, offsetof(struct reading, parser));
    r.request = request;
    clear(request);
    line_feed = read_request_line(&r, head, end);
    if (line_feed == NULL || !read_fields(&r, line_feed + 1, end))
        return refuse(400, "malformed request");
    request->keep_alive = !r.wants_close && (request->version_minor > 0 || r.wants_keep_alive);
    return judge(&r);
}

void request_init(void)
{
    http_parser_set_max_header_size(UINT32_MAX);
}
