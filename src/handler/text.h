/* SPDX-License-Identifier: MIT
 *
 * A text that grows as it is written: for answers whose length nobody knows
 * beforehand (/, /status).
 *
 * The first failure is remembered and what follows is ignored, so that a writer
 * need not check each line; text_reply() reports it. Belongs to the context that
 * made it; never waits, but for text_reply().
 */
#ifndef HANDLER_TEXT_H
#define HANDLER_TEXT_H

#include <stddef.h>

struct http_exchange;

enum { TEXT_MAX = 1024 * 1024 }; /* bytes, of one that has not been allowed more */

struct text {
    char *data; /* not NUL-terminated; owned */
    size_t length;
    size_t capacity;
    size_t most; /* TEXT_MAX at first; a longer one fails with -EMSGSIZE */
    int error;   /* 0, or the negative errno of the first failure */
};

/* Makes an empty text, which holds no memory yet; frees what a text holds. */
void text_init(struct text *text);
void text_term(struct text *text);

/* Appends as printf() would write. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Appends value, NUL-terminated, as a JSON string in quotes (RFC 8259): quotes,
 * backslashes and control bytes escaped; where value is not valid UTF-8 each of
 * its bytes from 0x80 becomes \u00XX.
 */
void text_add_json(struct text *text, const char *value);

/* Appends value, NUL-terminated, with what HTML gives a meaning to escaped, also
 * for use between quotes in an attribute. */
void text_add_html(struct text *text, const char *value);

/*
 * Answers 200 with the text as the body, or 500 when it failed, and frees it.
 * Returns as http_reply(), or -ENOMEM, which is answered 503, when it failed for that. May wait.
 */
int text_reply(struct text *text, struct http_exchange *x, const char *content_type)
    __attribute__((warn_unused_result));

#endif
