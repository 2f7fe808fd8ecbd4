/* SPDX-License-Identifier: MIT
 *
 * From the sources of settings to a configuration that a model has agreed to.
 */
#include "master/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "system/cores.h"
#include "db/db.h"
#include "log.h"
#include "models/model.h"

enum { MAX_MODELS = 16 };

/* One line that names the model asked for, those there are, and the closest. */
static int unknown_model(const char *name, char *error, size_t error_size)
{
    const char *names[MAX_MODELS] = {NULL};
    const char *closest;
    char list[128] = "", shown[64];
    size_t count = 0;

    for (; count < MAX_MODELS && models[count] != NULL; count++) {
        names[count] = models[count]->name;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", count > 0 ? ", " : "",
                 names[count]);
    }
    closest = config_suggest(name, names, count);
    log_escape(shown, sizeof shown, name, strlen(name));
    snprintf(error, error_size, "--model=%s: expected one of %s%s%s%s", shown, list,
             closest != NULL ? "; did you mean " : "", closest != NULL ? closest : "",
             closest != NULL ? "?" : "");
    return -EINVAL;
}

static unsigned resolve_workers(const struct config *config, const struct model *model)
{
    unsigned cores;

    if (config->workers > 0)
        return config->workers;
    if (model->workers_per_core == 0)
        return 1;
    cores = cores_available();
    return cores < CONFIG_MAX_WORKERS / model->workers_per_core ? model->workers_per_core * cores
                                                                : CONFIG_MAX_WORKERS;
}

/* What only several parts together can judge. */
static int judge(const struct settings *settings, char *error, size_t error_size)
{
    const struct config *config = &settings->config;
    const struct model *model = settings->model;
    int result = model->check == NULL ? 0 : model->check(config, error, error_size);

    if (result == 0)
        result = db_check(config, error, error_size);
    if (result == 0 && config->group != NULL && config->user == NULL) {
        snprintf(error, error_size, "--group: expected together with --user");
        result = -EINVAL;
    }
    return result;
}

int settings_load(struct settings *settings, const struct command *command,
                  enum config_action *action, char *error, size_t error_size)
{
    struct config *config = &settings->config;
    int result = config_load(config, command->argc, command->argv, command->environ_names, action,
                             error, error_size);

    settings->model = NULL;
    settings->application = command->application;
    settings->workers = 0;
    if (result < 0 || *action == CONFIG_HELP || *action == CONFIG_VERSION ||
        *action == CONFIG_LIST_MODELS)
        return result;
    settings->model = model_find(config->model);
    if (settings->model == NULL) {
        result = unknown_model(config->model, error, error_size);
        config_free(config);
        return result;
    }
    result = judge(settings, error, error_size);
    if (result < 0) {
        config_free(config);
        return result;
    }
    settings->workers = resolve_workers(config, settings->model);
    return 0;
}

void settings_free(struct settings *settings)
{
    config_free(&settings->config);
}
