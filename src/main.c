/* SPDX-License-Identifier: MIT
 *
 * From the command line to a running model, and back to an exit status:
 * 0 drained or printed, 1 could not start, 64 (EX_USAGE) a bad option.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "db/db.h"
#include "http/request.h"
#include "log.h"
#include "models/model.h"
#include "server.h"

enum { ERROR_SIZE = 512, MAX_MODELS = 16 };

static int usage(const char *error)
{
    log_line(LOG_ERROR, "%s", error);
    return EX_USAGE;
}

/* One line that names the model asked for, those there are, and the closest. */
static int unknown_model(const char *name)
{
    const char *names[MAX_MODELS];
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
    log_line(LOG_ERROR, "--model=%s: expected one of %s%s%s%s", shown, list,
             closest != NULL ? "; did you mean " : "", closest != NULL ? closest : "",
             closest != NULL ? "?" : "");
    return EX_USAGE;
}

static int list_models(void)
{
    for (size_t i = 0; models[i] != NULL; i++)
        printf("%-8s  %s\n", models[i]->name, models[i]->summary);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static unsigned resolve_workers(const struct config *config, const struct model *model)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (config->workers > 0)
        return config->workers;
    if (model->workers_per_core == 0)
        return 1;
    return model->workers_per_core * (cores > 0 ? (unsigned)cores : 1);
}

static int serve(const struct config *config, const struct model *model)
{
    struct server server;
    char error[ERROR_SIZE];
    int result =
        server_open(&server, config, model, resolve_workers(config, model), error, sizeof error);

    if (result < 0) {
        log_line(LOG_ERROR, "%s", error);
        return EXIT_FAILURE;
    }
    request_set_max_header(config->max_header);
    signal(SIGPIPE, SIG_IGN);
    result = db_new(&server.db, config, model->one_process ? 1 : server.workers);
    if (result == 0)
        result = model->run(&server);
    if (result < 0 && result != -ECHILD) /* -ECHILD: said already which worker failed and how */
        log_line(LOG_ERROR, "cannot start --model=%s: %s", model->name, strerror(-result));
    db_free(server.db);
    server_close(&server);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int act(const struct config *config, enum config_action action)
{
    const struct model *model;
    char error[ERROR_SIZE];

    switch (action) {
    case CONFIG_HELP:
        return config_print_help(STDOUT_FILENO) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    case CONFIG_VERSION:
        printf("server %s\n", server_version);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    case CONFIG_LIST_MODELS:
        return list_models();
    default:
        break;
    }
    model = model_find(config->model);
    if (model == NULL)
        return unknown_model(config->model);
    if (model->check(config, error, sizeof error) < 0)
        return usage(error);
    if (db_check(config, error, sizeof error) < 0)
        return usage(error);
    if (config->group != NULL && config->user == NULL)
        return usage("--group: expected together with --user");
    if (action == CONFIG_PRINT)
        return config_print(config, STDOUT_FILENO) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    return action == CONFIG_CHECK ? EXIT_SUCCESS : serve(config, model);
}

/* Were one of the standard descriptors closed, the next file opened would take its number, and
 * log lines would go there. */
static void fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct config config;
    enum config_action action;
    char error[ERROR_SIZE];
    int status;

    fill_standard_descriptors();
    status = config_load(&config, argc, argv, environ, &action, error, sizeof error);

    if (status < 0)
        return usage(error);
    status = act(&config, action);
    config_free(&config);
    return status;
}
