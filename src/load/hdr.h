/* SPDX-License-Identifier: MIT
 *
 * A histogram as text that other programs read: HdrHistogram's "V2 compressed" encoding, in base64,
 * as it stands in its logs. Its header of 40 bytes and the counts, in zlib's format, after another
 * of 8. Numbers are big-endian; counts are ZigZag LEB128 of at most 9 bytes, where -n stands for n
 * steps without a count. Source: encodeIntoCompressedByteBuffer() and ZigZagEncoding in
 * HdrHistogram's AbstractHistogram.java.
 */
#ifndef LOAD_HDR_H
#define LOAD_HDR_H

#include <stddef.h>

#include "load/histogram.h"

/* The text, ended by a NUL, to be freed by the caller; NULL without memory. */
char *hdr_encode(const struct histogram *histogram) __attribute__((warn_unused_result));

/*
 * Reads length bytes of text into a histogram. 0; -EINVAL: it is no whole encoding of a histogram
 * with lowest value 1, three digits and counts up to HISTOGRAM_HIGHEST_NS at most; -ENOMEM. After
 * an error the histogram is as it was. Any text may be given, from whomever it is.
 */
int hdr_decode(const char *text, size_t length, struct histogram *histogram)
    __attribute__((warn_unused_result));

#endif
