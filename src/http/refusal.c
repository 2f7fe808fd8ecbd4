/* SPDX-License-Identifier: MIT
 *
 * All bytes before the refused one are well formed, so what they are can be told from few of
 * them: the lines before it end in CR LF, and within its line what counts is which of
 * the separators (two spaces in a request line, a colon in a field) have been seen. Those behind it
 * are not looked at: they may not have come yet, and the answer is not to depend on that.
 */
#include "http/refusal.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "http/chars.h"
#include "http/guard.h"

enum { STEP = 64 }; /* bytes given to the guard at once before the refused one is looked for */

/* The refused byte and the line it is in. */
struct place {
    const char *line; /* its first byte */
    const char *at;   /* the refused byte */
    bool request_line;
    bool first_field;
};

/* Finds the byte at which the guard refuses. Returns GUARD_MORE when it does not. */
static enum guard_verdict find(const char *head, size_t length, size_t *at)
{
    struct guard guard;
    enum guard_verdict verdict = GUARD_MORE;
    size_t step = STEP;
    size_t used;

    guard_init_head(&guard);
    for (size_t done = 0; done < length;) {
        struct guard before = guard;
        size_t count = length - done < step ? length - done : step;

        verdict = guard_feed(&guard, head + done, count, &used);
        if (verdict == GUARD_MORE) {
            done += count;
        } else if (step > 1) {
            guard = before;
            step = 1;
        } else {
            *at = done;
            return verdict == GUARD_DONE ? GUARD_MORE : verdict;
        }
    }
    return GUARD_MORE;
}

static struct place locate(const char *head, size_t at)
{
    struct place place = {.line = head, .at = head + at};
    unsigned lines = 0;

    if (at >= 2 && head[0] == '\r') /* the one empty line that may come first */
        place.line += 2;
    for (const char *p = place.line; p < place.at; p++) {
        if (*p == '\n') {
            place.line = p + 1;
            lines++;
        }
    }
    place.request_line = lines == 0;
    place.first_field = lines == 1;
    return place;
}

static bool is_control(char byte)
{
    return (unsigned char)byte < ' ' || byte == 0x7f;
}

/* The reasons that any line may have; where completes them. NULL: another. */
static const char *line_end(const struct place *place)
{
    if (place->at > place->line && place->at[-1] == '\r')
        return "bare CR (without LF) in";
    if (*place->at == '\n')
        return "bare LF (without CR) in";
    return NULL;
}

/* Writes "what 0xHH where". */
static void bad_byte(struct refusal *refusal, char byte, const char *where)
{
    const char *what = is_control(byte) ? "control byte" : "byte";

    if (byte == '\0')
        snprintf(refusal->reason, sizeof refusal->reason, "NUL in %s", where);
    else
        snprintf(refusal->reason, sizeof refusal->reason, "%s 0x%02x in %s", what,
                 (unsigned)(unsigned char)byte, where);
}

static void say(struct refusal *refusal, const char *reason)
{
    snprintf(refusal->reason, sizeof refusal->reason, "%s", reason);
}

/* The first byte of all. */
static void explain_beginning(struct refusal *refusal, char byte)
{
    if (byte == 0x16)
        say(refusal, "a TLS handshake; plain HTTP is spoken here");
    else if (http_is_blank(byte))
        say(refusal, "white space before the request line");
    else if (byte == '\r')
        say(refusal, "more than one empty line before the request line");
    else
        bad_byte(refusal, byte, "the method");
}

static void explain_target(struct refusal *refusal, const struct place *place, bool first)
{
    if (*place->at == ' ' && first)
        say(refusal, "two spaces before the request target");
    else if (*place->at == '\r')
        say(refusal, "no HTTP version in the request line");
    else
        bad_byte(refusal, *place->at, "the request target, which must be percent-encoded");
}

static void explain_version(struct refusal *refusal, const char *version, const char *at)
{
    static const char usual[] = "HTTP/1.1";
    size_t length = (size_t)(at - version);

    if (length == 0 && *at == ' ')
        say(refusal, "two spaces before the HTTP version");
    else if (length == 5 && *at == '0')
        say(refusal, "HTTP/0.9 is not served here");
    else if (length >= sizeof usual - 1)
        say(refusal, "something follows the HTTP version in the request line");
    else
        say(refusal, "the request target is not followed by a space and \"HTTP/1.1\"");
}

static void explain_request_line(struct refusal *refusal, const struct place *place)
{
    const char *end = line_end(place);
    const char *word = place->line; /* the method, the target or the version */
    unsigned spaces = 0;

    for (const char *p = place->line; p < place->at; p++) {
        if (*p == ' ') {
            word = p + 1;
            spaces++;
        }
    }
    if (end != NULL)
        snprintf(refusal->reason, sizeof refusal->reason, "%s the request line", end);
    else if (spaces > 1)
        explain_version(refusal, word, place->at);
    else if (spaces == 1)
        explain_target(refusal, place, place->at == word);
    else if (word < place->at && *place->at == '\r')
        say(refusal, "no request target in the request line");
    else if (word < place->at)
        bad_byte(refusal, *place->at, "the method");
    else
        explain_beginning(refusal, *place->at);
}

static void explain_field(struct refusal *refusal, const struct place *place)
{
    size_t length = (size_t)(place->at - place->line);
    const char *colon = memchr(place->line, ':', length);
    const char *end = line_end(place);

    if (end != NULL)
        snprintf(refusal->reason, sizeof refusal->reason, "%s %s", end,
                 colon == NULL ? "the request head" : "a header field");
    else if (colon != NULL)
        bad_byte(refusal, *place->at, "the value of a header field");
    else if (length == 0 && http_is_blank(*place->at))
        say(refusal, place->first_field ? "white space before the first header field"
                                        : "folded header line");
    else if (length > 0 && http_is_blank(*place->at))
        say(refusal, "white space before the colon of a header field");
    else if (length == 0 && *place->at == ':')
        say(refusal, "header field without a name");
    else if (*place->at == '\r')
        say(refusal, "header line without a colon");
    else
        bad_byte(refusal, *place->at, "the name of a header field");
}

/* Nothing but a method so far: whatever follows, it is none that is known. */
static void explain_too_large(struct refusal *refusal, const char *head, size_t max_header)
{
    size_t empty = head[0] == '\r' ? 2 : 0; /* the one line that may come first */

    if (memchr(head + empty, ' ', max_header - empty) == NULL) {
        refusal->status = 501;
        say(refusal, "this server knows no method that long");
    } else {
        refusal->status = 431;
        say(refusal, "request head larger than --max-header");
    }
}

void refusal_explain(struct refusal *refusal, const char *head, size_t length, size_t max_header)
{
    size_t at = length > 0 ? length - 1 : 0; /* the last byte looked at */
    enum guard_verdict verdict = find(head, length, &at);
    struct place place;

    refusal->status = 400;
    if (at >= max_header) {
        explain_too_large(refusal, head, max_header);
    } else if (verdict == GUARD_MORE) {
        say(refusal, "malformed request");
    } else if (verdict == GUARD_TARGET_TOO_LONG) {
        refusal->status = 414;
        say(refusal, "request target too long");
    } else if (verdict == GUARD_TOO_MANY_FIELDS) {
        refusal->status = 431;
        say(refusal, "too many header fields");
    } else if (verdict == GUARD_VERSION) {
        refusal->status = 505;
        say(refusal, "only HTTP/1.0 and HTTP/1.1 are served here");
    } else {
        place = locate(head, at);
        if (place.request_line)
            explain_request_line(refusal, &place);
        else
            explain_field(refusal, &place);
    }
}
