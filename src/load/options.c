/* SPDX-License-Identifier: MIT
 *
 * One table says what each option is called, how its value is read and what it means; help, errors
 * and reading follow from it.
 */
#include "load/options.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PATHS_MOST = 1024,
    THREADS_MOST = 256,
    SHARES_MOST = 65536,
    CONNECTIONS_MOST = 1000000,
    RATE_MOST = 10000000,
    SECONDS_MOST = 86400,
    TIMEOUT_MOST_S = 3600, /* as far as the histograms reach */
    BODY_MOST = 64 << 20,
};

struct option;

/* false: the value is not what `accepted` says. */
typedef bool option_reader(const struct option *option, struct options *options, const char *value);

struct option {
    const char *name;
    const char *value; /* in help; NULL: it takes none */
    option_reader *read;
    size_t offset;        /* of the field, for those who read into one */
    double least, most;   /* of numbers */
    const char *accepted; /* in an error: "expected ..." */
    const char *meaning;
};

static void *field(const struct option *option, struct options *options)
{
    return (char *)options + option->offset;
}

static bool read_number(const char *text, double *number)
{
    char *end;

    if (strchr("0123456789.", *text) == NULL || *text == '\0')
        return false;
    *number = strtod(text, &end);
    return *end == '\0' && isfinite(*number);
}

static bool read_double(const struct option *option, struct options *options, const char *value)
{
    double number;

    if (!read_number(value, &number) || number < option->least || number > option->most)
        return false;
    *(double *)field(option, options) = number;
    return true;
}

static bool read_integer(const char *text, uint64_t most, uint64_t *number, const char **rest)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0 && *number <= most;
}

static bool read_unsigned(const struct option *option, struct options *options, const char *value)
{
    const char *rest;
    uint64_t number;

    if (!read_integer(value, (uint64_t)option->most, &number, &rest) || *rest != '\0' ||
        number < (uint64_t)option->least)
        return false;
    *(unsigned *)field(option, options) = (unsigned)number;
    return true;
}

static bool read_seed(const struct option *option, struct options *options, const char *value)
{
    const char *rest;

    return read_integer(value, UINT64_MAX, field(option, options), &rest) && *rest == '\0';
}

static bool read_share(const struct option *option, struct options *options, const char *value)
{
    uint64_t share, shares;
    const char *rest;

    (void)option;
    if (!read_integer(value, SHARES_MOST - 1, &share, &rest) || *rest != '/' ||
        !read_integer(rest + 1, SHARES_MOST, &shares, &rest) || *rest != '\0' || share >= shares)
        return false;
    options->share = (unsigned)share;
    options->shares = (unsigned)shares;
    return true;
}

static bool read_spacing(const struct option *option, struct options *options, const char *value)
{
    (void)option;
    for (enum arrivals_spacing s = ARRIVALS_POISSON; s <= ARRIVALS_CONSTANT; s++) {
        if (strcmp(value, options_spacing_name(s)) == 0) {
            options->spacing = s;
            return true;
        }
    }
    return false;
}

static bool read_text(const struct option *option, struct options *options, const char *value)
{
    if (*value == '\0')
        return false;
    *(const char **)field(option, options) = value;
    return true;
}

static bool read_flag(const struct option *option, struct options *options, const char *value)
{
    (void)value;
    *(bool *)field(option, options) = true;
    return true;
}

static bool read_wish(const struct option *option, struct options *options, const char *value)
{
    (void)value;
    options->wish = strcmp(option->name, "help") == 0 ? OPTIONS_HELP : OPTIONS_VERSION;
    return true;
}

/* PATH*WEIGHT; a path may itself have a * that no number follows. */
static bool read_path(const struct option *option, struct options *options, const char *value)
{
    const char *star = strrchr(value, '*');
    struct report_path *path;
    double weight = 1;

    (void)option;
    if (star != NULL && !read_number(star + 1, &weight)) {
        star = NULL;
        weight = 1;
    }
    if (*value != '/' || weight <= 0 || weight > 1e9 || options->path_count == PATHS_MOST)
        return false;
    path = &options->paths[options->path_count];
    path->path = star != NULL ? strndup(value, (size_t)(star - value)) : strdup(value);
    path->weight = weight;
    if (path->path == NULL)
        return false;
    options->path_count++;
    return true;
}

static bool read_file(FILE *file, struct options *options)
{
    size_t room = 0, length = 0;
    char *bytes = NULL;

    while (length <= BODY_MOST && !feof(file) && !ferror(file)) {
        if (length == room) {
            char *more = realloc(bytes, room = room * 2 + 4096);

            if (more == NULL)
                break;
            bytes = more;
        }
        length += fread(bytes + length, 1, room - length, file);
    }
    if (!feof(file) || ferror(file) || length > BODY_MOST) {
        free(bytes);
        return false;
    }
    free(options->body);
    options->body = bytes;
    options->body_length = length;
    return true;
}

static bool read_body(const struct option *option, struct options *options, const char *value)
{
    FILE *file;
    bool good;

    (void)option;
    if (*value != '@') {
        free(options->body);
        options->body = strdup(value);
        options->body_length = strlen(value);
        return options->body != NULL && options->body_length <= BODY_MOST;
    }
    file = fopen(value + 1, "re");
    if (file == NULL)
        return false;
    good = read_file(file, options);
    fclose(file);
    return good;
}

#define FIELD(name) offsetof(struct options, name)

static const struct option table[] = {
    {"rate", "R", read_double, FIELD(rate), 1e-6, RATE_MOST,
     "requests a second, more than 0 and at most 10000000", "requests a second; must be given"},
    {"duration", "S", read_double, FIELD(duration_s), 1e-3, SECONDS_MOST, "seconds, 0.001 to 86400",
     "seconds that are measured (10)"},
    {"ramp", "S", read_double, FIELD(ramp_s), 0, SECONDS_MOST, "seconds, 0 to 86400",
     "before that the rate climbs from 0 for so many seconds (0)"},
    {"connections", "N", read_unsigned, FIELD(connections), 1, CONNECTIONS_MOST,
     "a number from 1 to 1000000", "open at most so many; what finds all busy queues (1000)"},
    {"spacing", "HOW", read_spacing, 0, 0, 0, "poisson or constant",
     "of the arrivals: poisson or constant (poisson)"},
    {"seed", "N", read_seed, FIELD(seed), 0, 0, "a whole number of up to 64 bits",
     "of the arrivals (from the clock)"},
    {"threads", "N", read_unsigned, FIELD(threads), 1, THREADS_MOST, "a number from 1 to 256",
     "each makes its share of the arrivals (1)"},
    {"path", "PATH[*WEIGHT]", read_path, 0, 0, 0,
     "/PATH or /PATH*WEIGHT with a weight more than 0, at most 1024 times",
     "instead of the URL's; repeated, one is drawn by weight"},
    {"body", "TEXT|@FILE", read_body, 0, 0, 0, "text, or @ and a file that can be read",
     "POST it, up to 64 MiB"},
    {"close", NULL, read_flag, FIELD(close), 0, 0, "", "a connection for each request"},
    {"unix", "PATH", read_text, FIELD(unix_path), 0, 0, "the path of a socket",
     "connect there; the URL gives Host and path"},
    {"timeout", "S", read_double, FIELD(timeout_s), 1e-3, TIMEOUT_MOST_S, "seconds, 0.001 to 3600",
     "from the intended time of a request to its answer (10)"},
    {"drain", "S", read_double, FIELD(drain_s), 0, TIMEOUT_MOST_S, "seconds, 0 to 3600",
     "wait for answers after the last arrival (1, at most --timeout)"},
    {"spin", "US", read_double, FIELD(spin_us), 0, 1e6, "microseconds, 0 to 1000000",
     "never sleep so shortly before and after a request, which keeps a core busy (100)"},
    {"give-up", "S", read_double, FIELD(give_up_s), 1e-3, TIMEOUT_MOST_S, "seconds, 0.001 to 3600",
     "end when the oldest request is older (never)"},
    {"json", "FILE", read_text, FIELD(json), 0, 0, "a file, or - for standard output",
     "write every figure there; -: to standard output"},
    {"agents", "HOST,...", read_text, FIELD(agents), 0, 0, "names of hosts, divided by commas",
     "make the requests on these, by ssh (see the README); local: here"},
    {"agent", NULL, read_flag, FIELD(agent), 0, 0, "", "what --agents starts, and talks to"},
    {"share", "I/N", read_share, 0, 0, 0, "I/N, where I is 0 to N-1 and N at most 65536",
     "every N-th arrival from the I-th on (0/1)"},
    {"start-at", "TIME", read_double, FIELD(start_at), 1, 1e11, "seconds of Unix time",
     "when the schedule begins, in Unix time (at once)"},
    {"version", NULL, read_wish, 0, 0, 0, "", "say which this is"},
    {"help", NULL, read_wish, 0, 0, 0, "", "say this"},
};

enum { OPTIONS = sizeof table / sizeof *table };

const char *options_spacing_name(enum arrivals_spacing spacing)
{
    return spacing == ARRIVALS_POISSON ? "poisson" : "constant";
}

void options_help(FILE *to)
{
    fputs("load --rate=R [options] http://HOST[:PORT]/PATH\n"
          "Makes requests at times that do not depend on the answers, and says how long each took\n"
          "from the time at which it was to be made.\n\n",
          to);
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *o = &table[i];
        int width = fprintf(to, "  --%s%s%s", o->name, o->value != NULL ? "=" : "",
                            o->value != NULL ? o->value : "");

        fprintf(to, "%*s%s\n", 26 - width, "", o->meaning);
    }
    fputs("\nExit status: 0 measured, 3 measured but void, 1 nothing measured, 64 bad usage.\n",
          to);
}

static const struct option *find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
            return &table[i];
    }
    return NULL;
}

/* The option at *argument; *argument is moved to its value where that is the next word. */
static int parse_one(struct options *options, char *const **argument, char *error, size_t size)
{
    const char *word = **argument + 2, *equals = strchr(word, '=');
    size_t length = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct option *option = find(word, length);
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (option == NULL) {
        snprintf(error, size, "--%.*s: there is no such option; see --help", (int)length, word);
        return -EINVAL;
    }
    if (option->value == NULL && value != NULL) {
        snprintf(error, size, "--%s: takes no value", word);
        return -EINVAL;
    }
    if (option->value != NULL && value == NULL) {
        value = (*argument)[1];
        if (value == NULL) {
            snprintf(error, size, "--%s: expected %s", option->name, option->accepted);
            return -EINVAL;
        }
        ++*argument;
    }
    if (!option->read(option, options, value)) {
        snprintf(error, size, "--%s=%s: expected %s", option->name, value, option->accepted);
        return -EINVAL;
    }
    return 0;
}

/* Weights become shares. */
static void share_paths(struct options *options)
{
    double all = 0;

    for (size_t i = 0; i < options->path_count; i++)
        all += options->paths[i].weight;
    for (size_t i = 0; i < options->path_count; i++)
        options->paths[i].weight /= all;
}

/* What no single option can say. */
static int check(struct options *options, char *error, size_t size)
{
    const struct arrivals_plan plan = {.rate = options->rate, .duration_s = options->duration_s};

    if (options->url == NULL)
        snprintf(error, size, "expected the URL of a server, http://HOST[:PORT]/PATH; see --help");
    else if (options->rate == 0)
        snprintf(error, size, "expected --rate=R, requests a second; see --help");
    else if (arrivals_measured(&plan) == 0)
        snprintf(error, size, "--rate=%g --duration=%g: expected at least one request in that time",
                 options->rate, options->duration_s);
    else if (options->threads > options->connections)
        snprintf(error, size, "--threads=%u: expected at most as many as --connections=%u",
                 options->threads, options->connections);
    else if (options->drain_s > options->timeout_s)
        snprintf(error, size, "--drain=%g: expected at most --timeout=%g", options->drain_s,
                 options->timeout_s);
    else if (options->agents != NULL && !options->agent && options->shares > 1)
        snprintf(error, size, "--share=%u/%u: expected without --agents, each of which has a share",
                 options->share, options->shares);
    else
        return 0;
    return -EINVAL;
}

static uint64_t seed_of_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int options_parse(struct options *options, int argc, char *const *argv, char *error, size_t size)
{
    bool only_words = false;

    *options = (struct options){.duration_s = 10,
                                .timeout_s = 10,
                                .drain_s = -1,
                                .spin_us = 100,
                                .seed = seed_of_clock(),
                                .connections = 1000,
                                .threads = 1,
                                .shares = 1,
                                .paths = calloc(PATHS_MOST, sizeof *options->paths)};
    if (options->paths == NULL) {
        snprintf(error, size, "no memory");
        return -EINVAL;
    }
    for (char *const *argument = argv + 1; argument < argv + argc; argument++) {
        if (!only_words && strcmp(*argument, "--") == 0) {
            only_words = true;
        } else if (!only_words && strncmp(*argument, "--", 2) == 0) {
            if (parse_one(options, &argument, error, size) < 0)
                return -EINVAL;
        } else if (options->url != NULL) {
            snprintf(error, size, "%s: expected one URL, and there is %s before it", *argument,
                     options->url);
            return -EINVAL;
        } else {
            options->url = *argument;
        }
    }
    share_paths(options);
    if (options->drain_s < 0)
        options->drain_s = options->timeout_s < 1 ? options->timeout_s : 1;
    return options->wish != OPTIONS_RUN ? 0 : check(options, error, size);
}

void options_free(struct options *options)
{
    for (size_t i = 0; i < options->path_count; i++)
        free((char *)(uintptr_t)options->paths[i].path);
    free(options->paths);
    free(options->body);
}
