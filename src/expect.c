/* SPDX-License-Identifier: MIT
 *
 * The end of a process that met what cannot be.
 */
#include "expect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

enum { WORDS_SIZE = 600 };

void expect_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    char words[WORDS_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    log_line(LOG_ERROR, "%s:%d: expected %s: %s", file, line, condition, words);
    abort();
}
