/* SPDX-License-Identifier: MIT
 *
 * A time as people read it: three digits and a unit, "1.23 ms".
 */
#ifndef LOAD_DURATION_H
#define LOAD_DURATION_H

enum { DURATION_BYTES = 32 };

/* The words for so many nanoseconds (at least 0), which it returns. Microseconds have the one
 * letter that is no ASCII. */
const char *duration_words(char words[DURATION_BYTES], double ns);

#endif
