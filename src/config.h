/* SPDX-License-Identifier: MIT
 *
 * The settings of one server, and where they come from.
 *
 * One table in config/option.c describes every option: its name, type, range, default
 * and help text. The command line, the configuration file, the environment,
 * --help and --print-config are all readings of that table, so they cannot
 * disagree. Precedence: default < file < environment < command line.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_MAX_WORKERS = 10000 };
enum config_dispatch { DISPATCH_REQUEST, DISPATCH_CONNECTION };
enum config_pool { POOL_BEFORE, POOL_NONE };
enum config_accept { ACCEPT_SHARED, ACCEPT_LOCK, ACCEPT_REUSEPORT };

/* What the process was asked to do; everything but RUN prints and exits. */
enum config_action {
    CONFIG_RUN,
    CONFIG_LIST_MODELS,
    CONFIG_CHECK,
    CONFIG_PRINT,
    CONFIG_VERSION,
    CONFIG_HELP,
};

struct config {
    const char *model;  /* name of a row of models[]; not checked here */
    const char *listen; /* as given: "ADDR:PORT", "[ADDR]:PORT", "unix:/path" */
    unsigned workers;   /* at most CONFIG_MAX_WORKERS; 0: the model's default */
    enum config_dispatch dispatch;
    enum config_pool pool;
    enum config_accept accept;
    bool gil;
    const char *root;         /* NULL: no files are served */
    unsigned max_connections; /* 0: as many as descriptors allow */

    /* Time limits, in milliseconds. */
    int64_t header_timeout_ms;
    int64_t body_timeout_ms;
    int64_t write_timeout_ms;
    int64_t keepalive_timeout_ms;
    int64_t shutdown_timeout_ms;
    int64_t lame_duck_ms; /* after SIGTERM, before draining; 0: at once */

    /* Sizes, in bytes. */
    size_t max_header;
    uint64_t max_body;
    size_t stack_size;

    unsigned slice_ms; /* a coroutine computes so long before it gives way; 0: it never does */

    uint64_t max_requests;        /* of a worker process, until it is replaced; 0: no limit */
    int64_t start_timeout_ms;     /* of a generation of workers, or an upgraded server */
    int64_t stopped_timeout_ms;   /* of a worker process stopped by a signal */
    int64_t heartbeat_timeout_ms; /* of a loop, or a thread pool's timekeeper */

    const char *db;          /* "sqlite:PATH" or "postgresql://...": see config/uri.h */
    const char *redis;       /* "HOST:PORT" or "unix:/path"; NULL: no cache */
    unsigned db_connections; /* to each of them, of all workers together */
    int64_t db_timeout_ms;   /* for a request's connection and its answer */
    bool offload;            /* calls of a database that may block go to a helper thread */

    unsigned listen_mode; /* permission bits of a Unix socket's file; 0: by the umask */
    const char *user;     /* whom to become once all is open; NULL: nobody else */
    const char *group;    /* NULL: the user's */
    bool allow_root;      /* serve other machines as root */
    const char *pid_file; /* NULL: none */

    bool show_settings; /* on / and /status */
    bool enable_fault_routes;
    const char *access_log;      /* NULL: off; "-": standard output */
    const char *trusted_proxies; /* NULL: none; else as networks_parse() reads it */

    char *file_text; /* owned: the configuration file, cut into values; or NULL */
};

/*
 * Reads all sources into *config.
 *
 * argv is main()'s and must outlive *config (strings may point into it);
 * environ_names is main()'s environment. error receives one line without a
 * newline, always terminated: it names the option, what was given (but for
 * what may hold a secret), what is accepted and, for a misspelt name, the closest valid one.
 *
 * Returns 0, or -EINVAL for a bad option, value or configuration file line, or
 * -ENOMEM, or another negative errno when the configuration file cannot be read.
 * A combination that only a model can judge is left to that model's check().
 */
int config_load(struct config *config, int argc, char **argv, char **environ_names,
                enum config_action *action, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Frees what config_load() allocated. */
void config_free(struct config *config);

/* Writes every option with its help text, its range and its default to fd. Returns 0 or a
 * negative errno. */
int config_print_help(int fd);

/*
 * Writes a configuration file to fd that reproduces *config, secrets and all; settings that are
 * at their default are written as comments. Returns 0 or a negative errno.
 */
int config_print(const struct config *config, int fd);

/*
 * The closest of count names to word by edit distance, or NULL when none is
 * near enough to be worth suggesting.
 */
const char *config_suggest(const char *word, const char *const *names, size_t count);

/*
 * Renders the value of option number index (0, 1, ... in table order) as its
 * configuration file spelling into value, and sets *name. Secrets are in it
 * (handler/settings.h takes them out for / and /status). Returns false when there is no such
 * option.
 */
bool config_describe(const struct config *config, size_t index, const char **name, char *value,
                     size_t value_size);

#endif
