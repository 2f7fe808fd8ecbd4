/* SPDX-License-Identifier: MIT
 *
 * The command line of scripts/load: what was asked for, checked as far as that goes without
 * looking at anything but the words themselves (and the file of a --body=@FILE).
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "load/arrivals.h"
#include "load/report.h"

enum options_wish { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/* Strings are those of the command line. Times are in seconds. */
struct options {
    const char *url;
    double rate; /* requests a second */
    double duration_s, ramp_s;
    double timeout_s; /* from the intended time of a request */
    double drain_s;   /* after the window */
    double spin_us;   /* before a request is due, and after one; more than a wake-up takes */
    double give_up_s; /* age of the oldest request at which the run ends; 0: never */
    double start_at;  /* Unix time; 0: at once */
    uint64_t seed;
    enum arrivals_spacing spacing;
    unsigned connections, threads;
    unsigned share, shares;
    struct report_path *paths; /* those of --path, or none; their weights add up to 1 */
    size_t path_count;
    char *body; /* NULL: none */
    size_t body_length;
    bool close;
    const char *unix_path; /* NULL: by the URL's host and port */
    const char *json;      /* NULL: none; "-": standard output */
    const char *agents;    /* NULL: this process makes the requests */
    bool agent;            /* it does, and was started by one with --agents */
    enum options_wish wish;
};

/* Reads the command line. 0, or -EINVAL with one line, without its end, in error. In both cases
 * options_free() it. */
int options_parse(struct options *options, int argc, char *const *argv, char *error,
                  size_t error_size) __attribute__((warn_unused_result));
void options_free(struct options *options);

const char *options_spacing_name(enum arrivals_spacing spacing);

/* What there is to be given. */
void options_help(FILE *to);

#endif
