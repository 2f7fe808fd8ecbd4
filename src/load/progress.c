/* SPDX-License-Identifier: MIT
 *
 * See progress.h.
 */
#include "load/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "load/duration.h"

#define LINE_EVERY_S     10.0
#define TERMINAL_EVERY_S 1.0
#define TO_LINE_START    "\r\033[K" /* and what was there is erased */

void progress_begin(struct progress *p, double seconds)
{
    *p = (struct progress){.seconds = seconds, .terminal = isatty(STDERR_FILENO) == 1};
}

void progress_say(struct progress *p, const struct progress_now *now)
{
    double since_s = now->passed_s - p->said_s;
    double left_s = p->seconds - now->passed_s;
    char oldest[DURATION_BYTES];

    /* Whoever wakes up a little early is not to wait for the next time. */
    if (now->passed_s < 0 || since_s < (p->terminal ? TERMINAL_EVERY_S : LINE_EVERY_S) - 0.5)
        return;
    fprintf(stderr, "%sload: %.0f s, %.0f s left: %.0f answers a second",
            p->terminal ? TO_LINE_START : "", now->passed_s, left_s > 0 ? left_s : 0,
            (double)(now->answered - p->answered) / since_s);
    fprintf(stderr, ", %u connections, the oldest request %s old%s", now->connections,
            duration_words(oldest, (double)now->oldest_ns), p->terminal ? "" : "\n");
    fflush(stderr);
    p->said_s = now->passed_s;
    p->answered = now->answered;
    p->line_open = p->terminal;
}

void progress_end(struct progress *p)
{
    if (p->line_open)
        fputs(TO_LINE_START, stderr);
    p->line_open = false;
}
