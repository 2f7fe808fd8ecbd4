/* SPDX-License-Identifier: MIT
 *
 * What a run is told as: one JSON object with every figure, and a summary for people. Both say what
 * was asked for, what was measured, and why it is void if it is.
 */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "load/figures.h"

/* One of the paths asked for; its weight is its share of the requests. */
struct report_path {
    const char *path;
    double weight;
};

/* Figures of one of several hosts. */
struct report_agent {
    const char *host;
    const struct figures *figures; /* NULL: it failed */
    const char *failure;           /* why; NULL: it did not */
    const char *said;              /* its last complaint all the same; NULL: none */
    double rate;                   /* its part of the rate */
    uint64_t connections;          /* and of the connections */
};

/* What was asked for, and by whom. All of it is the caller's. */
struct report {
    char *const *command; /* argv */
    int command_length;
    const char *version;
    const char *url;
    const struct report_path *paths; /* of one path that one with weight 1 */
    size_t path_count;
    uint64_t seed;
    const char *spacing; /* "poisson" or "constant" */
    int threads;
    unsigned share, shares; /* share I of N, 0 of 1 for all of it */
    double started;         /* Unix time, in seconds, at which the window began */
    double seconds;         /* asked for */
    double rate;            /* requests a second asked of these figures (a share: its part) */
    uint64_t connections;   /* allowed */
    const struct figures *figures; /* of all */
    const struct report_agent *agents;
    size_t agent_count;            /* 0: this process did it */
    const struct reasons *reasons; /* why it is void; of count 0: it is not */
};

/* The percentiles that are told, each only where that says something: with ten samples beyond it.
 */
struct report_percentile {
    unsigned per_10000;
    const char *key;  /* in JSON: "p999" */
    const char *name; /* for people: "99.9 %" */
};

enum { REPORT_PERCENTILES = 5, REPORT_BEYOND = 10 };

extern const struct report_percentile report_percentiles[REPORT_PERCENTILES];

bool report_shows(const struct histogram *histogram, const struct report_percentile *percentile);

/* So many a second of what the figures measured. */
double report_rate(uint64_t count, const struct figures *figures);

/* Writes the JSON object and a newline. What could not be written is told by ferror(). 0 or
 * -ENOMEM. */
int report_json(const struct report *report, FILE *to) __attribute__((warn_unused_result));

/* Writes the summary, for a terminal of 80 columns. */
void report_summary(const struct report *report, FILE *to);

#endif
