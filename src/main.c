/* SPDX-License-Identifier: MIT
 *
 * From the command line to a running model, and back to an exit status:
 * 0 drained or printed, 1 could not start, 64 (EX_USAGE) a bad option.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "handler/handler.h"
#include "log.h"
#include "master/master.h"
#include "models/model.h"
#include "master/settings.h"
#include "server.h"

enum { ERROR_SIZE = 512 };

static int usage(const char *error)
{
    log_line(LOG_ERROR, "%s", error);
    return EX_USAGE;
}

static int list_models(void)
{
    for (size_t i = 0; models[i] != NULL; i++)
        printf("%-8s  %s\n", models[i]->name, models[i]->summary);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int check(const struct config *config)
{
    char error[ERROR_SIZE];

    if (check_start(config, error, sizeof error) == 0)
        return EXIT_SUCCESS;
    log_line(LOG_ERROR, "%s", error);
    return EXIT_FAILURE;
}

static int act(const struct command *command, struct settings *settings, enum config_action action)
{
    int status;

    switch (action) {
    case CONFIG_HELP:
        return config_print_help(STDOUT_FILENO) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    case CONFIG_VERSION:
        printf("server %s\n", server_version);
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    case CONFIG_LIST_MODELS:
        return list_models();
    case CONFIG_PRINT:
        status = config_print(&settings->config, STDOUT_FILENO) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        break;
    case CONFIG_CHECK:
        status = check(&settings->config);
        break;
    default:
        return master_run(command, settings) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    settings_free(settings);
    return status;
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
    const struct command command = {
        .argc = argc, .argv = argv, .environ_names = environ, .application = &handler_application};
    struct settings settings;
    enum config_action action;
    char error[ERROR_SIZE];

    fill_standard_descriptors();
    if (settings_load(&settings, &command, &action, error, sizeof error) < 0)
        return usage(error);
    return act(&command, &settings, action);
}
