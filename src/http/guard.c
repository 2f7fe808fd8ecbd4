/* SPDX-License-Identifier: MIT
 *
 * The guard's automaton: one state for each place in the grammar of a head, with
 * an inner loop for the runs of bytes that make up nearly all of it.
 *
 *   [CRLF] method SP target SP "HTTP/" digit "." digit CRLF
 *   *( name ":" value CRLF ) CRLF
 *
 * Where RFC 9112 lets a recipient be lenient (bare LF, several spaces, folding)
 * it does not: each of these has been used to smuggle a request past a proxy.
 */
#include "http/guard.h"

#include <stdbool.h>

#include "http.h"
#include "http/chars.h"

enum guard_state {
    START,       /* nothing read */
    START_LF,    /* after the CR of the one empty line allowed here */
    METHOD_1,    /* the method's first byte */
    METHOD,      /* the rest of it */
    TARGET_1,    /* the target's first byte */
    TARGET,      /* the rest of it */
    PROTOCOL,    /* within "HTTP/" */
    MAJOR,       /* a digit */
    DOT,         /* between the digits */
    MINOR,       /* a digit */
    LINE_CR,     /* the request line's CR */
    LINE_LF,     /* the LF after it */
    FIELD,       /* a field name's first byte, or the CR of the empty line */
    NAME,        /* the rest of the name, up to the colon */
    VALUE,       /* the value, up to CR */
    VALUE_LF,    /* the LF after it */
    END_LF,      /* the LF of the empty line */
};

static const char PROTOCOL_NAME[] = "HTTP/";

void guard_init_head(struct guard *guard)
{
    *guard = (struct guard){.state = START};
}

void guard_init_trailers(struct guard *guard)
{
    *guard = (struct guard){.state = FIELD};
}

/* The first byte from p on that is not of the class, or end. */
static const char *skip(const char *p, const char *end, unsigned class)
{
    while (p < end && http_char_is(*p, class))
        p++;
    return p;
}

/* The states that take exactly one byte. Returns GUARD_MORE, GUARD_DONE or a refusal. */
static enum guard_verdict step(struct guard *g, char byte)
{
    switch ((enum guard_state)g->state) {
    case START:
        if (byte == '\r') {
            g->state = START_LF;
            return GUARD_MORE;
        }
        /* fall through */
    case METHOD_1:
        g->state = METHOD;
        return http_char_is(byte, CHAR_TOKEN) ? GUARD_MORE : GUARD_BAD;
    case START_LF:
        g->state = METHOD_1;
        return byte == '\n' ? GUARD_MORE : GUARD_BAD;
    case TARGET_1:
        g->state = TARGET;
        g->target = 1;
        return http_char_is(byte, CHAR_TARGET) ? GUARD_MORE : GUARD_BAD;
    case PROTOCOL:
        if (byte != PROTOCOL_NAME[g->matched])
            return GUARD_BAD;
        if (++g->matched == sizeof(PROTOCOL_NAME) - 1)
            g->state = MAJOR;
        return GUARD_MORE;
    case MAJOR:
        g->state = DOT;
        if (byte >= '2' && byte <= '9')
            return GUARD_VERSION;
        return byte == '1' ? GUARD_MORE : GUARD_BAD;
    case DOT:
        g->state = MINOR;
        return byte == '.' ? GUARD_MORE : GUARD_BAD;
    case MINOR:
        g->state = LINE_CR;
        return byte >= '0' && byte <= '9' ? GUARD_MORE : GUARD_BAD;
    case LINE_CR:
        g->state = LINE_LF;
        return byte == '\r' ? GUARD_MORE : GUARD_BAD;
    case LINE_LF:
    case VALUE_LF:
        g->state = FIELD;
        return byte == '\n' ? GUARD_MORE : GUARD_BAD;
    case FIELD:
        if (byte == '\r') {
            g->state = END_LF;
            return GUARD_MORE;
        }
        if (!http_char_is(byte, CHAR_TOKEN))
            return GUARD_BAD;
        if (g->fields == HTTP_MAX_FIELDS)
            return GUARD_TOO_MANY_FIELDS;
        g->fields++;
        g->state = NAME;
        return GUARD_MORE;
    case END_LF:
        return byte == '\n' ? GUARD_DONE : GUARD_BAD;
    case METHOD:
    case TARGET:
    case NAME:
    case VALUE:
        break; /* runs, not steps */
    }
    return GUARD_BAD;
}

/* The end of a run: what must stand there, and what follows it. */
static bool run_ends(struct guard *g, char byte)
{
    switch ((enum guard_state)g->state) {
    case METHOD:
        g->state = TARGET_1;
        return byte == ' ';
    case TARGET:
        g->state = PROTOCOL;
        return byte == ' ';
    case NAME:
        g->state = VALUE;
        return byte == ':';
    default:
        g->state = VALUE_LF;
        return byte == '\r';
    }
}

enum guard_verdict guard_feed(struct guard *g, const char *data, size_t length, size_t *consumed)
{
    const char *p = data;
    const char *end = data + length;

    *consumed = 0;
    while (p < end) {
        const char *from = p;

        switch ((enum guard_state)g->state) {
        case METHOD:
        case NAME:
            p = skip(p, end, CHAR_TOKEN);
            break;
        case TARGET:
            p = skip(p, end, CHAR_TARGET);
            if ((size_t)(p - from) > (size_t)(HTTP_MAX_TARGET - g->target))
                return GUARD_TARGET_TOO_LONG;
            g->target = (uint16_t)(g->target + (p - from));
            break;
        case VALUE:
            p = skip(p, end, CHAR_VALUE);
            break;
        default: {
            enum guard_verdict verdict = step(g, *p++);

            if (verdict != GUARD_MORE) {
                *consumed = (size_t)(p - data);
                return verdict;
            }
            continue;
        }
        }
        if (p < end && !run_ends(g, *p++))
            return GUARD_BAD;
    }
    *consumed = length;
    return GUARD_MORE;
}
