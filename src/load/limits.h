/* SPDX-License-Identifier: MIT
 *
 * What this host must have for as many connections as were asked for.
 */
#ifndef LOAD_LIMITS_H
#define LOAD_LIMITS_H

#include <stddef.h>

/* Raises the limit of descriptors to what connections and threads need, the hard one too where
 * that is allowed, and makes room for so many, before there are threads. 0, or -errno with one
 * line, without its end, in error. */
int limits_raise(unsigned connections, unsigned threads, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Says what there was too little of, and what can be done, when a connection could not be opened
 * for an errno. Static. */
const char *limits_advice(int error);

#endif
