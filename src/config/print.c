/* SPDX-License-Identifier: MIT
 *
 * The settings as text for people: --help, --print-config, config_describe().
 *
 * What --print-config writes, --config reads back to the same settings: values are
 * in their canonical spelling, and those at their default are comments, so that a
 * later version's better default is not overridden by a copy of today's.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/option.h"

enum { ACCEPTED_SIZE = 128, HELP_COLUMN = 30, HELP_WIDTH = 100 };

/* A stream on a copy of fd, so that closing it reports errors and leaves fd open. */
static FILE *open_stream(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *out;

    if (copy < 0)
        return NULL;
    out = fdopen(copy, "w");
    if (!out) {
        int saved = errno;
        close(copy);
        errno = saved;
    }
    return out;
}

static int close_stream(FILE *out)
{
    bool failed = ferror(out) != 0;

    errno = 0;
    if (fclose(out) != 0 || failed)
        return errno != 0 ? -errno : -EIO;
    return 0;
}

static void print_option(FILE *out, const struct config_option *option)
{
    char accepted[ACCEPTED_SIZE] = "";
    int width = fprintf(out, "  --%s%s%s", option->name, option->metavar ? "=" : "",
                        option->metavar ? option->metavar : "");
    const char *initial, *between;
    int room;

    fprintf(out, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", option->help);
    if (!config_option_is_setting(option))
        return;
    initial = option->initial[0] ? option->initial : "empty";
    if (option->kind != KIND_TEXT)
        config_option_accepted(option, accepted, sizeof(accepted));
    between = accepted[0] ? "; " : "";
    room = HELP_WIDTH - snprintf(NULL, 0, "(%s%sdefault %s)", accepted, between, initial);
    fprintf(out, "%*s(%s%sdefault %s)\n", room < HELP_COLUMN ? room : HELP_COLUMN, "", accepted,
            between, initial);
}

int config_print_help(int fd)
{
    FILE *out = open_stream(fd);
    const struct config_option *option;

    if (!out)
        return -errno;
    fputs("Usage: server [--NAME=VALUE ...]\n"
          "Serves one HTTP request handler under a concurrency model of your choice.\n\n"
          "Settings, from the command line, the environment (SERVER_MAX_HEADER=32k) or a\n"
          "configuration file (max-header = 32k), in this order of precedence:\n\n",
          out);
    for (option = config_options; option->name && config_option_is_setting(option); option++)
        print_option(out, option);
    fputs("\nOther options:\n\n", out);
    for (; option->name; option++)
        print_option(out, option);
    fputs("\nSIGTERM, SIGINT: finish requests and exit.  SIGHUP: read the settings again.\n"
          "SIGUSR1: reopen the access log.  Exit status: 64 for a bad option or value, 1\n"
          "when the server cannot start.\n",
          out);
    return close_stream(out);
}

/* Writes text as a value in a file. Returns 0 or -ENOMEM. */
static int print_quoted(FILE *out, const char *text)
{
    size_t size = config_file_quote(NULL, 0, text) + 1;
    char *quoted = malloc(size);

    if (!quoted)
        return -ENOMEM;
    config_file_quote(quoted, size, text);
    fputs(quoted, out);
    free(quoted);
    return 0;
}

int config_print(const struct config *config, int fd)
{
    char scratch[CONFIG_SCRATCH];
    char accepted[ACCEPTED_SIZE];
    int result = 0;
    FILE *out = open_stream(fd);
    int closed;

    if (!out)
        return -errno;
    fputs("# Settings of server; those at their default are comments.\n", out);
    for (const struct config_option *option = config_options; option->name; option++) {
        const char *value;
        bool is_default;

        if (!config_option_is_setting(option))
            continue;
        value = config_option_get(config, option, scratch);
        is_default = strcmp(value, option->initial) == 0;
        config_option_accepted(option, accepted, sizeof(accepted));
        fprintf(out, "\n# %s (%s)\n%s%s =%s", option->help, accepted, is_default ? "#" : "",
                option->name, value[0] ? " " : "");
        if (result == 0)
            result = print_quoted(out, value);
        fputc('\n', out);
    }
    closed = close_stream(out);
    return result != 0 ? result : closed;
}

bool config_describe(const struct config *config, size_t index, const char **name, char *value,
                     size_t value_size)
{
    char scratch[CONFIG_SCRATCH];
    const struct config_option *option = config_options;

    for (; index > 0 && option->name; index--)
        option++;
    if (!option->name || !config_option_is_setting(option))
        return false;
    *name = option->name;
    config_file_quote(value, value_size, config_option_get(config, option, scratch));
    return true;
}
