/* SPDX-License-Identifier: MIT
 *
 * The messages about settings, alike for every source.
 *
 * Each is one line that says where, which option, what was given and what is
 * accepted, and suggests the closest valid name. What was given goes through
 * log_escape(), so that it cannot break the line or the terminal.
 *
 * A line may end up in a journal that others read, and a URI may hold a password. So what was given
 * is quoted only where it cannot be one: a value that has no URI's form for an option that takes
 * none, and of an unknown name as much as could be a name.
 */
#include "config/option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

enum { VALUE_SHOWN = 128 };

bool config_may_hold_secret(const struct config_option *option, const char *value)
{
    return option->kind == KIND_DB || option->kind == KIND_PEER || strstr(value, "://") != NULL;
}

const char *config_show_name(char out[CONFIG_NAME_SHOWN], const char *text)
{
    static const char name_bytes[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t length = strspn(text, name_bytes);

    if (length > CONFIG_NAME_SHOWN - 1)
        length = CONFIG_NAME_SHOWN - 1;
    memcpy(out, text, length);
    out[length] = '\0';
    return text[length] != '\0' ? "..." : "";
}

int config_bad_value(const struct config_error *error, const char *where, const char *label,
                     const struct config_option *option, const char *value)
{
    char accepted[VALUE_SHOWN];
    char shown[VALUE_SHOWN];
    const char *near = NULL;
    size_t choices = 0;

    config_option_accepted(option, accepted, sizeof(accepted));
    if (!value) {
        snprintf(error->text, error->size, "%sno value for %s; accepted: %s", where, label,
                 accepted);
        return -EINVAL;
    }
    if (config_may_hold_secret(option, value)) {
        snprintf(error->text, error->size, "%sbad value for %s; accepted: %s", where, label,
                 accepted);
        return -EINVAL;
    }
    log_escape(shown, sizeof(shown), value, strlen(value));
    if (option->choices) {
        while (option->choices[choices])
            choices++;
        near = config_suggest(value, option->choices, choices);
    }
    snprintf(error->text, error->size, "%sbad value \"%s\" for %s; accepted: %s%s%s%s", where,
             shown, label, accepted, near ? "; did you mean " : "", near ? near : "",
             near ? "?" : "");
    return -EINVAL;
}

size_t config_option_names(const char *names[CONFIG_OPTIONS_MAX], bool settings_only)
{
    size_t count = 0;

    for (const struct config_option *option = config_options; option->name; option++) {
        if (count < CONFIG_OPTIONS_MAX && (!settings_only || config_option_is_setting(option)))
            names[count++] = option->name;
    }
    return count;
}

int config_bad_name(const struct config_error *error, const char *where, const char *dashes,
                    const char *name)
{
    const char *names[CONFIG_OPTIONS_MAX], *near;
    char shown[CONFIG_NAME_SHOWN];
    bool in_file = dashes[0] == '\0';
    const char *kind = in_file ? "setting" : "option";
    const char *rest = config_show_name(shown, name);
    size_t count;

    if (in_file && config_option_find(name, strlen(name))) {
        snprintf(error->text, error->size,
                 "%sunknown setting %s; accepted: on the command line only, as --%s", where, shown,
                 shown);
        return -EINVAL;
    }
    count = config_option_names(names, in_file);
    near = config_suggest(shown, names, count);
    if (near)
        snprintf(error->text, error->size, "%sunknown %s %s%s%s; did you mean %s%s?", where, kind,
                 dashes, shown, rest, dashes, near);
    else
        snprintf(error->text, error->size, "%sunknown %s %s%s%s; accepted: those that --help lists",
                 where, kind, dashes, shown, rest);
    return -EINVAL;
}
