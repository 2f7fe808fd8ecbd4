/* SPDX-License-Identifier: MIT
 *
 * The report as one JSON object. Times are in microseconds, but for the histograms, whose values
 * are nanoseconds.
 */
#include "load/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "load/hdr.h"
#include "load/json.h"

/* ", " before all but the first. */
static void separate(FILE *to, bool *first)
{
    if (!*first)
        fputs(", ", to);
    *first = false;
}

static int put_times(FILE *to, const char *name, const struct histogram *histogram)
{
    char *text = hdr_encode(histogram);

    if (text == NULL)
        return -ENOMEM;
    fprintf(to, "\"%s\": {\"count\": %" PRIu64 ", \"mean\": %.3f", name, histogram_total(histogram),
            histogram_mean_ns(histogram) / 1e3);
    for (size_t i = 0; i < REPORT_PERCENTILES; i++) {
        const struct report_percentile *percentile = &report_percentiles[i];

        fprintf(to, ", \"%s\": ", percentile->key);
        if (report_shows(histogram, percentile))
            fprintf(to, "%.3f",
                    (double)histogram_percentile_ns(histogram, percentile->per_10000) / 1e3);
        else
            fputs("null", to);
    }
    fprintf(to, ", \"max\": %.3f, \"hdr\": \"%s\"}", (double)histogram_max_ns(histogram) / 1e3,
            text);
    free(text);
    return 0;
}

static void put_kinds(FILE *to, const struct figures *figures)
{
    bool first = true;

    fputs("\"statuses\": {", to);
    for (int code = 0; code < FIGURES_STATUSES; code++) {
        if (figures->statuses[code] == 0)
            continue;
        separate(to, &first);
        fprintf(to, "\"%d\": %" PRIu64, code, figures->statuses[code]);
    }
    fputs("},\n \"errors\": {", to);
    first = true;
    for (enum figures_error error = 0; error < FIGURES_ERRORS; error++) {
        separate(to, &first);
        fprintf(to, "\"%s\": %" PRIu64, figures_error_name(error), figures->errors[error]);
    }
    fprintf(to, "},\n \"unfinished\": {\"count\": %" PRIu64 ", \"oldest_us\": %.3f}",
            figures->errors[FIGURES_UNFINISHED], (double)figures->oldest_ns / 1e3);
}

static void put_reasons(FILE *to, const struct reasons *reasons)
{
    bool first = true;

    fputs("\"void\": [", to);
    for (size_t i = 0; i < reasons->count; i++) {
        separate(to, &first);
        json_string(to, reasons->words[i]);
    }
    fputs("]", to);
}

/* The part that each agent has as well. */
static int put_figures(FILE *to, const struct figures *figures, double rate, uint64_t connections)
{
    bool first = true;
    int error;

    fputs("\"seconds\": ", to);
    json_number(to, figures->seconds);
    fprintf(to, ", \"due\": %" PRIu64 ", \"requests\": %" PRIu64 ", \"answered\": %" PRIu64,
            figures->due, figures->requests, figures->answered);
    fputs(",\n \"rate_asked\": ", to);
    json_number(to, rate);
    fprintf(to, ", \"rate_offered\": %.3f, \"rate_answered\": %.3f,\n ",
            report_rate(figures->requests, figures), report_rate(figures->answered, figures));
    error = put_times(to, "lag_us", &figures->lag);
    fputs(",\n ", to);
    if (error == 0)
        error = put_times(to, "latency_us", &figures->latency);
    fputs(",\n ", to);
    if (error == 0)
        error = put_times(to, "service_us", &figures->service);
    if (error != 0)
        return error;
    fputs(",\n ", to);
    put_kinds(to, figures);
    fprintf(to,
            ",\n \"connections\": {\"asked\": %" PRIu64 ", \"most\": %" PRIu64
            ", \"opened\": %" PRIu64 ", \"queued_most\": %" PRIu64 "},\n \"bytes\": %" PRIu64
            ", \"cpu\": {\"busy\": %.4f, \"waited\": %.4f},\n \"backlog\": [",
            connections, figures->connections_most, figures->connections_opened,
            figures->queued_most, figures->bytes, figures->busy, figures->waited);
    for (size_t i = 0; i < figures->backlog_seconds; i++) {
        separate(to, &first);
        fprintf(to, "[%zu, %.3f]", i + 1, (double)figures->backlog_ns[i] / 1e3);
    }
    fputs("],\n \"stopped\": ", to);
    json_string(to, figures_stop_name(figures->stopped));
    return 0;
}

static int put_agents(FILE *to, const struct report *report)
{
    bool first = true;

    fputs(",\n \"agents\": [", to);
    for (size_t i = 0; i < report->agent_count; i++) {
        const struct report_agent *agent = &report->agents[i];
        int error = 0;

        separate(to, &first);
        fputs("\n {\"host\": ", to);
        json_string(to, agent->host);
        fputs(", \"failure\": ", to);
        json_string(to, agent->failure);
        if (agent->figures != NULL) {
            fputs(",\n ", to);
            error = put_figures(to, agent->figures, agent->rate, agent->connections);
        }
        if (error != 0)
            return error;
        fputs("}", to);
    }
    fputs("]", to);
    return 0;
}

static void put_asked(FILE *to, const struct report *report)
{
    bool first = true;

    fputs("{\"schema\": 1, \"version\": ", to);
    json_string(to, report->version);
    fputs(",\n \"command\": [", to);
    for (int i = 0; i < report->command_length; i++) {
        separate(to, &first);
        json_string(to, report->command[i]);
    }
    fputs("],\n \"url\": ", to);
    json_string(to, report->url);
    fputs(", \"paths\": {", to);
    first = true;
    for (size_t i = 0; i < report->path_count; i++) {
        separate(to, &first);
        json_string(to, report->paths[i].path);
        fputs(": ", to);
        json_number(to, report->paths[i].weight);
    }
    fprintf(to,
            "},\n \"seed\": %" PRIu64 ", \"spacing\": \"%s\", \"threads\": %d, \"share\": [%u, %u]"
            ",\n \"started\": %.6f, \"seconds_asked\": ",
            report->seed, report->spacing, report->threads, report->share, report->shares,
            report->started);
    json_number(to, report->seconds);
    fputs(", ", to);
}

int report_json(const struct report *report, FILE *to)
{
    int error;

    put_asked(to, report);
    error = put_figures(to, report->figures, report->rate, report->connections);
    if (error == 0 && report->agent_count > 0)
        error = put_agents(to, report);
    if (error != 0)
        return error;
    fputs(",\n ", to);
    put_reasons(to, report->reasons);
    fputs("}\n", to);
    return 0;
}
