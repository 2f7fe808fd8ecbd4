/* SPDX-License-Identifier: MIT
 *
 * The Date field of answers: one formatted line a second and worker.
 */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "http.h"

/* Length in bytes of "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n". */
enum { HTTP_DATE_LINE = 37 };

/* That line for the current second, HTTP_DATE_LINE bytes, valid until the next call. */
const char *http_clock_line(struct http_clock *clock);

#endif
