/* SPDX-License-Identifier: MIT
 *
 * A thread for a name: see lookup.h.
 */
#include "db/lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"

enum { FIRST_LOOK_MS = 1, LONGEST_LOOK_MS = 16 };

/* One name. Freed by whoever is the last to have to do with it: its thread, or one that waits. */
struct lookup {
    struct db_lookups *all;
    struct lookup *next; /* of those that are not done */
    unsigned waiting;    /* contexts; this and what follows under the mutex */
    bool done;
    int code; /* of getaddrinfo() */
    char host[DB_LOOKUP_HOST];
    char addresses[DB_LOOKUP_ADDRESSES];
};

struct db_lookups {
    pthread_mutex_t mutex;
    unsigned users; /* the owner, and the threads */
    struct lookup *running;
};

struct db_lookups *db_lookups_new(void)
{
    struct db_lookups *all = calloc(1, sizeof *all);

    if (all != NULL) {
        pthread_mutex_init(&all->mutex, NULL);
        all->users = 1;
    }
    return all;
}

/* The mutex is held; afterwards it is not. */
static void leave(struct db_lookups *all)
{
    bool last = --all->users == 0;

    pthread_mutex_unlock(&all->mutex);
    if (last) {
        pthread_mutex_destroy(&all->mutex);
        free(all);
    }
}

void db_lookups_free(struct db_lookups *lookups)
{
    if (lookups == NULL)
        return;
    pthread_mutex_lock(&lookups->mutex);
    leave(lookups);
}

/* ---- looking up ---------------------------------------------------------------------------- */

/* As many as fit. */
static int find(const char *host, int flags, char addresses[DB_LOOKUP_ADDRESSES])
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *found;
    size_t length = 0;
    int code = getaddrinfo(host, NULL, &hints, &found);

    if (code != 0)
        return code;
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        char number[INET6_ADDRSTRLEN + IF_NAMESIZE + 2]; /* "%" and the interface behind it */
        size_t left = DB_LOOKUP_ADDRESSES - length;

        if (left > sizeof number && getnameinfo(a->ai_addr, a->ai_addrlen, number, sizeof number,
                                                NULL, 0, NI_NUMERICHOST) == 0)
            length +=
                (size_t)snprintf(addresses + length, left, "%s%s", length > 0 ? "," : "", number);
    }
    freeaddrinfo(found);
    return length > 0 ? 0 : EAI_NONAME;
}

static void *look_up(void *arg)
{
    struct lookup *lookup = arg;
    struct db_lookups *all = lookup->all;
    struct lookup **link = &all->running;
    char addresses[DB_LOOKUP_ADDRESSES] = "";
    bool last;
    int code;

    (void)close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_UNSHARE);
    code = find(lookup->host, 0, addresses);
    pthread_mutex_lock(&all->mutex);
    while (*link != lookup)
        link = &(*link)->next;
    *link = lookup->next;
    lookup->done = true;
    lookup->code = code;
    memcpy(lookup->addresses, addresses, sizeof addresses);
    last = lookup->waiting == 0;
    leave(all);
    if (last)
        free(lookup);
    return NULL;
}

/* Starts a thread, every signal blocked: signals are others' to take. The mutex is held. */
static int start(struct lookup *lookup)
{
    pthread_attr_t attributes;
    sigset_t all, old;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return -error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(&thread, &attributes, look_up, lookup);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}

/* Joins those who wait for host; *out is the caller's to leave. The mutex is held. */
static int join(struct db_lookups *all, const char *host, struct lookup **out)
{
    struct lookup *lookup = all->running;
    int result = 0;

    while (lookup != NULL && strcmp(lookup->host, host) != 0)
        lookup = lookup->next;
    if (lookup == NULL) {
        lookup = calloc(1, sizeof *lookup);
        if (lookup == NULL)
            return -ENOMEM;
        lookup->all = all;
        memcpy(lookup->host, host, strlen(host) + 1);
        result = start(lookup);
        if (result < 0) {
            free(lookup);
            return result;
        }
        all->users++;
        lookup->next = all->running;
        all->running = lookup;
    }
    lookup->waiting++;
    *out = lookup;
    return 0;
}

static int wait_for(struct lookup *lookup, struct io *io, int64_t deadline_ms,
                    char addresses[DB_LOOKUP_ADDRESSES], int *code)
{
    pthread_mutex_t *mutex = &lookup->all->mutex;
    int64_t pause = FIRST_LOOK_MS;
    bool done, last;
    int result = 0;

    do {
        int64_t left = deadline_ms - io_now_ms();

        result = left <= 0 ? -ETIMEDOUT : io_sleep(io, pause < left ? pause : left);
        pause = 2 * pause < LONGEST_LOOK_MS ? 2 * pause : LONGEST_LOOK_MS;
        pthread_mutex_lock(mutex);
        done = lookup->done;
        pthread_mutex_unlock(mutex);
    } while (!done && result == 0);
    pthread_mutex_lock(mutex);
    done = lookup->done;
    if (done) {
        result = 0;
        *code = lookup->code;
        memcpy(addresses, lookup->addresses, DB_LOOKUP_ADDRESSES);
    }
    last = --lookup->waiting == 0 && done;
    pthread_mutex_unlock(mutex);
    if (last)
        free(lookup);
    return result;
}

/* Whether a thread can have a descriptor table of its own: since Linux 5.9. */
static bool can_be_apart(void)
{
    return close_range(UINT_MAX, UINT_MAX, 0) == 0;
}

int db_lookup(struct db_lookups *lookups, struct io *io, const char *host, int64_t deadline_ms,
              char addresses[DB_LOOKUP_ADDRESSES], const char **reason)
{
    struct lookup *lookup;
    bool on_the_spot;
    int code, result = 0;

    *reason = NULL;
    if (strlen(host) >= DB_LOOKUP_HOST)
        return -ENAMETOOLONG;
    io_opening(io); /* the index of an interface takes a socket */
    on_the_spot = io_shares_descriptors(io) && !can_be_apart();
    code = find(host, on_the_spot ? 0 : AI_NUMERICHOST, addresses);
    io_hold(io, -1);
    if (code != 0 && !on_the_spot) {
        pthread_mutex_lock(&lookups->mutex);
        result = join(lookups, host, &lookup);
        pthread_mutex_unlock(&lookups->mutex);
        if (result == 0)
            result = wait_for(lookup, io, deadline_ms, addresses, &code);
    }
    if (result == 0 && code != 0) {
        *reason = gai_strerror(code);
        result = -EHOSTUNREACH;
    }
    return result;
}

/* ---- lists --------------------------------------------------------------------------------- */

/* The item of a list at *rest, which is moved on: to NULL behind the last. */
static size_t next_item(const char **rest)
{
    size_t length = strcspn(*rest, ",");

    *rest = (*rest)[length] == ',' ? *rest + length + 1 : NULL;
    return length;
}

static bool append(char list[DB_LOOKUP_LIST], bool first, const char *item, size_t length)
{
    size_t used = strlen(list);
    int added =
        snprintf(list + used, DB_LOOKUP_LIST - used, "%s%.*s", first ? "" : ",", (int)length, item);

    return (size_t)added < DB_LOOKUP_LIST - used;
}

static int look_up_item(struct db_lookups *all, struct io *io, const char *item, size_t length,
                        int64_t deadline_ms, char addresses[DB_LOOKUP_ADDRESSES],
                        const char **reason)
{
    char host[DB_LOOKUP_HOST];

    addresses[0] = '\0';
    if (length == 0 || item[0] == '/' || item[0] == '@')
        return 0;
    if (length >= sizeof host)
        return -ENAMETOOLONG;
    memcpy(host, item, length);
    host[length] = '\0';
    return db_lookup(all, io, host, deadline_ms, addresses, reason);
}

/* The end of the first of that many equal parts of the time that is left. */
static int64_t share(int64_t deadline_ms, int64_t parts)
{
    int64_t now = io_now_ms();

    return parts > 1 ? now + (deadline_ms - now) / parts : deadline_ms;
}

int db_lookup_list(struct db_lookups *lookups, struct io *io, const char *hosts, const char *ports,
                   int64_t deadline_ms, struct db_lookup_list *list, const char **reason)
{
    const char *one_port = ports != NULL && strchr(ports, ',') == NULL ? ports : NULL;
    const char *port = ports != NULL ? ports : "";
    int64_t left = 1;
    bool first = true;
    int result = 0;

    *list = (struct db_lookup_list){.hosts = ""};
    for (const char *p = hosts; *p != '\0'; p++)
        left += *p == ',';
    left += left > 1; /* and time to connect */
    for (const char *host = hosts, *next = hosts; host != NULL; host = next) {
        size_t length = next_item(&next);
        const char *its_port = one_port != NULL ? one_port : port;
        size_t port_length = strcspn(its_port, ",");
        char addresses[DB_LOOKUP_ADDRESSES];

        result =
            look_up_item(lookups, io, host, length, share(deadline_ms, left--), addresses, reason);
        if (result == -ECANCELED)
            return result;
        for (const char *a = addresses, *more = addresses; result == 0 && a != NULL; a = more) {
            size_t size = next_item(&more);

            if (!append(list->hosts, first, host, length) ||
                !append(list->addresses, first, a, size) ||
                !append(list->ports, first, its_port, port_length))
                return -ENAMETOOLONG;
            first = false;
        }
        if (one_port == NULL && port[port_length] == ',')
            port += port_length + 1;
    }
    return first ? result : 0;
}
