/* SPDX-License-Identifier: MIT
 *
 * The report for people: what was asked, the three times side by side, what came back, what the
 * generator could not do, and whether all that says something of the server.
 */
#include "load/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "load/duration.h"

enum {
    COLUMNS = 80, /* of a terminal */
    LABEL = 15,   /* before what is said */
    CELL = 14,    /* a time */
    HOST = 20,    /* an agent */
    TEXT = 160,
};

/* How errors are told, after their number. */
static const char *const error_words[FIGURES_ERRORS] = {
    [FIGURES_CONNECT] = "could not connect",
    [FIGURES_RESET] = "closed by the server before an answer",
    [FIGURES_SHORT] = "closed by the server amid an answer",
    [FIGURES_MALFORMED] = "answered with what is no HTTP",
    [FIGURES_TIMEOUT] = "not answered in time",
    [FIGURES_UNFINISHED] = "unfinished at the end",
};

/* A list that goes on in the next line where it would become too long. */
struct list {
    FILE *to;
    size_t column;
};

/* A line's label; what follows it begins at the same column in all. */
static struct list begin(FILE *to, const char *label)
{
    fprintf(to, "%-*s", LABEL, label);
    return (struct list){to, LABEL};
}

/* Adds one to the list, after a comma if it is not the first. As printf(), in ASCII. */
__attribute__((format(printf, 2, 3))) static void item(struct list *list, const char *format, ...)
{
    bool first = list->column == LABEL;
    char text[TEXT];
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    length = strlen(text);
    if (!first && list->column + length + 3 > COLUMNS) { /* two before it, a comma behind it */
        fprintf(list->to, ",\n%*s", LABEL, "");
        list->column = LABEL;
    } else if (!first) {
        fputs(", ", list->to);
        list->column += 2;
    }
    fputs(text, list->to);
    list->column += length;
}

/* 1234567 as 1,234,567, with so many decimals. Returns text. */
static const char *grouped(char text[TEXT], double number, int decimals)
{
    char plain[TEXT / 2];
    size_t made = 0, whole;

    snprintf(plain, sizeof plain, "%.*f", decimals, number);
    whole = strcspn(plain, ".");
    for (size_t i = 0; plain[i] != '\0'; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0)
            text[made++] = ',';
        text[made++] = plain[i];
    }
    text[made] = '\0';
    return text;
}

static const char *counted(char text[TEXT], uint64_t count)
{
    return grouped(text, (double)count, 0);
}

/* A rate as it is, but at most one decimal where it is 100 or more. */
static const char *rated(char text[TEXT], double rate)
{
    if (rate >= 100 || fabs(rate - nearbyint(rate)) < 1e-9)
        return grouped(text, rate, fabs(rate - nearbyint(rate)) < 0.05 ? 0 : 1);
    snprintf(text, TEXT, "%.3g", rate);
    return text;
}

/* A time, right-aligned; a dash where it is not shown. The one letter that is no ASCII has two
 * bytes. */
static void cell(FILE *to, bool shown, double ns)
{
    char words[DURATION_BYTES] = "-";

    if (shown)
        duration_words(words, ns);
    fprintf(to, "%*s", strstr(words, "µ") != NULL ? CELL + 1 : CELL, words);
}

static void times(FILE *to, const struct figures *figures)
{
    const struct histogram *columns[] = {&figures->latency, &figures->service, &figures->lag};

    fprintf(to, "%-*s%*s%*s%*s\n", LABEL, "", CELL, "latency", CELL, "service", CELL, "lag");
    fprintf(to, "%-*s%*s%*s%*s\n", LABEL, "", CELL, "due to done", CELL, "sent to done", CELL,
            "due to sent");
    fprintf(to, "%-*s", LABEL, "  mean");
    for (size_t i = 0; i < 3; i++)
        cell(to, histogram_total(columns[i]) > 0, histogram_mean_ns(columns[i]));
    for (size_t row = 0; row < REPORT_PERCENTILES; row++) {
        const struct report_percentile *percentile = &report_percentiles[row];

        fprintf(to, "\n  %-*s", LABEL - 2, percentile->name);
        for (size_t i = 0; i < 3; i++)
            cell(to, report_shows(columns[i], percentile),
                 (double)histogram_percentile_ns(columns[i], percentile->per_10000));
    }
    fprintf(to, "\n%-*s", LABEL, "  highest");
    for (size_t i = 0; i < 3; i++)
        cell(to, histogram_total(columns[i]) > 0, (double)histogram_max_ns(columns[i]));
    fputs("\n\n", to);
}

static void asked(FILE *to, const struct report *report)
{
    struct list list;
    char text[TEXT];

    fprintf(to, "%s\n", report->url);
    if (report->path_count > 1) {
        list = begin(to, "  paths");
        for (size_t i = 0; i < report->path_count; i++)
            item(&list, "%s (%.3g %%)", report->paths[i].path, report->paths[i].weight * 100);
        fputs("\n", to);
    }
    list = begin(to, "  asked for");
    item(&list, "%s requests a second for %.6g s", rated(text, report->rate), report->seconds);
    item(&list, "%s", report->spacing);
    item(&list, "seed %" PRIu64, report->seed);
    if (report->shares > 1)
        item(&list, "share %u of %u", report->share, report->shares);
    if (report->threads > 1)
        item(&list, "%d threads", report->threads);
    if (report->agent_count > 0)
        item(&list, "%zu agents", report->agent_count);
    fputs("\n\n", to);
}

/* Begins the next of several lines that belong to one label, which the first of them has. */
static struct list next_line(FILE *to, const char *label, size_t *lines)
{
    return begin(to, (*lines)++ == 0 ? label : "");
}

static void statuses(FILE *to, const struct figures *figures)
{
    size_t lines = 0;
    struct list list;
    char text[TEXT];

    for (int code = 0; code < FIGURES_STATUSES; code++) {
        if (figures->statuses[code] == 0)
            continue;
        list = next_line(to, "  statuses", &lines);
        item(&list, "%03d: %s\n", code, counted(text, figures->statuses[code]));
    }
    if (lines == 0) {
        list = begin(to, "  statuses");
        item(&list, "none\n");
    }
}

static void errors(FILE *to, const struct figures *figures)
{
    char text[TEXT], age[DURATION_BYTES];
    size_t lines = 0;
    struct list list;

    for (enum figures_error error = 0; error < FIGURES_ERRORS; error++) {
        if (figures->errors[error] == 0)
            continue;
        list = next_line(to, "  errors", &lines);
        item(&list, "%s %s", counted(text, figures->errors[error]), error_words[error]);
        if (error == FIGURES_UNFINISHED)
            item(&list, "the oldest for %s", duration_words(age, (double)figures->oldest_ns));
        fputs("\n", to);
    }
    if (lines == 0) {
        list = begin(to, "  errors");
        item(&list, "none\n");
    }
}

static void measured(FILE *to, const struct report *report)
{
    const struct figures *figures = report->figures;
    char text[TEXT], more[TEXT], most[TEXT];
    struct list list = begin(to, "  offered");

    item(&list, "%s/s: %s of %s requests in %.4g s\n",
         rated(text, report_rate(figures->requests, figures)), counted(more, figures->requests),
         counted(most, figures->due), figures->seconds);
    list = begin(to, "  answered");
    item(&list, "%s/s: %s requests\n", rated(text, report_rate(figures->answered, figures)),
         counted(more, figures->answered));
    statuses(to, figures);
    errors(to, figures);
    list = begin(to, "  connections");
    item(&list, "%s of %s open at most", counted(text, figures->connections_most),
         counted(more, report->connections));
    item(&list, "%s opened", counted(text, figures->connections_opened));
    if (figures->queued_most > 0)
        item(&list, "up to %s requests waited for one", counted(text, figures->queued_most));
    fputs("\n", to);
    list = begin(to, "  generator");
    item(&list, "used %.0f %% of its core", figures->busy * 100);
    if (figures->waited >= 0.005) /* what is told is not 0 */
        item(&list, "waited for it %.0f %% of the time", figures->waited * 100);
    if (figures->stopped == FIGURES_GIVE_UP)
        item(&list, "gave up: the oldest request waited too long");
    else if (figures->stopped != FIGURES_NOT_STOPPED)
        item(&list, "was stopped by %s", figures_stop_name(figures->stopped));
    fputs("\n", to);
}

static void agents(FILE *to, const struct report *report)
{
    const struct report_percentile *p99 = &report_percentiles[2];
    char text[TEXT];

    if (report->agent_count == 0)
        return;
    fprintf(to, "\n%-*s%*s%*s%*s%*s\n", HOST, "  agent", CELL, "offered/s", CELL, "99 % latency",
            CELL, "99 % lag", CELL, "core");
    for (size_t i = 0; i < report->agent_count; i++) {
        const struct report_agent *agent = &report->agents[i];
        const struct figures *figures = agent->figures;

        fprintf(to, "  %-*s", HOST - 2, agent->host);
        if (figures == NULL) {
            fprintf(to, " failed: %s\n", agent->failure);
            continue;
        }
        fprintf(to, "%*s", CELL, rated(text, report_rate(figures->requests, figures)));
        cell(to, report_shows(&figures->latency, p99),
             (double)histogram_percentile_ns(&figures->latency, p99->per_10000));
        cell(to, report_shows(&figures->lag, p99),
             (double)histogram_percentile_ns(&figures->lag, p99->per_10000));
        fprintf(to, "%*.0f %%\n", CELL - 2, figures->busy * 100);
    }
}

/* The words of a reason, in as many lines as they need. */
static void reason(FILE *to, const char *words)
{
    size_t column = 0;

    while (*words != '\0') {
        size_t length = strcspn(words, " ");

        if (strncmp(words + length, " %", 2) == 0) /* which stays with its number */
            length += 2;
        if (column > 0 && column + 1 + length <= COLUMNS) {
            fputc(' ', to);
            column++;
        } else {
            column = (size_t)fprintf(to, column == 0 ? "  " : "\n    ");
        }
        column += fwrite(words, 1, length, to);
        words += length + strspn(words + length, " ");
    }
    fputc('\n', to);
}

void report_summary(const struct report *report, FILE *to)
{
    asked(to, report);
    times(to, report->figures);
    measured(to, report);
    agents(to, report);
    if (report->reasons->count == 0)
        return;
    fputs("\nvoid: this says nothing of the server\n", to);
    for (size_t i = 0; i < report->reasons->count; i++)
        reason(to, report->reasons->words[i]);
}
