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

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "http.h"
#include "http/chars.h"

enum guard_state {
    START,    /* nothing read: 0, see guard_init_head() */
    START_LF, /* after the CR of the one empty line allowed here */
    METHOD_1, /* the method's first byte */
    METHOD,   /* the rest of it */
    TARGET_1, /* the target's first byte */
    TARGET,   /* the rest of it, up to a '?' */
    QUERY,    /* and behind that */
    PROTOCOL, /* within "HTTP/" */
    MAJOR,    /* a digit */
    DOT,      /* between the digits */
    MINOR,    /* a digit */
    LINE_CR,  /* the request line's CR */
    LINE_LF,  /* the LF after it */
    FIELD,    /* a field name's first byte, or the CR of the empty line */
    NAME,     /* the rest of the name, up to the colon */
    VALUE,    /* the value, up to CR */
    VALUE_LF, /* the LF after it */
    END_LF,   /* the LF of the empty line */
};

static const char PROTOCOL_NAME[] = "HTTP/";

/* What nearly always follows a target; passing it at once is a fifth of the guard's work. */
static const char USUAL_VERSION[] = " HTTP/1.1\r\n";
enum { USUAL_VERSION_LENGTH = sizeof USUAL_VERSION - 1 };

void guard_init_trailers(struct guard *guard)
{
    *guard = (struct guard){.state = FIELD};
}

/* The first byte from p on that may not stand in a field value, or end: eight at a time. */
static inline const char *skip_value(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;

    while (end - p >= 8) {
        uint64_t word, marks;

        memcpy(&word, p, 8);
        word = le64toh(word); /* the first byte is the lowest */
        /* Marks the top bit of bytes below 0x80 that are below 0x20, or to which one can be added
         * no more. Borrows and carries may mark others as well, but leave none of these out. */
        marks = ((word - ones * 0x20) | (word + ones)) & ~word & highs;
        if (marks == 0) {
            p += 8;
            continue;
        }
        p += __builtin_ctzll(marks) / 8;
        if (!http_char_is(*p, CHAR_VALUE))
            return p;
        p++; /* a tab, or marked for its neighbour */
    }
    return http_chars_skip(p, end, CHAR_VALUE);
}

/* The first byte from p on that may not stand in the target. */
static inline const char *skip_target(struct guard *g, const char *p, const char *end)
{
    while (g->state == TARGET && p < end && http_char_is(*p, CHAR_TARGET))
        g->state = *p++ == '?' ? QUERY : TARGET;
    return g->state == QUERY ? http_chars_skip(p, end, CHAR_QUERY) : p;
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
        g->state = byte == '?' ? QUERY : TARGET;
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
    case QUERY:
    case NAME:
    case VALUE:
        break; /* runs, not steps */
    }
    return GUARD_BAD;
}

/* In a state of runs and steps every byte costs a look at the state. Where whole pieces are there
 * and ordinary, they are passed at once; p stays where it is at anything else, for the automaton.
 * The rest of a request line after its target: */
static const char *pass_version(struct guard *g, const char *p, const char *end)
{
    if (end - p < USUAL_VERSION_LENGTH || memcmp(p, USUAL_VERSION, USUAL_VERSION_LENGTH) != 0)
        return p;
    g->state = FIELD;
    return p + USUAL_VERSION_LENGTH;
}

/* A whole request line: */
static const char *pass_line(struct guard *g, const char *p, const char *end)
{
    const char *space =
        end - p > 3 && memcmp(p, "GET ", 4) == 0 ? p + 3 : http_chars_skip(p, end, CHAR_TOKEN);
    const char *target = space + 1;
    const char *stop;

    if (space == p || space == end || *space != ' ')
        return p;
    stop = http_chars_skip(target, end, CHAR_TARGET);
    if (stop == target || stop - target > HTTP_MAX_TARGET)
        return p;
    target = pass_version(g, stop, end);
    return target == stop ? p : target;
}

/* And whole field lines: */
static const char *pass_fields(struct guard *g, const char *p, const char *end)
{
    while (g->fields < HTTP_MAX_FIELDS) {
        const char *colon = http_chars_skip(p, end, CHAR_TOKEN);
        const char *stop;

        if (colon == p || colon == end || *colon != ':')
            break;
        stop = skip_value(colon + 1, end);
        if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
            break;
        g->fields++;
        p = stop + 2;
    }
    return p;
}

/* The end of a run: what must stand there, and what follows it. */
static bool run_ends(struct guard *g, char byte)
{
    switch ((enum guard_state)g->state) {
    case METHOD:
        g->state = TARGET_1;
        return byte == ' ';
    case TARGET:
    case QUERY:
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
    if (g->state == START)
        p = pass_line(g, p, end);
    while (p < end) {
        const char *from = p;

        switch ((enum guard_state)g->state) {
        case METHOD:
        case NAME:
            p = http_chars_skip(p, end, CHAR_TOKEN);
            break;
        case TARGET:
        case QUERY:
            p = skip_target(g, p, end);
            if ((size_t)(p - from) > (size_t)(HTTP_MAX_TARGET - g->target))
                return GUARD_TARGET_TOO_LONG;
            g->target = (uint16_t)(g->target + (p - from));
            break;
        case VALUE:
            p = skip_value(p, end);
            break;
        case FIELD:
            p = pass_fields(g, p, end);
            if (p == end)
                continue;
            if (end - p >= 2 && p[0] == '\r' && p[1] == '\n') {
                *consumed = (size_t)(p + 2 - data);
                return GUARD_DONE;
            }
            /* fall through */
        default: {
            enum guard_verdict verdict = step(g, *p++);

            if (verdict != GUARD_MORE) {
                *consumed = (size_t)(p - data);
                return verdict;
            }
            continue;
        }
        }
        if (g->state == TARGET || g->state == QUERY)
            p = pass_version(g, p, end);
        if (g->state != FIELD && p < end && !run_ends(g, *p++))
            return GUARD_BAD;
    }
    *consumed = length;
    return GUARD_MORE;
}
