/* SPDX-License-Identifier: MIT
 *
 * What PostgreSQL's error codes mean for who asks. Pure functions on text.
 */
#ifndef DB_SQLSTATE_H
#define DB_SQLSTATE_H

#include <stdbool.h>

/* The SQLSTATE in the first line of a verbose message of libpq, "...: FATAL:  28P01: ...": where it
 * begins in said, or NULL: no server has said that. */
const char *sqlstate_find(const char *said);

/* The error of db.h that the five characters at state are: -ETIMEDOUT, -EAGAIN where it passes,
 * -EIO otherwise. fresh: said on a new connection, so that another would not mend it. */
int sqlstate_error(const char *state, bool fresh);

#endif
