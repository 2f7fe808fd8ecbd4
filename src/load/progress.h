/* SPDX-License-Identifier: MIT
 *
 * What a run says of itself while it goes on, on standard error: a line that is rewritten each
 * second on a terminal, one every ten seconds elsewhere.
 */
#ifndef LOAD_PROGRESS_H
#define LOAD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    double seconds; /* the whole schedule: ramp and window */
    bool terminal;
    double said_s;     /* when a line was last written */
    uint64_t answered; /* by then */
    bool line_open;    /* the line on the terminal has no end yet */
};

/* How things stand. */
struct progress_now {
    double passed_s;   /* since the schedule began */
    uint64_t answered; /* so far */
    int64_t oldest_ns; /* age of the oldest request without an answer */
    unsigned connections;
};

void progress_begin(struct progress *progress, double seconds);

/* Writes a line, if it is time for one. Called about once a second. */
void progress_say(struct progress *progress, const struct progress_now *now);

/* Ends the line on a terminal: what follows begins at the left edge. */
void progress_end(struct progress *progress);

#endif
