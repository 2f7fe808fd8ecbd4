/* SPDX-License-Identifier: MIT
 *
 * What libpq makes of a URI, before it connects: see postgres_uri.h.
 */
#include "db/postgres_uri.h"

#include <errno.h>
#include <postgresql/libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/uri.h"

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0)
        options++;
    return options->val;
}

/* ---- judging ------------------------------------------------------------------------------- */

static bool is_whole_number(const char *text)
{
    char *end;

    errno = 0;
    (void)strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

/* What libpq looks at only when it connects. Values are not shown: where "@HOST" was forgotten, the
 * port is the password. */
static int check_values(const char *uri, const PQconninfoOption *options, char *reason, size_t size)
{
    static const char *const numbers[] = {"connect_timeout",     "tcp_user_timeout",
                                          "keepalives",          "keepalives_idle",
                                          "keepalives_interval", "keepalives_count"};
    const char *ports = value_of(options, "port");
    const char *hosts = value_of(options, "host");

    if (ports != NULL && !db_ports_are_valid(ports, hosts)) {
        snprintf(reason, size, "the port is not a number from 1 to 65535 (or one for each host)");
        return -EINVAL;
    }
    if (!db_parts_are_names(uri, hosts, value_of(options, "dbname"))) {
        snprintf(reason, size,
                 "an @, & or = in the host or the database; in a password @ is %%40, / is %%2F");
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *value = value_of(options, numbers[i]);

        if (value != NULL && !is_whole_number(value)) {
            snprintf(reason, size, "%s is not a number", numbers[i]);
            return -EINVAL;
        }
    }
    return 0;
}

/* What libpq says up to what it quotes, which may be any part of the URI, or all. */
static void tell(const char *said, char *reason, size_t size)
{
    size_t length = strcspn(said, "\"\r\n");

    while (length > 0 && strchr(" :(", said[length - 1]) != NULL)
        length--;
    snprintf(reason, size, "%.*s", (int)length, said);
}

int postgres_uri_check(const char *uri, char *reason, size_t size)
{
    char *said = NULL;
    PQconninfoOption *options = PQconninfoParse(uri, &said);
    int result = -EINVAL;

    if (options != NULL)
        result = check_values(uri, options, reason, size);
    else
        tell(said != NULL ? said : "out of memory", reason, size);
    PQconninfoFree(options);
    PQfreemem(said);
    return result;
}

void postgres_uri_show(const char *uri, char *out, size_t size)
{
    PQconninfoOption *options = PQconninfoParse(uri, NULL);
    const char *host = options != NULL ? value_of(options, "host") : NULL;
    const char *port = options != NULL ? value_of(options, "port") : NULL;
    const char *database = options != NULL ? value_of(options, "dbname") : NULL;

    host = host != NULL ? host : "";
    port = port != NULL ? port : "";
    database = database != NULL ? database : "";
    /* A folder, an IPv6 address, or several. */
    if (strpbrk(host, "/:,") != NULL)
        snprintf(out, size, "postgresql:///%s?host=%s%s%s", database, host,
                 port[0] != '\0' ? "&port=" : "", port);
    else
        snprintf(out, size, "postgresql://%s%s%s%s%s", host, port[0] != '\0' ? ":" : "", port,
                 database[0] != '\0' ? "/" : "", database);
    PQconninfoFree(options);
}

/* ---- looking up ---------------------------------------------------------------------------- */

static const char *either(const char *value, const char *variable)
{
    return value != NULL ? value : getenv(variable);
}

int postgres_uri_look_up(struct db_conn *conn, struct io *io, int64_t deadline_ms,
                         struct db_lookup_list **list)
{
    PQconninfoOption *options = PQconninfoParse(conn->uri, NULL);
    const char *hosts, *reason = NULL;
    int result = 0;

    if (options == NULL)
        return -ENOMEM;
    hosts = either(value_of(options, "host"), "PGHOST");
    if (hosts != NULL && either(value_of(options, "hostaddr"), "PGHOSTADDR") == NULL) {
        *list = malloc(sizeof **list);
        result = *list == NULL ? -ENOMEM
                               : db_lookup_list(conn->lookups, io, hosts,
                                                either(value_of(options, "port"), "PGPORT"),
                                                deadline_ms, *list, &reason);
        if (result < 0 && result != -ECANCELED)
            (void)db_conn_fail(conn, result, "cannot look up %s: %s", hosts,
                               reason != NULL ? reason : strerror(-result));
    }
    PQconninfoFree(options);
    return result;
}
