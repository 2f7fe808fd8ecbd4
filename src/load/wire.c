/* SPDX-License-Identifier: MIT
 *
 * One table says which fields there are, for both directions.
 */
#include "load/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "load/hdr.h"

enum kind { COUNT, NANOSECONDS, FRACTION, STOP, HISTOGRAM };

#define FIELD(kind, name)                                                                          \
    {                                                                                              \
#name, kind, offsetof(struct figures, name)                                                \
    }

static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
    FIELD(COUNT, due),
    FIELD(COUNT, requests),
    FIELD(COUNT, answered),
    FIELD(COUNT, connections_opened),
    FIELD(COUNT, connections_most),
    FIELD(COUNT, shortages),
    FIELD(COUNT, queued_most),
    FIELD(COUNT, bytes),
    FIELD(NANOSECONDS, oldest_ns),
    FIELD(FRACTION, seconds),
    FIELD(FRACTION, busy),
    FIELD(FRACTION, waited),
    FIELD(STOP, stopped),
    FIELD(HISTOGRAM, lag),
    FIELD(HISTOGRAM, latency),
    FIELD(HISTOGRAM, service),
};

enum { FIELDS = sizeof fields / sizeof *fields };

static int write_histogram(const char *name, const struct histogram *histogram, FILE *to)
{
    char *text = hdr_encode(histogram);

    if (text == NULL)
        return -ENOMEM;
    fprintf(to, "%s %s\n", name, text);
    free(text);
    return 0;
}

static int write_field(const struct field *field, const struct figures *figures, FILE *to)
{
    const void *at = (const char *)figures + field->offset;

    switch (field->kind) {
    case COUNT:
        fprintf(to, "%s %" PRIu64 "\n", field->name, *(const uint64_t *)at);
        return 0;
    case NANOSECONDS:
        fprintf(to, "%s %" PRId64 "\n", field->name, *(const int64_t *)at);
        return 0;
    case FRACTION:
        fprintf(to, "%s %.17g\n", field->name, *(const double *)at);
        return 0;
    case STOP:
        fprintf(to, "%s %d\n", field->name, (int)*(const enum figures_stop *)at);
        return 0;
    case HISTOGRAM:
        return write_histogram(field->name, at, to);
    }
    return -EINVAL;
}

int wire_write(const struct figures *figures, FILE *to)
{
    for (size_t i = 0; i < FIELDS; i++) {
        int error = write_field(&fields[i], figures, to);

        if (error != 0)
            return error;
    }
    for (int code = 0; code < FIGURES_STATUSES; code++)
        if (figures->statuses[code] > 0)
            fprintf(to, "status %d %" PRIu64 "\n", code, figures->statuses[code]);
    for (enum figures_error error = 0; error < FIGURES_ERRORS; error++)
        fprintf(to, "error %s %" PRIu64 "\n", figures_error_name(error), figures->errors[error]);
    for (size_t i = 0; i < figures->backlog_seconds; i++)
        fprintf(to, "backlog %" PRId64 "\n", figures->backlog_ns[i]);
    fputs("end\n", to);
    return 0;
}

/* A whole number of least to most and nothing else. */
static int read_number(const char *text, int64_t most, int64_t *number)
{
    char *end;
    long long read;

    errno = 0;
    read = strtoll(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || read > most)
        return -EINVAL;
    *number = read;
    return 0;
}

/* A count too is at most INT64_MAX. */
static int read_count(const char *text, uint64_t *count)
{
    int64_t number;
    int error = read_number(text, INT64_MAX, &number);

    if (error == 0)
        *count = (uint64_t)number;
    return error;
}

static int read_field(const struct field *field, const char *text, struct figures *figures)
{
    void *at = (char *)figures + field->offset;
    int64_t number;
    char *end;
    int error;

    switch (field->kind) {
    case COUNT:
        return read_count(text, at);
    case NANOSECONDS:
        return read_number(text, INT64_MAX, at);
    case FRACTION:
        *(double *)at = strtod(text, &end);
        return *text >= '0' && *text <= '9' && *end == '\0' ? 0 : -EINVAL;
    case STOP:
        error = read_number(text, FIGURES_STOPS - 1, &number);
        if (error == 0)
            *(enum figures_stop *)at = (enum figures_stop)number;
        return error;
    case HISTOGRAM:
        return hdr_decode(text, strlen(text), at);
    }
    return -EINVAL;
}

/* "CODE COUNT" */
static int read_status(const char *text, struct figures *figures)
{
    const char *space = strchr(text, ' ');
    char code[4] = "";
    int64_t number;

    if (space == NULL || space - text > 3)
        return -EINVAL;
    memcpy(code, text, (size_t)(space - text));
    if (read_number(code, FIGURES_STATUSES - 1, &number) != 0)
        return -EINVAL;
    return read_count(space + 1, &figures->statuses[number]);
}

/* "NAME COUNT" */
static int read_error(const char *text, struct figures *figures)
{
    for (enum figures_error error = 0; error < FIGURES_ERRORS; error++) {
        const char *name = figures_error_name(error);
        size_t length = strlen(name);

        if (strncmp(text, name, length) == 0 && text[length] == ' ')
            return read_count(text + length + 1, &figures->errors[error]);
    }
    return -EINVAL;
}

static int read_backlog(const char *text, struct figures *figures)
{
    int64_t oldest_ns;

    if (read_number(text, INT64_MAX, &oldest_ns) != 0)
        return -EINVAL;
    return figures_add_backlog(figures, oldest_ns);
}

/* Where the rest of a line that begins with a name begins; NULL: it does not. */
static const char *after(const char *line, const char *name)
{
    size_t length = strlen(name);

    return strncmp(line, name, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

int wire_read(const char *line, struct figures *figures)
{
    const char *rest;

    if (strcmp(line, "end") == 0)
        return 1;
    if ((rest = after(line, "status")) != NULL)
        return read_status(rest, figures);
    if ((rest = after(line, "error")) != NULL)
        return read_error(rest, figures);
    if ((rest = after(line, "backlog")) != NULL)
        return read_backlog(rest, figures);
    for (size_t i = 0; i < FIELDS; i++)
        if ((rest = after(line, fields[i].name)) != NULL)
            return read_field(&fields[i], rest, figures);
    return -EINVAL;
}
