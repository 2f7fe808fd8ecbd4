/* SPDX-License-Identifier: MIT
 *
 * What is counted is added up; what is the same for all parts, or cannot be added, is of the part
 * that had most of it.
 */
#include "load/figures.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/duration.h"

/* What a run may have and still be a measurement of the server. */
enum {
    LAG_PARTS = 10,    /* lag is at most one part of so many of latency, both at 99 % */
    BUSY_PERCENT = 85, /* of its core */
    WAITED_PERCENT = 5,
    OFFERED_PARTS = 1000, /* offered may differ from asked by one of so many parts */
    COMPARED_AT = 9900,   /* per 10000 */
};

const char *figures_error_name(enum figures_error error)
{
    static const char *const names[FIGURES_ERRORS] = {
        [FIGURES_CONNECT] = "connect", [FIGURES_RESET] = "reset",
        [FIGURES_SHORT] = "short",     [FIGURES_MALFORMED] = "malformed",
        [FIGURES_TIMEOUT] = "timeout", [FIGURES_UNFINISHED] = "unfinished",
    };

    return names[error];
}

const char *figures_stop_name(enum figures_stop stop)
{
    static const char *const names[FIGURES_STOPS] = {
        [FIGURES_SIGINT] = "SIGINT",
        [FIGURES_SIGTERM] = "SIGTERM",
        [FIGURES_GIVE_UP] = "give-up",
    };

    return names[stop];
}

struct figures *figures_new(void)
{
    return calloc(1, sizeof(struct figures));
}

void figures_free(struct figures *figures)
{
    if (figures == NULL)
        return;
    free(figures->backlog_ns);
    free(figures);
}

int figures_add_backlog(struct figures *figures, int64_t oldest_ns)
{
    size_t seconds = figures->backlog_seconds;
    int64_t *longer = reallocarray(figures->backlog_ns, seconds + 1, sizeof *longer);

    if (longer == NULL)
        return -ENOMEM;
    longer[seconds] = oldest_ns;
    figures->backlog_ns = longer;
    figures->backlog_seconds = seconds + 1;
    return 0;
}

/* For each second the older of the two; one that did not last so long had nothing to wait for. */
static int add_backlogs(struct figures *whole, const struct figures *part)
{
    size_t had = whole->backlog_seconds;

    if (part->backlog_seconds > had) {
        size_t more = part->backlog_seconds - had;
        int64_t *longer = reallocarray(whole->backlog_ns, part->backlog_seconds, sizeof *longer);

        if (longer == NULL)
            return -ENOMEM;
        memset(longer + had, 0, more * sizeof *longer);
        whole->backlog_ns = longer;
        whole->backlog_seconds = part->backlog_seconds;
    }
    for (size_t i = 0; i < part->backlog_seconds; i++)
        if (part->backlog_ns[i] > whole->backlog_ns[i])
            whole->backlog_ns[i] = part->backlog_ns[i];
    return 0;
}

int figures_add(struct figures *whole, const struct figures *part)
{
    int error = add_backlogs(whole, part);

    if (error != 0)
        return error;
    histogram_add(&whole->lag, &part->lag);
    histogram_add(&whole->latency, &part->latency);
    histogram_add(&whole->service, &part->service);
    for (size_t i = 0; i < FIGURES_STATUSES; i++)
        whole->statuses[i] += part->statuses[i];
    for (size_t i = 0; i < FIGURES_ERRORS; i++)
        whole->errors[i] += part->errors[i];
    whole->due += part->due;
    whole->requests += part->requests;
    whole->answered += part->answered;
    whole->connections_opened += part->connections_opened;
    whole->connections_most += part->connections_most;
    whole->shortages += part->shortages;
    whole->queued_most += part->queued_most;
    whole->bytes += part->bytes;
    if (part->oldest_ns > whole->oldest_ns)
        whole->oldest_ns = part->oldest_ns;
    if (part->seconds > whole->seconds)
        whole->seconds = part->seconds;
    if (part->busy > whole->busy)
        whole->busy = part->busy;
    if (part->waited > whole->waited)
        whole->waited = part->waited;
    if (part->stopped > whole->stopped)
        whole->stopped = part->stopped;
    return 0;
}

int reasons_add(struct reasons *reasons, const char *format, ...)
{
    char **longer = reallocarray(reasons->words, reasons->count + 1, sizeof *longer);
    va_list arguments;
    int length;

    if (longer == NULL)
        return -ENOMEM;
    reasons->words = longer;
    va_start(arguments, format);
    length = vasprintf(&longer[reasons->count], format, arguments);
    va_end(arguments);
    if (length < 0)
        return -ENOMEM;
    reasons->count++;
    return 0;
}

void reasons_free(struct reasons *reasons)
{
    for (size_t i = 0; i < reasons->count; i++)
        free(reasons->words[i]);
    free(reasons->words);
    *reasons = (struct reasons){0};
}

int figures_void(const struct figures *figures, const char *whose, struct reasons *reasons)
{
    int64_t lag_ns = histogram_percentile_ns(&figures->lag, COMPARED_AT);
    int64_t latency_ns = histogram_percentile_ns(&figures->latency, COMPARED_AT);
    uint64_t off = figures->due > figures->requests ? figures->due - figures->requests
                                                    : figures->requests - figures->due;
    char lag[DURATION_BYTES], latency[DURATION_BYTES];
    int error = 0;

    if (figures->due == 0)
        error =
            reasons_add(reasons, "%smeasured nothing: it ended before a request was due", whose);
    if (error == 0 && latency_ns > 0 && lag_ns * LAG_PARTS > latency_ns)
        error = reasons_add(reasons,
                            "%slate itself: its 99 %% lag of %s is over a tenth of the 99 %% "
                            "latency of %s",
                            whose, duration_words(lag, (double)lag_ns),
                            duration_words(latency, (double)latency_ns));
    if (error == 0 && figures->busy * 100 > BUSY_PERCENT)
        error = reasons_add(reasons, "%sbusy itself: it used %.1f %% of its core, over %d %%",
                            whose, figures->busy * 100, BUSY_PERCENT);
    if (error == 0 && figures->waited * 100 > WAITED_PERCENT)
        error = reasons_add(reasons,
                            "%skept waiting itself: others had its core for %.1f %% of the time, "
                            "over %d %%",
                            whose, figures->waited * 100, WAITED_PERCENT);
    if (error == 0 && figures->shortages > 0)
        error = reasons_add(reasons,
                            "%sshort itself: %llu times it had no port, descriptor or memory for a "
                            "connection",
                            whose, (unsigned long long)figures->shortages);
    if (error == 0 && off * OFFERED_PARTS > figures->due)
        error = reasons_add(
            reasons, "%soffered %llu requests where %llu were due, over 0.1 %% apart", whose,
            (unsigned long long)figures->requests, (unsigned long long)figures->due);
    return error;
}
