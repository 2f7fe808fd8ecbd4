/* SPDX-License-Identifier: MIT
 *
 * Making a server from its configuration: everything that is opened or mapped
 * before there is a worker.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/activation.h"
#include "system/arenas.h"
#include "system/descriptor_limit.h"
#include "expect.h"
#include "io.h"
#include "system/listen.h"
#include "log.h"
#include "system/pid_file.h"
#include "system/privileges.h"

enum {
    PATH_SHOWN = 200,
    LOG_PIPE_BYTES = 1 << 20, /* what users may ask for as a rule: fs.pipe-max-size */
};

static int fail(char *error, size_t error_size, const char *what, const char *name)
{
    int code = errno;
    char shown[PATH_SHOWN];

    log_escape(shown, sizeof shown, name, strlen(name));
    snprintf(error, error_size, "cannot %s %s: %s", what, shown, strerror(code));
    return -code;
}

static int open_root(struct server *server, char *error, size_t error_size)
{
    const char *path = server->config->root;

    if (path == NULL)
        return 0;
    server->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return server->root_fd < 0 ? fail(error, error_size, "open --root", path) : 0;
}

/* A pipe with more room, where that may be had, so that its reader may be late without a loss. */
static void widen(int fd)
{
    fcntl(fd, F_SETPIPE_SZ, LOG_PIPE_BYTES);
}

/* Opens whatever is at path, for writes that do not wait. Of a FIFO it becomes a reader too, who
 * never reads: lines that come before the real one, or between two, are kept as far as there is
 * room. */
static int open_log(const char *path, int flags)
{
    struct stat st;
    bool fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
    int fd;

    flags |= O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    fd = open(path, flags | (fifo ? O_RDWR : O_WRONLY), 0640);
    if (fd < 0 && errno == EACCES && fifo) /* it may not read there: somebody has to, by now */
        fd = open(path, flags | O_WRONLY, 0640);
    if (fd >= 0)
        widen(fd);
    return fd;
}

/* Creates the file as the user that the server is going to be: it may have to be opened again. */
static int open_access_log(struct server *server, const struct privileges *privileges, char *error,
                           size_t error_size)
{
    const char *path = server->config->access_log;

    if (path == NULL)
        return 0;
    if (strcmp(path, "-") == 0) {
        server->access_log_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (server->access_log_fd >= 0)
            widen(server->access_log_fd);
    } else {
        server->access_log_fd = open_log(path, O_EXCL);
        if (server->access_log_fd >= 0 && privileges->change &&
            fchown(server->access_log_fd, privileges->uid, privileges->gid) < 0)
            return fail(error, error_size, "give away the access log", path);
        if (server->access_log_fd < 0 && errno == EEXIST)
            server->access_log_fd = open_log(path, 0);
    }
    return server->access_log_fd < 0 ? fail(error, error_size, "open the access log", path) : 0;
}

/* As root, other machines are served only when that was allowed. */
static struct listen_options listen_options_of(const struct config *config, bool stays_root)
{
    return (struct listen_options){.mode = config->listen_mode,
                                   .local_only = stays_root && !config->allow_root};
}

static int open_listener(struct server *server, bool stays_root, char *error, size_t error_size)
{
    const struct listen_options options = listen_options_of(server->config, stays_root);

    server->listen_shared = false;
    server->listen_owner = LISTEN_OWN;
    server->listen_fd = listen_open(server->config->listen, &options, server->listen_name,
                                    sizeof server->listen_name, error, error_size);
    if (server->listen_fd < 0)
        return server->listen_fd;
    server->listen_file = listen_file_of(server->listen_name);
    server->more_listeners = 0;
    if (server->config->accept != ACCEPT_REUSEPORT)
        return 0;
    server->listen_fd = listen_multiply(server->listen_fd, server->workers);
    if (server->listen_fd < 0) {
        errno = -server->listen_fd;
        return fail(error, error_size, "open a socket for each worker at", server->listen_name);
    }
    server->more_listeners = server->workers - 1;
    return 0;
}

/* Sockets of --accept=reuseport are attended by such workers only, and who has waited at another
 * would be reset were they left: a socket that is gone on with stays what it is. */
static int check_accept(const struct config *config, bool reuseport, char *error, size_t error_size)
{
    if ((config->accept == ACCEPT_REUSEPORT) == reuseport)
        return 0;
    snprintf(error, error_size,
             "--accept: the listening socket was opened %s reuseport, and stays so: expected %s, "
             "another --listen, or a restart",
             reuseport ? "with" : "without", reuseport ? "reuseport" : "shared or lock");
    return -EINVAL;
}

/* The file of a Unix socket that is gone on with gets the mode that it would be made with. */
static int change_mode(struct server *server, char *error, size_t error_size)
{
    int result = listen_file_set_mode(server->listen_name, &server->listen_file,
                                      server->config->listen_mode, &server->mode_before);

    if (result == 0)
        return 0;
    errno = -result;
    return fail(error, error_size, "set --listen-mode of", server->listen_name);
}

void server_restore_mode(const struct server *server)
{
    unsigned before;

    if (server->listen_file.inode != 0) /* who cannot now has not been followed by one who could */
        (void)!listen_file_set_mode(server->listen_name, &server->listen_file,
                                    server->config->listen_mode, &before);
}

/* Goes on with a socket that was passed. */
static int take_listener(struct server *server, int fd, bool shared, bool stays_root, char *error,
                         size_t error_size)
{
    const struct listen_options options = listen_options_of(server->config, stays_root);
    int result = listen_inherit(fd, &options, server->listen_name, sizeof server->listen_name,
                                error, error_size);

    if (result < 0)
        return result;
    server->listen_fd = fd;
    server->listen_shared = shared;
    if (!shared)
        server->listen_file = listen_file_of(server->listen_name);
    if (server->config->listen_mode != 0) /* else nobody here knows what it was to be before */
        result = change_mode(server, error, error_size);
    return result;
}

/* The predecessor's socket, else a service manager's, else --listen. */
static int find_listener(struct server *server, const struct server_inherited *inherited,
                         bool stays_root, char *error, size_t error_size)
{
    int fd, result;

    if (inherited->listen_fd >= 0) {
        server->listen_owner = LISTEN_ANOTHERS; /* should this start fail */
        server->more_listeners = inherited->more_listeners;
        result = check_accept(server->config, inherited->reuseport, error, error_size);
        return result < 0 ? result
                          : take_listener(server, inherited->listen_fd, inherited->listen_shared,
                                          stays_root, error, error_size);
    }
    fd = activation_take(error, error_size);
    if (fd == -ENOENT)
        return open_listener(server, stays_root, error, error_size);
    if (fd < 0)
        return fd;
    result = check_accept(server->config, false, error, error_size);
    if (result == 0)
        result = take_listener(server, fd, true, stays_root, error, error_size);
    if (result < 0)
        close(fd);
    return result;
}

/* What has to be known or opened as root, then the end of being root, then what has to work as the
 * user. */
static int open_and_drop(struct server *server, const struct server_inherited *inherited,
                         char *error, size_t error_size)
{
    const struct config *config = server->config;
    struct privileges privileges;
    int result = privileges_find(&privileges, config->user, config->group, error, error_size);
    bool stays_root = geteuid() == 0 && !(privileges.change && privileges.uid != 0);

    if (result == 0)
        result = open_root(server, error, error_size);
    if (result == 0)
        result = open_access_log(server, &privileges, error, error_size);
    if (result == 0)
        result = find_listener(server, inherited, stays_root, error, error_size);
    if (result == 0)
        result = privileges_drop(&privileges, error, error_size);
    if (result == 0 && config->pid_file != NULL)
        result = pid_file_check(config->pid_file, inherited->upgrading, error, error_size);
    if (result == 0 && privileges.change && config->access_log != NULL &&
        strcmp(config->access_log, "-") != 0 && access(config->access_log, W_OK) < 0)
        log_line(LOG_WARN,
                 "the access log cannot be reopened as --user (%s): SIGUSR1 and an "
                 "upgrade will not find it unless whoever rotates it makes a new one that can",
                 strerror(errno));
    return result;
}

/* The configuration has accepted them. */
static void read_trusted_proxies(struct server *server)
{
    const char *text = server->config->trusted_proxies;
    int result = networks_parse(&server->trusted_proxies, text != NULL ? text : "");

    expect(result == 0, "--trusted-proxies=%s was accepted", text);
}

int server_open(struct server *server, const struct config *config, const struct model *model,
                unsigned workers, const struct server_inherited *inherited, char *error,
                size_t error_size)
{
    int result;

    *server = (struct server){
        .config = config,
        .model = model,
        .workers = workers,
        .listen_fd = -1,
        .root_fd = -1,
        .access_log_fd = -1,
        .started_ms = io_now_ms(),
        .master_fd = -1,
    };
    read_trusted_proxies(server);
    arenas_limit();
    result = descriptor_limit_raise(&server->descriptors);
    if (result < 0)
        snprintf(error, error_size, "cannot raise RLIMIT_NOFILE: %s", strerror(-result));
    if (result == 0 && (server->shared = shared_new()) == NULL)
        result = fail(error, error_size, "map", "the shared counters");
    if (result == 0)
        result = open_and_drop(server, inherited, error, error_size);
    if (result < 0) {
        if (server->listen_fd == inherited->listen_fd)
            server->listen_fd = -1; /* stays the caller's */
        server_close(server);
        if (server->shared != NULL)
            shared_free(server->shared);
    }
    return result;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* What is done once, at the start. */
static int check_lasting(const struct config *config, const struct config *running, char *error,
                         size_t error_size)
{
    const char *changed = !same_text(config->user, running->user)           ? "--user"
                          : !same_text(config->group, running->group)       ? "--group"
                          : !same_text(config->pid_file, running->pid_file) ? "--pid-file"
                                                                            : NULL;

    if (changed == NULL)
        return 0;
    snprintf(error, error_size, "%s cannot change while the server runs", changed);
    return -EINVAL;
}

/* A log that only root could open is gone on with, as at SIGUSR1. */
static int open_next_access_log(struct server *server, const struct server *running, char *error,
                                size_t error_size)
{
    const struct privileges unchanged = {.change = false};
    int result = open_access_log(server, &unchanged, error, error_size);

    if (result != -EACCES || !same_text(server->config->access_log, running->config->access_log))
        return result;
    server->access_log_fd = fcntl(running->access_log_fd, F_DUPFD_CLOEXEC, 3);
    if (server->access_log_fd < 0)
        return result;
    log_line(LOG_WARN, "%s; the old file stays in use", error);
    return 0;
}

int server_open_next(struct server *server, const struct server *running,
                     const struct config *config, const struct model *model, unsigned workers,
                     char *error, size_t error_size)
{
    int result = check_lasting(config, running->config, error, error_size);

    *server = *running;
    server->config = config;
    server->model = model;
    server->workers = workers;
    server->listen_fd = -1;
    server->root_fd = -1;
    server->access_log_fd = -1;
    server->db = NULL;
    read_trusted_proxies(server);
    if (result == 0)
        result = open_root(server, error, error_size);
    if (result == 0)
        result = open_next_access_log(server, running, error, error_size);
    if (result == 0 &&
        (running->listen_shared || strcmp(config->listen, running->config->listen) == 0)) {
        result =
            check_accept(config, running->config->accept == ACCEPT_REUSEPORT, error, error_size);
        if (result == 0 && config->listen_mode != running->config->listen_mode)
            result = change_mode(server, error, error_size);
        if (result == 0)
            server->listen_fd = running->listen_fd;
    } else if (result == 0) {
        result = open_listener(server, geteuid() == 0, error, error_size);
    }
    if (result < 0)
        server_close(server);
    return result;
}

bool server_listener_is_others(const struct server *server)
{
    return server->listen_fd < 0 || server->listen_owner != LISTEN_OWN || server->listen_shared;
}

void server_turn_away(struct server *server)
{
    if (server_listener_is_others(server))
        return;
    for (int k = 0; k <= (int)server->more_listeners; k++)
        if (listen_turn_away(server->listen_fd + k) == -EOPNOTSUPP)
            server_shut_listening(server);
}

void server_shut_listening(struct server *server)
{
    int result;

    if (server_listener_is_others(server))
        return;
    /* The file first: once connecting is refused, another server may put its own there. */
    result = listen_file_remove(server->listen_name, &server->listen_file);
    for (int k = 0; k <= (int)server->more_listeners; k++)
        shutdown(server->listen_fd + k, SHUT_RD); /* for every process that shares it */
    server->listen_owner = LISTEN_SHUT;
    if (result < 0)
        log_line(LOG_WARN, "cannot remove %s: %s; the next server there replaces it",
                 server->listen_name, strerror(-result));
}

void server_stop_listening(struct server *server)
{
    server_shut_listening(server);
    for (int k = 0; server->listen_fd >= 0 && k <= (int)server->more_listeners; k++)
        close(server->listen_fd + k);
    server->listen_fd = -1;
}

void server_close(struct server *server)
{
    unsigned mode = server->mode_before;

    server_stop_listening(server);
    if (mode != 0 && listen_file_set_mode(server->listen_name, &server->listen_file, mode,
                                          &server->mode_before) == 0)
        server->mode_before = 0;
    if (server->root_fd >= 0)
        close(server->root_fd);
    if (server->access_log_fd >= 0)
        close(server->access_log_fd);
    server->root_fd = server->access_log_fd = -1;
}

int64_t server_drain_deadline(const struct server *server)
{
    const struct server_shared *shared = server->shared;
    int64_t deadline = INT64_MAX;

    if (server->control != NULL && atomic_load(&server->control->draining))
        deadline = atomic_load(&server->control->deadline_ms);
    if (atomic_load(&shared->draining) && atomic_load(&shared->drain_deadline_ms) < deadline)
        deadline = atomic_load(&shared->drain_deadline_ms);
    return deadline;
}

bool server_idle_may_stay(const struct server *server)
{
    return !server_stopping(server) && server->control != NULL &&
           io_now_ms() < atomic_load(&server->control->idle_until_ms);
}

/* One of them says it for all. strerrordesc_np() and log_line() of strings take no lock and
 * allocate nothing, as is needed in a signal handler. */
static void keep_log(struct server *server, uint32_t generation, int error)
{
    const char *path = server->config->access_log;
    char shown[PATH_SHOWN];

    if (atomic_exchange(&server->shared->log_kept, generation) == generation)
        return;
    log_escape(shown, sizeof shown, path, strlen(path));
    log_line(LOG_ERROR, "cannot reopen the access log %s: %s; the old file stays in use", shown,
             strerrordesc_np(error));
}

void server_reopen_log(struct server *server)
{
    const char *path = server->config->access_log;
    uint32_t generation;
    int saved = errno;

    if (path == NULL || strcmp(path, "-") == 0)
        return;
    do { /* again if it was moved once more meanwhile: another thread may have come in between */
        int fd;

        generation = atomic_load(&server->shared->log_generation);
        fd = open_log(path, 0);
        if (fd < 0) {
            keep_log(server, generation, errno);
        } else {
            dup3(fd, server->access_log_fd, O_CLOEXEC);
            close(fd);
        }
    } while (atomic_load(&server->shared->log_generation) != generation);
    errno = saved;
}

void server_seek_places(struct server *server)
{
    struct server_shared *shared = server->shared;
    int32_t waiting = 0, left;
    uint64_t accepted = 0;

    for (int k = 0; server_is_full(server) && k <= (int)server->more_listeners; k++)
        waiting += (int32_t)listen_backlog(server->listen_fd + k);
    left = atomic_exchange(&shared->places_of_idle, waiting);

    for (unsigned i = 0; waiting > 0 && i < shared_slots(shared); i++)
        accepted += stats_get(&shared->workers[i].accepted);
    if (accepted != shared->accepted_before)
        left = 0; /* somebody was let in */
    shared->accepted_before = accepted;
    atomic_store(&shared->places_of_any, left < waiting ? left : waiting);
}
