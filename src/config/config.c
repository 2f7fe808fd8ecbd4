/* SPDX-License-Identifier: MIT
 *
 * The command line, and the order of the sources.
 *
 * The command line is read twice: first for the configuration file and the action, and
 * so that a mistake in it is reported whatever the other sources hold; then again,
 * last, over the file and the environment. What is overridden is checked all the
 * same: a bad value that has no effect today is a failed start on the day the
 * other is removed.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/option.h"
#include "log.h"

enum { NAME_LENGTH = 64 };

/* What the command line asks for besides settings. */
struct request {
    const char *file; /* --config, or NULL */
    enum config_action action;
};

static int take_action(struct request *request, const struct config_option *option,
                       const char *value, const struct config_error *error)
{
    if (value) {
        char label[NAME_LENGTH];
        snprintf(label, sizeof(label), "--%s", option->name);
        return config_bad_value(error, "", label, option, value);
    }
    if (request->action != CONFIG_RUN && request->action != option->action) {
        snprintf(error->text, error->size,
                 "bad option --%s; accepted: only one of --check-config and --print-config",
                 option->name);
        return -EINVAL;
    }
    request->action = option->action;
    return 0;
}

/* True for "no-" and the name of a flag. */
static bool is_negated_flag(const char *name, size_t length)
{
    const struct config_option *option;

    if (length < 3 || strncmp(name, "no-", 3) != 0)
        return false;
    option = config_option_find(name + 3, length - 3);
    return option && option->kind == KIND_FLAG;
}

/* Takes --no-NAME, a flag; name is without the dashes and may go on with a value. */
static int clear_flag(struct config *config, const char *name, const char *value,
                      const struct config_error *error)
{
    static const struct config_option no_value = {.kind = KIND_ACTION};
    char label[NAME_LENGTH];
    size_t length = strcspn(name, "=");

    if (!value)
        return config_option_set(config, config_option_find(name + 3, length - 3), "off");
    snprintf(label, sizeof(label), "--%.*s", (int)length, name);
    return config_bad_value(error, "", label, &no_value, value);
}

/* Refuses what does not begin with two dashes and a name. Behind a URI it may be a part of that,
 * cut off by a shell. */
static int unexpected(const char *argument, const char *before, const struct config_error *error)
{
    char shown[CONFIG_NAME_SHOWN] = "";
    const char *rest = "...";
    const char *name = argument + strspn(argument, "-");
    const struct config_option *meant = config_option_find(name, strcspn(name, "="));

    if (meant && !config_may_hold_secret(meant, argument)) {
        log_escape(shown, sizeof(shown), argument, strlen(argument));
        rest = "";
    } else if (!strstr(before, "://")) {
        rest = config_show_name(shown, argument);
    }
    snprintf(error->text, error->size, "unexpected argument \"%s%s\"; accepted: --name=value%s%s%s",
             shown, rest, meant ? "; did you mean --" : "", meant ? meant->name : "",
             meant ? "?" : "");
    return -EINVAL;
}

/*
 * Takes the argument at argv[*index], and the next when that is its value.
 * Leaves *index at the last one taken.
 */
static int take_argument(struct config *config, struct request *request, char **argv, int *index,
                         const struct config_error *error)
{
    const char *argument = strcmp(argv[*index], "-h") == 0 ? "--help" : argv[*index];
    char label[NAME_LENGTH];
    const char *name, *value, *next;
    size_t length;
    const struct config_option *option;

    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0')
        return unexpected(argument, argv[*index - 1], error);
    name = argument + 2;
    length = strcspn(name, "=");
    value = name[length] == '=' ? name + length + 1 : NULL;
    option = config_option_find(name, length);
    if (!option && is_negated_flag(name, length))
        return clear_flag(config, name, value, error);
    if (!option) {
        char given[NAME_LENGTH];
        snprintf(given, sizeof(given), "%.*s", (int)(length < NAME_LENGTH ? length : NAME_LENGTH),
                 name);
        return config_bad_name(error, "", "--", given);
    }
    if (option->kind == KIND_ACTION)
        return take_action(request, option, value, error);

    snprintf(label, sizeof(label), "--%s", option->name);
    next = argv[*index + 1];
    if (!value && next && strncmp(next, "--", 2) != 0) {
        value = next;
        (*index)++;
    }
    if (!value && option->kind == KIND_FLAG)
        value = "on";
    if (option->kind == KIND_FILE) {
        request->file = value;
        return value && value[0] ? 0 : config_bad_value(error, "", label, option, value);
    }
    if (!value || config_option_set(config, option, value) != 0)
        return config_bad_value(error, "", label, option, value);
    return 0;
}

/* --help, --version and --list-models answer at once: they must work whatever else is wrong. */
static bool answers_at_once(enum config_action action)
{
    return action == CONFIG_HELP || action == CONFIG_VERSION || action == CONFIG_LIST_MODELS;
}

static int load_arguments(struct config *config, struct request *request, int argc, char **argv,
                          const struct config_error *error)
{
    for (int i = 1; i < argc; i++) {
        int result = take_argument(config, request, argv, &i, error);
        if (result != 0)
            return result;
        if (answers_at_once(request->action))
            return 0;
    }
    return 0;
}

/* All settings at their defaults, which are read by the same code as any other value. */
static int load_defaults(struct config *config, const struct config_error *error)
{
    for (const struct config_option *option = config_options; option->name; option++) {
        if (!config_option_is_setting(option))
            continue;
        if (config_option_set(config, option, option->initial) != 0)
            return config_bad_value(error, "default: ", option->name, option, option->initial);
    }
    return 0;
}

int config_load(struct config *config, int argc, char **argv, char **environ_names,
                enum config_action *action, char *error_text, size_t error_size)
{
    const struct config_error error = {.text = error_text, .size = error_size};
    struct request request = {.file = NULL, .action = CONFIG_RUN};
    const char *file = NULL;
    int result;

    *config = (struct config){.model = NULL};
    *action = CONFIG_RUN;
    if (error_size > 0)
        error_text[0] = '\0';

    result = load_defaults(config, &error);
    if (result == 0)
        result = load_arguments(config, &request, argc, argv, &error);
    if (result != 0)
        goto fail;
    *action = request.action;
    if (answers_at_once(request.action))
        return load_defaults(config, &error);

    /* The environment names the file too, so it is read once before it and once after. */
    result = config_environment_load(config, environ_names, &file, &error);
    if (result != 0)
        goto fail;
    if (request.file)
        file = request.file;
    if (file) {
        result = load_defaults(config, &error);
        if (result == 0)
            result = config_file_load(config, file, &error);
        if (result == 0)
            result = config_environment_load(config, environ_names, &file, &error);
        if (result != 0)
            goto fail;
    }
    result = load_arguments(config, &request, argc, argv, &error);
    if (result != 0)
        goto fail;
    return 0;

fail:
    config_free(config);
    return result;
}

void config_free(struct config *config)
{
    free(config->file_text);
    *config = (struct config){.model = NULL};
}
