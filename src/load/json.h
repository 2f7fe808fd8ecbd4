/* SPDX-License-Identifier: MIT
 *
 * Values as JSON writes them (RFC 8259).
 */
#ifndef LOAD_JSON_H
#define LOAD_JSON_H

#include <stdio.h>

/* A string with its quotes. A byte that is no part of UTF-8 becomes the character of that number,
 * so that any argument of a command line can be written. NULL: null. */
void json_string(FILE *to, const char *text);

/* A number, with as many digits as keep its value; null where it is none. */
void json_number(FILE *to, double number);

#endif
