/* SPDX-License-Identifier: MIT
 *
 * Bytes as text, RFC 4648, section 4: with padding, without line breaks.
 */
#ifndef LOAD_BASE64_H
#define LOAD_BASE64_H

#include <stddef.h>

/* The text of so many bytes, ended by a NUL, to be freed by the caller; NULL without memory. */
char *base64_encode(const unsigned char *bytes, size_t length) __attribute__((warn_unused_result));

/*
 * The bytes of so much text, to be freed by the caller. 0; -EINVAL: base64_encode() would not have
 * written it; -ENOMEM. After an error *bytes and *bytes_length are as they were.
 */
int base64_decode(const char *text, size_t length, unsigned char **bytes, size_t *bytes_length)
    __attribute__((warn_unused_result));

#endif
