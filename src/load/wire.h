/* SPDX-License-Identifier: MIT
 *
 * Figures as lines of text, exact, from the program on one host to the one that asked for them:
 *
 *   NAME NUMBER              a field of struct figures; of fractions all digits
 *   status CODE COUNT        an element of statuses that is not 0
 *   backlog NANOSECONDS      an element of backlog_ns
 *   lag TEXT                 a histogram as hdr.h writes it
 *   end                      all was written
 *
 * JSON is for other readers; reading it back would take a parser, and its times are rounded.
 */
#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include <stdbool.h>
#include <stdio.h>

#include "load/figures.h"

/* Writes all lines. 0 or -ENOMEM; what could not be written is told by ferror(). */
int wire_write(const struct figures *figures, FILE *to) __attribute__((warn_unused_result));

/*
 * Reads one line, without its newline, into figures that began as those of nothing. 1: it was the
 * last; 0: more come; -EINVAL: it is none of these lines; -ENOMEM.
 */
int wire_read(const char *line, struct figures *figures) __attribute__((warn_unused_result));

#endif
