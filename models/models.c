/* SPDX-License-Identifier: MIT
 *
 * The table of models, and what every worker of them begins with. To add one: write models/NAME.c
 * with a struct model (see model.h for what it promises) and name it here, twice.
 */
#include "models/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "coro/overflow.h"
#include "db/db.h"
#include "io.h"
#include "log.h"
#include "server.h"

extern const struct model prefork_model, threads_model, coro_model, stealing_model;

const struct model *const models[] = {&prefork_model, &threads_model, &coro_model, &stealing_model,
                                      NULL};

const struct model *model_find(const char *name)
{
    for (size_t i = 0; models[i] != NULL; i++)
        if (strcmp(models[i]->name, name) == 0)
            return models[i];
    return NULL;
}

int model_check_slice(const struct config *config, char *error, size_t error_size)
{
    if (config->slice_ms == 0)
        return 0;
    snprintf(error, error_size,
             "--slice=%u: only --model=coro and stealing have coroutines that give way; processes "
             "and threads have the kernel's time slices",
             config->slice_ms);
    return -EINVAL;
}

int model_check_accept(const struct config *config, bool pool, char *error, size_t error_size)
{
    const char *how = config->accept == ACCEPT_LOCK ? "lock" : "reuseport";

    if (config->accept == ACCEPT_SHARED)
        return 0;
    if (!pool || config->pool == POOL_NONE || config->dispatch == DISPATCH_REQUEST)
        snprintf(error, error_size,
                 "--accept=%s: only workers that accept for themselves can: --model=prefork and "
                 "threads with --dispatch=connection and --pool=before",
                 how);
    else if (config->accept == ACCEPT_REUSEPORT && strncmp(config->listen, "unix:", 5) == 0)
        snprintf(error, error_size,
                 "--accept=reuseport: of a Unix socket there is one: expected shared or lock, or "
                 "--listen=ADDR:PORT");
    else
        return 0;
    return -EINVAL;
}

int model_check_coroutines(const struct config *config, char *error, size_t error_size)
{
    if (config->gil) {
        snprintf(error, error_size, "--gil: only --model=threads has a lock to share, not %s",
                 config->model);
        return -EINVAL;
    }
    if (model_check_accept(config, false, error, error_size) < 0)
        return -EINVAL;
    if (config->stack_size < db_stack_bytes(config)) {
        snprintf(error, error_size,
                 "--stack-size=%zu: expected %zuk or more, as the library for --db needs with%s "
                 "--no-offload",
                 config->stack_size, db_stack_bytes(config) / 1024, config->offload ? "out" : "");
        return -EINVAL;
    }
    return 0;
}

void model_begin_worker(const struct io *io, const char *kind)
{
    char name[32];
    int result = coro_overflow_report_install();

    snprintf(name, sizeof name, "%s %u", kind, io->worker);
    if (result == 0)
        result = coro_overflow_register_self(name);
    if (result < 0 && result != -ENOENT) /* no /proc, which the master has said for all */
        log_line(LOG_WARN, "%s: a stack overflow will not be reported: %s", name,
                 strerror(-result));
    shared_worker_begins(io->server->shared, io->worker, getpid(), gettid());
}
