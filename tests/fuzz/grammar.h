/* SPDX-License-Identifier: MIT
 *
 * What the rules of the reference are made of: a cursor in a text, classes of characters, and the
 * smallest rules. A rule that is found in the text moves the cursor behind itself and says true,
 * else the cursor stays where it was. Shares nothing with src/http.
 */
#ifndef FUZZ_GRAMMAR_H
#define FUZZ_GRAMMAR_H

#include <string.h>
#include <strings.h>

#include "reference.h"

struct cursor {
    const uint8_t *at, *end;
};

static inline size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* --- characters: RFC 5234, appendix B.1; RFC 9110, 5.5 and 5.6.2; RFC 3986, 2 --------- */

static inline bool is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_hexdig(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline bool is_one_of(uint8_t c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* tchar */
static inline bool is_tchar(uint8_t c)
{
    return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

/* field-vchar = VCHAR / obs-text, and the SP and HTAB that may stand between two of them */
static inline bool is_field_byte(uint8_t c)
{
    return c == ' ' || c == '\t' || (c >= 0x21 && c <= 0x7e) || c >= 0x80;
}

static inline bool is_unreserved(uint8_t c)
{
    return is_alpha(c) || is_digit(c) || is_one_of(c, "-._~");
}

static inline bool is_sub_delim(uint8_t c)
{
    return is_one_of(c, "!$&'()*+,;=");
}

/* What a URI without a fragment is made of before its query. A '%' need not begin an escape here:
 * that is judged where a path is decoded, and says nothing about framing. */
static inline bool is_target_byte(uint8_t c)
{
    return is_unreserved(c) || is_sub_delim(c) || is_one_of(c, ":/[]@%");
}

/* And in it: what the WHATWG's query percent-encode set leaves as it is, '\\' and '^' excepted. */
static inline bool is_query_byte(uint8_t c)
{
    return c > ' ' && c <= '~' && !is_one_of(c, "\"#<>\\^");
}

/* --- small rules ---------------------------------------------------------------- */

static inline bool literal(struct cursor *c, const char *text)
{
    size_t length = strlen(text);

    if (left(c) < length || memcmp(c->at, text, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* 1*rule of one class of characters */
static inline bool run(struct cursor *c, bool (*is)(uint8_t), struct ref_text *found)
{
    found->data = c->at;
    while (c->at < c->end && is(*c->at))
        c->at++;
    found->length = (size_t)(c->at - found->data);
    return found->length > 0;
}

/* OWS, BWS = *( SP / HTAB ) */
static inline void blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

/* The text up to the next CR LF, which is passed too. Whatever else ends a line elsewhere is part
 * of the text here, for the rule that reads it to refuse. */
static inline bool line(struct cursor *c, struct cursor *found)
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

static inline bool is_nocase(struct ref_text text, const char *word)
{
    return text.length == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.length) == 0;
}

/* Takes the white space off both ends. */
static inline struct ref_text strip(struct cursor c)
{
    while (c.at < c.end && (*c.at == ' ' || *c.at == '\t'))
        c.at++;
    while (c.at < c.end && (c.end[-1] == ' ' || c.end[-1] == '\t'))
        c.end--;
    return (struct ref_text){c.at, left(&c)};
}

/* quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE */
static inline bool quoted_string(struct cursor *c)
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

#endif
