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

#include "config/uri.h"

#define CONFIG_KIB UINT64_C(1024)
#define CONFIG_MIB (CONFIG_KIB * 1024)
#define CONFIG_GIB (CONFIG_MIB * 1024)
#define CONFIG_DAY (UINT64_C(24) * 60 * 60 * 1000) /* in milliseconds */

#define CONFIG_FIELD(member)                                                                       \
    .offset = offsetof(struct config, member), .width = sizeof(((struct config *)NULL)->member)
#define CONFIG_NUMBER(member, of_kind, least, most, what)                                          \
    CONFIG_FIELD(member), .kind = (of_kind), .min = (least), .max = (most), .metavar = (what)
#define CONFIG_COUNT(member, least, most) CONFIG_NUMBER(member, KIND_COUNT, least, most, "N")
#define CONFIG_SIZE(member, least, most)  CONFIG_NUMBER(member, KIND_SIZE, least, most, "BYTES")
#define CONFIG_TIMEOUT(member)            CONFIG_NUMBER(member, KIND_SECONDS, 1, CONFIG_DAY, "SECONDS")
#define CONFIG_FLAG(member)               CONFIG_FIELD(member), .kind = KIND_FLAG
#define CONFIG_TEXT(member, of_kind, what)                                                         \
    CONFIG_FIELD(member), .kind = (of_kind), .metavar = (what)
#define CONFIG_ACTION(does) .kind = KIND_ACTION, .action = (does)

static const char *const dispatch_names[] = {
    [DISPATCH_REQUEST] = "request",
    [DISPATCH_CONNECTION] = "connection",
    NULL,
};

static const char *const pool_names[] = {
    [POOL_BEFORE] = "before",
    [POOL_NONE] = "none",
    NULL,
};

static const char *const accept_names[] = {
    [ACCEPT_SHARED] = "shared",
    [ACCEPT_LOCK] = "lock",
    [ACCEPT_REUSEPORT] = "reuseport",
    NULL,
};

const struct config_option config_options[] = {
    {.name = "model",
     CONFIG_TEXT(model, KIND_TEXT, "NAME"),
     .initial = "coro",
     .help = "the concurrency model: prefork, threads, coro or stealing"},
    {.name = "listen",
     CONFIG_TEXT(listen, KIND_LISTEN, "ADDR:PORT"),
     .initial = "127.0.0.1:8080",
     .help = "where to accept connections; port 0 picks a free one"},
    {.name = "listen-mode",
     CONFIG_NUMBER(listen_mode, KIND_MODE, 0001, 0777, "MODE"),
     .initial = "auto",
     .help = "who may connect to a Unix socket; auto: as the umask says"},
    {.name = "workers",
     CONFIG_COUNT(workers, 1, CONFIG_MAX_WORKERS),
     .initial = "auto",
     .help = "processes, threads or loops; auto a core: 16, stealing 1; coro: 1"},
    {.name = "dispatch",
     CONFIG_FIELD(dispatch),
     .kind = KIND_CHOICE,
     .choices = dispatch_names,
     .initial = "request",
     .metavar = "UNIT",
     .help = "what a process, thread or coroutine is taken for"},
    {.name = "pool",
     CONFIG_FIELD(pool),
     .kind = KIND_CHOICE,
     .choices = pool_names,
     .initial = "before",
     .metavar = "WHEN",
     .help = "none: each is served by what is made for it, and ends with it"},
    {.name = "accept",
     CONFIG_FIELD(accept),
     .kind = KIND_CHOICE,
     .choices = accept_names,
     .initial = "shared",
     .metavar = "HOW",
     .help = "a pool by connection: one socket for all, in turn, or one for each"},
    {.name = "gil",
     CONFIG_FLAG(gil),
     .initial = "off",
     .help = "threads: one lock around handler code"},
    {.name = "root",
     CONFIG_TEXT(root, KIND_TEXT, "DIR"),
     .initial = "",
     .help = "the directory that /files/ serves; empty: none"},
    {.name = "max-connections",
     CONFIG_COUNT(max_connections, 1, 1000000),
     .initial = "auto",
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
     .help = "how long requests in progress may go on at a stop or reload"},
    {.name = "lame-duck",
     CONFIG_NUMBER(lame_duck_ms, KIND_SECONDS, 0, CONFIG_DAY, "SECONDS"),
     .initial = "0",
     .help = "go on serving so long after SIGTERM, as not ready, before that"},
    {.name = "max-header",
     CONFIG_SIZE(max_header, 256, CONFIG_MIB),
     .initial = "16k",
     .help = "longest request head"},
    {.name = "max-body",
     CONFIG_SIZE(max_body, 0, 1024 * CONFIG_GIB),
     .initial = "8M",
     .help = "longest request body"},
    {.name = "stack-size",
     CONFIG_SIZE(stack_size, 16 * CONFIG_KIB, 64 * CONFIG_MIB),
     .initial = "64k",
     .help = "stack of one coroutine"},
    {.name = "slice",
     CONFIG_NUMBER(slice_ms, KIND_COUNT, 1, 1000, "MS"),
     .initial = "auto",
     .help = "coroutines: how long a handler computes before giving way; auto: never"},
    {.name = "db",
     CONFIG_TEXT(db, KIND_DB, "URI"),
     .initial = DB_URI_DEFAULT,
     .help = "the database of /db and others; a missing file is made"},
    {.name = "redis",
     CONFIG_TEXT(redis, KIND_PEER, "ADDR"),
     .initial = "",
     .help = "the cache of /cache; empty: none"},
    {.name = "db-connections",
     CONFIG_COUNT(db_connections, 1, 4096),
     .initial = "16",
     .help = "to the database, and to the cache, of all workers together"},
    {.name = "db-timeout",
     CONFIG_TIMEOUT(db_timeout_ms),
     .initial = "5",
     .help = "how long a request may wait for a connection and its answer"},
    {.name = "offload",
     CONFIG_FLAG(offload),
     .initial = "on",
     .help = "database calls that block go to a helper thread (coro, stealing)"},
    {.name = "max-requests",
     CONFIG_COUNT(max_requests, 1, UINT32_MAX),
     .initial = "auto",
     .help = "replace a worker process after about so many requests; auto: never"},
    {.name = "start-timeout",
     CONFIG_TIMEOUT(start_timeout_ms),
     .initial = "30",
     .help = "how long new workers may take to be ready, at a reload or upgrade"},
    {.name = "stopped-timeout",
     CONFIG_TIMEOUT(stopped_timeout_ms),
     .initial = "0.3",
     .help = "how long a worker process may be stopped (SIGSTOP) until replaced"},
    {.name = "heartbeat-timeout",
     CONFIG_TIMEOUT(heartbeat_timeout_ms),
     .initial = "90",
     .help = "how long a loop may neither turn nor answer before it is replaced"},
    {.name = "show-settings",
     CONFIG_FLAG(show_settings),
     .initial = "on",
     .help = "show the settings, without secrets, on / and /status"},
    {.name = "enable-fault-routes",
     CONFIG_FLAG(enable_fault_routes),
     .initial = "off",
     .help = "for tests: /fault/KIND makes its worker die of it"},
    {.name = "access-log",
     CONFIG_TEXT(access_log, KIND_TEXT, "FILE"),
     .initial = "",
     .help = "one line a request; -: standard output, empty: off"},
    {.name = "trusted-proxies",
     CONFIG_TEXT(trusted_proxies, KIND_NETWORKS, "LIST"),
     .initial = "",
     .help = "whose X-Forwarded-For to believe; empty: nobody's"},
    {.name = "user",
     CONFIG_TEXT(user, KIND_TEXT, "NAME"),
     .initial = "",
     .help = "become this user, by name or number, once all is open; empty: stay"},
    {.name = "group",
     CONFIG_TEXT(group, KIND_TEXT, "NAME"),
     .initial = "",
     .help = "with --user: and this group alone; empty: the user's own"},
    {.name = "allow-root",
     CONFIG_FLAG(allow_root),
     .initial = "off",
     .help = "serve other machines as root without --user"},
    {.name = "pid-file",
     CONFIG_TEXT(pid_file, KIND_TEXT, "FILE"),
     .initial = "",
     .help = "holds the master's process number while the server runs"},

    {.name = "config",
     .kind = KIND_FILE,
     .metavar = "FILE",
     .help = "read settings from this file, lines of 'name = value'"},
    {.name = "list-models", CONFIG_ACTION(CONFIG_LIST_MODELS), .help = "print the models and exit"},
    {.name = "check-config",
     CONFIG_ACTION(CONFIG_CHECK),
     .help = "check all settings, and whether the server could start, and exit"},
    {.name = "print-config",
     CONFIG_ACTION(CONFIG_PRINT),
     .help = "print the settings as a configuration file and exit"},
    {.name = "version", CONFIG_ACTION(CONFIG_VERSION), .help = "print the version and exit"},
    {.name = "help", CONFIG_ACTION(CONFIG_HELP), .help = "print this and exit; also -h"},
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
