/* SPDX-License-Identifier: MIT
 *
 * A request served by its handler, without a connection, and what is often asserted of the answer.
 * Included by a test program, as fake_exchange.h is, which it brings with it.
 */
#ifndef SERVING_H
#define SERVING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fake_exchange.h"
#include "handler/handler.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Serves a request as a connection would. */
static inline int serve(struct fake *fake)
{
    return handler_serve(handler_find(&fake->request), &fake->x);
}

/* A GET with nothing special, answered; fake_term() is the caller's. */
static inline void get(struct fake *fake, const char *target)
{
    fake_init(fake, HTTP_METHOD_GET, "GET", target, 1);
    assert_int_equal(serve(fake), 0);
}

static inline void assert_text(const struct fake *fake, unsigned status, const char *body)
{
    assert_int_equal(fake->status, status);
    assert_string_equal(fake->sent, body);
    assert_int_equal(fake->announced, strlen(body));
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

#endif
