/* SPDX-License-Identifier: MIT
 *
 * The form of --db and --redis: see uri.h.
 */
#include "config/uri.h"

#include <string.h>

static const char sqlite_prefix[] = "sqlite:";
static const char unix_prefix[] = "unix:";

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

enum db_kind db_uri_kind(const char *uri)
{
    if (begins_with(uri, sqlite_prefix))
        return uri[sizeof sqlite_prefix - 1] != '\0' ? DB_KIND_SQLITE : DB_KIND_NONE;
    if (begins_with(uri, "postgresql://") || begins_with(uri, "postgres://"))
        return DB_KIND_POSTGRES;
    return strcmp(uri, DB_URI_DEFAULT) == 0 ? DB_KIND_AUTO : DB_KIND_NONE;
}

const char *db_uri_path(const char *uri)
{
    return uri + sizeof sqlite_prefix - 1;
}

static bool is_port(const char *text, size_t length)
{
    unsigned value = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || value > 65535)
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    return value >= 1 && value <= 65535;
}

static size_t count_items(const char *list)
{
    size_t count = 1;

    for (const char *p = list; *p != '\0'; p++)
        count += *p == ',';
    return count;
}

bool db_ports_are_valid(const char *ports, const char *hosts)
{
    size_t count = count_items(ports);

    for (const char *item = ports;; item++) {
        size_t length = strcspn(item, ",");

        if (length > 0 && !is_port(item, length))
            return false;
        item += length;
        if (*item == '\0')
            break;
    }
    return count == 1 || count == count_items(hosts != NULL ? hosts : "");
}

bool db_parts_are_names(const char *uri, const char *hosts, const char *database)
{
    const char *path = strchr(strstr(uri, "://") + 3, '/');

    if (path != NULL && strcspn(path, "@&=") < strcspn(path, "?"))
        return false;
    if (hosts != NULL && strpbrk(hosts, "&=") != NULL)
        return false;
    /* An abstract socket's name begins with an @. */
    for (const char *p = hosts; p != NULL && *p != '\0'; p++)
        if (*p == '@' && p > hosts && p[-1] != ',')
            return false;
    return database == NULL || strstr(database, "://") == NULL;
}

/* The colon before the port, or NULL: the only one, or the one behind "[ADDR]". */
static const char *find_port(const char *address)
{
    const char *colon;

    if (address[0] == '[') {
        const char *end = strchr(address, ']');

        return end != NULL && end > address + 1 && end[1] == ':' ? end + 1 : NULL;
    }
    colon = strchr(address, ':');
    return colon != NULL && colon > address && strchr(colon + 1, ':') == NULL ? colon : NULL;
}

bool db_address_is_valid(const char *address)
{
    const char *colon;

    if (begins_with(address, unix_prefix))
        return address[sizeof unix_prefix - 1] == '/' && strchr(address, '?') == NULL;
    colon = find_port(address);
    return colon != NULL && memchr(address, '@', (size_t)(colon - address)) == NULL &&
           is_port(colon + 1, strlen(colon + 1));
}

bool db_address_split(const char *address, char *host, size_t host_size, const char **port)
{
    const char *colon = find_port(address);
    size_t skip = address[0] == '[' ? 1 : 0;
    size_t length;

    if (colon == NULL)
        return false;
    length = (size_t)(colon - address) - 2 * skip;
    if (length >= host_size)
        return false;
    memcpy(host, address + skip, length);
    host[length] = '\0';
    *port = colon + 1;
    return true;
}
