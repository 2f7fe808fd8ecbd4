/* SPDX-License-Identifier: MIT
 *
 * Content negotiation (RFC 9110, 12.5.1): what Accept says of a type. Of the ranges that cover it
 * the most precise one counts, wherever it stands. Parameters but for the weight are passed
 * over: no type here has any.
 */
#include "http.h"

#include <string.h>
#include <strings.h>

#include "http/chars.h"

enum { WHOLE = 1000 }; /* thousandths: a weight that is not given, or malformed */

/* How precisely a range names a type, from not at all. */
enum precision { NOT_COVERED, ANY, ANY_SUBTYPE, NAMED };

/* Takes what comes before the next separator outside a quoted string off text, without the white
 * space around it; false when text was empty. */
static bool next_part(struct http_slice *text, char separator, struct http_slice *part)
{
    bool quoted = false;
    size_t length = 0;

    if (text->length == 0)
        return false;
    for (; length < text->length && (quoted || text->data[length] != separator); length++) {
        if (text->data[length] == '"')
            quoted = !quoted;
        else if (quoted && text->data[length] == '\\' && length + 1 < text->length)
            length++;
    }
    *part = http_trim((struct http_slice){text->data, length});
    length += length < text->length;
    text->data += length;
    text->length -= length;
    return true;
}

/* weight = "0" [ "." *3DIGIT ] / "1" [ "." *3"0" ], in thousandths. */
static unsigned weight_of(struct http_slice text)
{
    unsigned value, unit = WHOLE;

    if (text.length == 0 || text.length > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.length > 1 && text.data[1] != '.'))
        return WHOLE;
    value = text.data[0] == '1' ? WHOLE : 0;
    for (size_t i = 2; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return WHOLE;
        unit /= 10;
        value += unit * (unsigned)(text.data[i] - '0');
    }
    return value <= WHOLE ? value : WHOLE;
}

static enum precision precision_of(struct http_slice range, const char *type)
{
    size_t slash = strcspn(type, "/") + 1; /* the length of "text/" */

    if (http_slice_is_nocase(range, type))
        return NAMED;
    if (range.length == slash + 1 && range.data[slash] == '*' &&
        strncasecmp(range.data, type, slash) == 0)
        return ANY_SUBTYPE;
    return http_slice_is(range, "*/*") ? ANY : NOT_COVERED;
}

unsigned http_accept_weight(const struct http_request *request, const char *type, bool *named)
{
    enum precision most = NOT_COVERED;
    unsigned weight = 0;
    bool present = false;

    for (unsigned i = 0; i < request->field_count; i++) {
        struct http_slice list = request->fields[i].value, member, part;

        if (!http_slice_is_nocase(request->fields[i].name, "Accept"))
            continue;
        present = true;
        while (next_part(&list, ',', &member)) {
            enum precision precision =
                next_part(&member, ';', &part) ? precision_of(part, type) : NOT_COVERED;

            if (precision <= most)
                continue;
            most = precision;
            weight = WHOLE;
            while (next_part(&member, ';', &part))
                if (part.length >= 2 && (part.data[0] | 0x20) == 'q' && part.data[1] == '=')
                    weight = weight_of((struct http_slice){part.data + 2, part.length - 2});
        }
    }
    *named = most == NAMED;
    return present ? weight : WHOLE;
}
