/* SPDX-License-Identifier: MIT
 *
 * The values in a head that the server takes apart: queries, and Accept. As in reference.c each
 * function is a rule of a grammar, named above it.
 */
#include <stdlib.h>

#include "grammar.h"

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
