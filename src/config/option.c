/* SPDX-License-Identifier: MIT
 *
 * The table of options: every name, type, range, default and help text.
 *
 * Nothing else in the program repeats any of it, except the field's declaration in
 * struct config. The limits are where a value stops being a setting and becomes a
 * mistake: a timeout of a week, a stack that cannot hold one frame. What is
 * sensible on one machine is for its administrator to know.
 */
#include "config/option.h"

#include <string.h>

#define CONFIG_KIB UINT64_C(1024)
#define CONFIG_MIB (CONFIG_KIB * 1024)
#define CONFIG_GIB (CONFIG_MIB * 1024)
#define CONFIG_DAY (UINT64_C(24) * 60 * 60 * 1000) /* in milliseconds */

#define CONFIG_FIELD(member)                                                                       \
    .offset = offsetof(struct config, member), .width = sizeof(((struct config *)NULL)->member)
#define CONFIG_TIMEOUT(member)                                                                     \
    CONFIG_FIELD(member), .kind = KIND_SECONDS, .min = 1, .max = CONFIG_DAY, .metavar = "SECONDS"

static const char *const dispatch_names[] = {
    [DISPATCH_REQUEST] = "request",
    [DISPATCH_CONNECTION] = "connection",
    NULL,
};

const struct config_option config_options[] = {
    {.name = "model",
     CONFIG_FIELD(model),
     .kind = KIND_TEXT,
     .initial = "coro",
     .metavar = "NAME",
     .help = "the concurrency model: prefork, threads or coro"},
    {.name = "listen",
     CONFIG_FIELD(listen),
     .kind = KIND_LISTEN,
     .initial = "127.0.0.1:8080",
     .metavar = "ADDR:PORT",
     .help = "where to accept connections; port 0 picks a free one"},
    {.name = "workers",
     CONFIG_FIELD(workers),
     .kind = KIND_COUNT,
     .min = 1,
     .max = 4096,
     .initial = "auto",
     .metavar = "N",
     .help = "processes, threads or loops; auto: 16 a core in the pools, 1 in coro"},
    {.name = "dispatch",
     CONFIG_FIELD(dispatch),
     .kind = KIND_CHOICE,
     .choices = dispatch_names,
     .initial = "request",
     .metavar = "UNIT",
     .help = "what a worker of a pool is taken for"},
    {.name = "gil",
     CONFIG_FIELD(gil),
     .kind = KIND_FLAG,
     .initial = "off",
     .help = "threads: one lock around handler code"},
    {.name = "root",
     CONFIG_FIELD(root),
     .kind = KIND_TEXT,
     .initial = "",
     .metavar = "DIR",
     .help = "the directory that /files/ serves; empty: none"},
    {.name = "max-connections",
     CONFIG_FIELD(max_connections),
     .kind = KIND_COUNT,
     .min = 1,
     .max = 1000000,
     .initial = "auto",
     .metavar = "N",
     .help = "more wait in the backlog; auto: as many as descriptors allow"},
    {.name = "header-timeout",
     CONFIG_TIMEOUT(header_timeout_ms),
     .initial = "10",
     .help = "from the first byte of a request to the end of its head"},
    {.name = "body-timeout",
     CONFIG_TIMEOUT(body_timeout_ms),
     .initial = "30",
     .help = "longest wait for more of a request body"},
    {.name = "write-timeout",
     CONFIG_TIMEOUT(write_timeout_ms),
     .initial = "30",
     .help = "longest wait for a client to take more of an answer"},
    {.name = "keepalive-timeout",
     CONFIG_TIMEOUT(keepalive_timeout_ms),
     .initial = "75",
     .help = "how long a connection may be idle between requests"},
    {.name = "shutdown-timeout",
     CONFIG_TIMEOUT(shutdown_timeout_ms),
     .initial = "10",
     .help = "how long requests in progress may go on after SIGTERM"},
    {.name = "max-header",
     CONFIG_FIELD(max_header),
     .kind = KIND_SIZE,
     .min = 256,
     .max = CONFIG_MIB,
     .initial = "16k",
     .metavar = "BYTES",
     .help = "longest request head"},
    {.name = "max-body",
     CONFIG_FIELD(max_body),
     .kind = KIND_SIZE,
     .min = 0,
     .max = 1024 * CONFIG_GIB,
     .initial = "8M",
     .metavar = "BYTES",
     .help = "longest request body"},
    {.name = "stack-size",
     CONFIG_FIELD(stack_size),
     .kind = KIND_SIZE,
     .min = 16 * CONFIG_KIB,
     .max = 64 * CONFIG_MIB,
     .initial = "64k",
     .metavar = "BYTES",
     .help = "stack of one coroutine"},
    {.name = "max-requests",
     CONFIG_FIELD(max_requests),
     .kind = KIND_COUNT,
     .min = 1,
     .max = UINT32_MAX,
     .initial = "auto",
     .metavar = "N",
     .help = "replace a worker process after about so many requests; auto: never"},
    {.name = "start-timeout",
     CONFIG_TIMEOUT(start_timeout_ms),
     .initial = "30",
     .help = "how long new workers may take to be ready, at a reload or upgrade"},
    {.name = "stopped-timeout",
     CONFIG_TIMEOUT(stopped_timeout_ms),
     .initial = "0.3",
     .help = "how long a worker process may be stopped (SIGSTOP) before it is replaced"},
    {.name = "heartbeat-timeout",
     CONFIG_TIMEOUT(heartbeat_timeout_ms),
     .initial = "90",
     .help = "how long a loop may go without a turn before its process is replaced"},
    {.name = "enable-fault-routes",
     CONFIG_FIELD(enable_fault_routes),
     .kind = KIND_FLAG,
     .initial = "off",
     .help = "for tests: /fault/KIND makes its worker die of it"},
    {.name = "access-log",
     CONFIG_FIELD(access_log),
     .kind = KIND_TEXT,
     .initial = "",
     .metavar = "FILE",
     .help = "one line a request; -: standard output, empty: off"},

    {.name = "config",
     .kind = KIND_FILE,
     .metavar = "FILE",
     .help = "read settings from this file, lines of 'name = value'"},
    {.name = "list-models",
     .kind = KIND_ACTION,
     .action = CONFIG_LIST_MODELS,
     .help = "print the models and exit"},
    {.name = "check-config",
     .kind = KIND_ACTION,
     .action = CONFIG_CHECK,
     .help = "check all settings and exit"},
    {.name = "print-config",
     .kind = KIND_ACTION,
     .action = CONFIG_PRINT,
     .help = "print the settings as a configuration file and exit"},
    {.name = "version",
     .kind = KIND_ACTION,
     .action = CONFIG_VERSION,
     .help = "print the version and exit"},
    {.name = "help", .kind = KIND_ACTION, .action = CONFIG_HELP, .help = "print this and exit"},
    {.name = NULL},
};

bool config_option_is_setting(const struct config_option *option)
{
    return option->width > 0;
}

const struct config_option *config_option_find(const char *name, size_t length)
{
    for (const struct config_option *option = config_options; option->name; option++) {
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return option;
    }
    return NULL;
}
