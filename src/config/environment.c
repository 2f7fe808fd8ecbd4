/* SPDX-License-Identifier: MIT
 *
 * Settings from the environment: SERVER_MAX_HEADER sets max-header.
 *
 * Other programs use the prefix too (SERVER_NAME and SERVER_PORT come from CGI), so
 * an unknown variable is ignored, unless it is within a slip of a setting of ours: that
 * is refused, or the setting would silently not apply. An empty variable
 * counts as unset, as in most programs; those of actions (SERVER_VERSION) mean nothing.
 */
#include "config/option.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LENGTH = 64, LONG_NAME = 8 };

static const char environment_prefix[] = "SERVER_";

/* Turns "MAX_HEADER" into "max-header". Returns false for what no option could be called. */
static bool environment_name(char name[NAME_LENGTH], const char *variable, size_t length)
{
    if (length == 0 || length >= NAME_LENGTH)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (variable[i] == '_')
            name[i] = '-';
        else if (isupper((unsigned char)variable[i]))
            name[i] = (char)tolower((unsigned char)variable[i]);
        else
            return false;
    }
    name[length] = '\0';
    return true;
}

/* Refuses an unknown variable that is within one error of a setting's, else does nothing. */
static int judge_unknown(const char *label, const char *name, const struct config_error *error)
{
    const char *names[CONFIG_OPTIONS_MAX];
    size_t count = config_option_names(names, true);
    const char *near = config_suggest(name, names, count);
    char meant[NAME_LENGTH];
    size_t i;

    if (!near || config_distance(name, near) > (strlen(name) < LONG_NAME ? 1 : 2))
        return 0;
    for (i = 0; near[i] != '\0' && i + 1 < sizeof(meant); i++)
        meant[i] = near[i] == '-' ? '_' : (char)toupper((unsigned char)near[i]);
    meant[i] = '\0';
    snprintf(error->text, error->size, "unknown environment variable %s; did you mean %s%s?", label,
             environment_prefix, meant);
    return -EINVAL;
}

/* Applies one "NAME=value" of the environment; *file receives SERVER_CONFIG. */
static int take_variable(struct config *config, const char *variable, const char **file,
                         const struct config_error *error)
{
    char name[NAME_LENGTH];
    char label[NAME_LENGTH + sizeof(environment_prefix)];
    const size_t prefix = strlen(environment_prefix);
    size_t length = strcspn(variable, "=");
    const char *value;
    const struct config_option *option;

    if (length < prefix || strncmp(variable, environment_prefix, prefix) != 0)
        return 0;
    if (!environment_name(name, variable + prefix, length - prefix))
        return 0;
    if (variable[length] == '\0' || variable[length + 1] == '\0')
        return 0;
    value = variable + length + 1;
    snprintf(label, sizeof(label), "%.*s", (int)length, variable);
    option = config_option_find(name, strlen(name));
    if (option && option->kind == KIND_FILE)
        *file = value;
    else if (option && config_option_is_setting(option)) {
        if (config_option_set(config, option, value) != 0)
            return config_bad_value(error, "", label, option, value);
    } else if (!option)
        return judge_unknown(label, name, error);
    return 0;
}

int config_environment_load(struct config *config, char **environ_names, const char **file,
                            const struct config_error *error)
{
    for (char **variable = environ_names; variable && *variable; variable++) {
        int result = take_variable(config, *variable, file, error);
        if (result != 0)
            return result;
    }
    return 0;
}
