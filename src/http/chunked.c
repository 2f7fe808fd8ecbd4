/* SPDX-License-Identifier: MIT
 *
 * chunk   = 1*HEXDIG [ extensions ] CRLF data CRLF
 * last    = 1*"0"    [ extensions ] CRLF trailers CRLF
 * extensions = *( ";" name [ "=" ( token / quoted-string ) ] ), white space allowed
 *              around name, value and ";" where one of them follows
 *
 * Framing is bounded in proportion to data, so that neither long extensions nor
 * a body cut into single bytes can make the server read for ever for nothing.
 */
#include "http/chunked.h"

#include <stdbool.h>

#include "http/chars.h"

enum chunked_state {
    SIZE_1, /* a size's first digit */
    SIZE,   /* further digits, or what ends them */
    SIZE_LF,
    EXT_NAME_1,  /* before an extension's name */
    EXT_NAME,    /* within it */
    EXT_AFTER,   /* after white space behind a name */
    EXT_VALUE_1, /* before its value */
    EXT_VALUE,   /* within a token */
    EXT_QUOTED,  /* within a quoted string */
    EXT_ESCAPE,  /* after a backslash there */
    EXT_CLOSED,  /* after the closing quote */
    EXT_BLANK,   /* after white space behind a size or a value */
    DATA,        /* data, or the CR after it */
    DATA_LF,
    TRAILERS,
};

enum {
    MAX_EXTENSIONS = 16 * 1024,    /* bytes of extensions in one body */
    FRAMING_ALLOWANCE = 16 * 1024, /* framing bytes allowed in any body ... */
    FRAMING_PER_BYTE = 8,          /* ... and for each byte of data: a one-byte chunk takes 5 */
};

void chunked_init(struct chunked *c)
{
    *c = (struct chunked){.state = SIZE_1};
}

static bool size_digit(struct chunked *c, char byte)
{
    int digit = http_hex_value(byte);

    if (digit < 0 || c->left > (uint64_t)(INT64_MAX >> 4))
        return false;
    c->left = c->left << 4 | (unsigned)digit;
    c->state = SIZE;
    return true;
}

/* What may end a size, or an extension's name or value: the line, or another extension. */
static bool size_ends(struct chunked *c, char byte)
{
    if (byte == '\r')
        c->state = SIZE_LF;
    else if (byte == ';')
        c->state = EXT_NAME_1;
    else
        return false;
    return true;
}

/* White space may stand behind a size, a name or a value, but not at the end of the line. */
static bool blank_or(struct chunked *c, char byte, enum chunked_state after_blank)
{
    if (!http_is_blank(byte))
        return false;
    c->state = (uint8_t)after_blank;
    return true;
}

static bool value_follows(struct chunked *c, char byte)
{
    c->state = byte == '=' ? EXT_VALUE_1 : c->state;
    return byte == '=';
}

static bool extension_byte(struct chunked *c, char byte)
{
    if (++c->extensions > MAX_EXTENSIONS)
        return false;
    switch ((enum chunked_state)c->state) {
    case EXT_NAME_1:
        if (http_is_blank(byte))
            return true;
        c->state = EXT_NAME;
        return http_char_is(byte, CHAR_TOKEN);
    case EXT_NAME:
        return http_char_is(byte, CHAR_TOKEN) || value_follows(c, byte) || size_ends(c, byte) ||
               blank_or(c, byte, EXT_AFTER);
    case EXT_AFTER:
        return http_is_blank(byte) || value_follows(c, byte) || (byte == ';' && size_ends(c, byte));
    case EXT_VALUE_1:
        if (http_is_blank(byte))
            return true;
        c->state = byte == '"' ? EXT_QUOTED : EXT_VALUE;
        return byte == '"' || http_char_is(byte, CHAR_TOKEN);
    case EXT_VALUE:
        return http_char_is(byte, CHAR_TOKEN) || size_ends(c, byte) || blank_or(c, byte, EXT_BLANK);
    case EXT_QUOTED:
        if (byte == '\\')
            c->state = EXT_ESCAPE;
        else if (byte == '"')
            c->state = EXT_CLOSED;
        return http_char_is(byte, CHAR_VALUE);
    case EXT_ESCAPE:
        c->state = EXT_QUOTED;
        return http_char_is(byte, CHAR_VALUE);
    case EXT_CLOSED:
        return size_ends(c, byte) || blank_or(c, byte, EXT_BLANK);
    default: /* EXT_BLANK */
        return http_is_blank(byte) || (byte == ';' && size_ends(c, byte));
    }
}

/* Takes one byte of framing outside the trailers; false when it may not stand here. */
static bool framing_byte(struct chunked *c, char byte)
{
    switch ((enum chunked_state)c->state) {
    case SIZE_1:
        return size_digit(c, byte);
    case SIZE:
        return size_digit(c, byte) || size_ends(c, byte) || blank_or(c, byte, EXT_BLANK);
    case SIZE_LF:
        if (byte != '\n')
            return false;
        c->data += c->left;
        c->state = c->left > 0 ? DATA : TRAILERS;
        if (c->left == 0)
            guard_init_trailers(&c->trailers);
        return true;
    case DATA:
        c->state = DATA_LF;
        return byte == '\r';
    case DATA_LF:
        c->state = SIZE_1;
        return byte == '\n';
    default:
        return extension_byte(c, byte);
    }
}

static bool too_much_framing(const struct chunked *c)
{
    return c->framing > FRAMING_ALLOWANCE &&
           (c->framing - FRAMING_ALLOWANCE) / FRAMING_PER_BYTE > c->data;
}

static enum chunked_event read_trailers(struct chunked *c, const char *input, size_t length,
                                        size_t *consumed)
{
    size_t used;
    enum guard_verdict verdict = guard_feed(&c->trailers, input, length, &used);

    *consumed += used;
    c->framing += used;
    if (too_much_framing(c))
        return CHUNKED_BAD;
    if (verdict == GUARD_DONE)
        return CHUNKED_END;
    return verdict == GUARD_MORE ? CHUNKED_MORE : CHUNKED_BAD;
}

enum chunked_event chunked_next(struct chunked *c, const char *input, size_t length,
                                size_t *consumed)
{
    *consumed = 0;
    while (c->state != TRAILERS) {
        if (c->state == DATA && c->left > 0)
            return CHUNKED_DATA;
        if (*consumed == length)
            return CHUNKED_MORE;
        if (!framing_byte(c, input[*consumed]))
            return CHUNKED_BAD;
        ++*consumed;
        ++c->framing;
        if (too_much_framing(c))
            return CHUNKED_BAD;
    }
    if (*consumed == length)
        return CHUNKED_MORE;
    return read_trailers(c, input + *consumed, length - *consumed, consumed);
}
