/* SPDX-License-Identifier: MIT
 *
 * The settings of one generation of workers: the configuration, and the model it names.
 *
 * Read at the start and again at each reload, from the same command line, the same environment
 * and whatever the configuration file then holds.
 */
#ifndef MASTER_SETTINGS_H
#define MASTER_SETTINGS_H

#include <stddef.h>

#include "config.h"

struct http_application;
struct model;

/* What main() was given, whose strings stay valid for the life of the process, and what it has the
 * server serve. */
struct command {
    int argc;
    char **argv;
    char **environ_names;
    const struct http_application *application;
};

struct settings {
    struct config config;
    const struct model *model;
    const struct http_application *application; /* the command's */
    unsigned workers;                           /* as resolved: at least 1 */
};

/*
 * Reads and judges all settings. error receives one line without a newline. Where the command
 * line asks for --help, --version or --list-models, *action says so and nothing is judged.
 * Returns 0, -EINVAL for a bad setting, -ENOMEM, or another negative errno when the
 * configuration file cannot be read; settings_free() after success only.
 */
int settings_load(struct settings *settings, const struct command *command,
                  enum config_action *action, char *error, size_t error_size)
    __attribute__((warn_unused_result));
void settings_free(struct settings *settings);

#endif
