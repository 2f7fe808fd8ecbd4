/* SPDX-License-Identifier: MIT
 *
 * All that a generator counted, whether it is a thread, a process or several on other hosts:
 * figures of parts are added to those of the whole, and nothing is lost by it (figures_add()). Who
 * generates increments the fields; times are in nanoseconds. Only what was measured is here: what
 * was asked for is in report.h.
 *
 * Requests of the ramp are in none of these but connections and bytes.
 */
#ifndef LOAD_FIGURES_H
#define LOAD_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#include "load/histogram.h"

/* Why a request has no answer, or no whole one. */
enum figures_error {
    FIGURES_CONNECT,    /* its connection was refused or did not come about */
    FIGURES_RESET,      /* the server closed, or reset, before the first byte of the answer */
    FIGURES_SHORT,      /* the same, after the first byte and before the last */
    FIGURES_MALFORMED,  /* what came is no HTTP */
    FIGURES_TIMEOUT,    /* not answered in the time it had */
    FIGURES_UNFINISHED, /* without an answer when the run ended */
    FIGURES_ERRORS
};

/* What ended a run before its time. */
enum figures_stop {
    FIGURES_NOT_STOPPED,
    FIGURES_SIGINT,
    FIGURES_SIGTERM,
    FIGURES_GIVE_UP, /* the oldest request waited longer than it should */
    FIGURES_STOPS
};

enum { FIGURES_STATUSES = 1000 };

struct figures {
    struct histogram lag; /* intended to taken up, and to sent where an idle connection was there */
    struct histogram latency; /* intended to the last byte of the answer, or its end without one */
    struct histogram service; /* sent to the same */
    uint64_t due;             /* arrivals that the schedule had in the window until it ended */
    uint64_t requests;        /* of those, taken up (sent or queued) by then */
    uint64_t answered;        /* with a whole answer, whatever its status */
    uint64_t statuses[FIGURES_STATUSES]; /* whole answers by status */
    uint64_t errors[FIGURES_ERRORS];
    int64_t oldest_ns;           /* age of the oldest that was unfinished; 0: none was */
    uint64_t connections_opened; /* in all */
    uint64_t connections_most;   /* open at a time; of several generators the sum */
    uint64_t shortages;          /* times that one could not be opened for want of something here */
    uint64_t queued_most;        /* requests that waited for a connection; of several the sum */
    uint64_t bytes;              /* received */
    double seconds;         /* of the window, as long as it really was; of several the longest */
    double busy;            /* share of its core that it used, of several the largest */
    double waited;          /* share of the time in which others had that core while it could have
                               run, of several the largest */
    int64_t *backlog_ns;    /* for each second the age of the oldest request without an answer */
    size_t backlog_seconds; /* how many of those there are */
    enum figures_stop stopped;
};

/* The words of JSON, the summary and the lines between agents: "connect", "SIGINT"; NULL of
 * FIGURES_NOT_STOPPED. */
const char *figures_error_name(enum figures_error error);
const char *figures_stop_name(enum figures_stop stop);

/* Figures of nothing; NULL without memory. figures_free() them. */
struct figures *figures_new(void) __attribute__((warn_unused_result));
void figures_free(struct figures *figures); /* NULL allowed */

/* Notes the age of the oldest request without an answer (0: all have theirs) at the end of the next
 * second. 0 or -ENOMEM. */
int figures_add_backlog(struct figures *figures, int64_t oldest_ns)
    __attribute__((warn_unused_result));

/* Adds a part's figures to those of the whole. 0 or -ENOMEM, the whole is then as it was. */
int figures_add(struct figures *whole, const struct figures *part)
    __attribute__((warn_unused_result));

/* Reasons why a run says nothing of the server, in words. All zero is none. */
struct reasons {
    char **words; /* each by malloc() */
    size_t count;
};

/* As printf(). 0 or -ENOMEM. */
int reasons_add(struct reasons *reasons, const char *format, ...)
    __attribute__((warn_unused_result, format(printf, 2, 3)));
void reasons_free(struct reasons *reasons);

/* Adds why these figures are void, if they are: the generator was late, busy, short of something,
 * or offered less or more than was asked. whose: "" or the beginning of each reason, as "agent a:
 * ". 0 or -ENOMEM. */
int figures_void(const struct figures *figures, const char *whose, struct reasons *reasons)
    __attribute__((warn_unused_result));

#endif
