/* SPDX-License-Identifier: MIT
 *
 * How a database or a cache is named on the command line: the form of --db and --redis.
 *
 * Pure functions on text; whether anything answers there is found out on first use.
 */
#ifndef CONFIG_URI_H
#define CONFIG_URI_H

#include <stdbool.h>
#include <stddef.h>

/* The database used when none is named: a file that state.h names, made on first use. */
#define DB_URI_DEFAULT "auto"

enum db_kind { DB_KIND_NONE, DB_KIND_AUTO, DB_KIND_SQLITE, DB_KIND_POSTGRES };

/* What uri names: DB_URI_DEFAULT, "sqlite:PATH", "postgresql://..." or "postgres://...";
 * DB_KIND_NONE for anything else. */
enum db_kind db_uri_kind(const char *uri);

/* The path of a "sqlite:" URI: a part of uri. */
const char *db_uri_path(const char *uri);

/* True for "HOST:PORT", "[ADDR]:PORT" and "unix:/path": nothing else, so that a user's name, a
 * password or a parameter is refused, and what is accepted may be shown. */
bool db_address_is_valid(const char *address);

/*
 * Cuts a valid "HOST:PORT" or "[ADDR]:PORT" into its terminated parts. Returns false when the host
 * does not fit.
 */
bool db_address_split(const char *address, char *host, size_t host_size, const char **port);

/* True for the ports of a PostgreSQL URI: numbers from 1 to 65535 or nothing (the default),
 * separated by commas, one for each host or one for all. hosts, separated likewise, may be NULL:
 * the default. */
bool db_ports_are_valid(const char *ports, const char *hosts);

/*
 * True when a PostgreSQL URI's hosts and database, as they were read from it (NULL: none), can be
 * shown. A password with an @ or a / that is not escaped is cut there and its rest taken for one of
 * them; so are parameters without the '?' before them.
 */
bool db_parts_are_names(const char *uri, const char *hosts, const char *database);

#endif
