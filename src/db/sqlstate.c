/* SPDX-License-Identifier: MIT
 *
 * Codes of PostgreSQL, appendix A of its manual: see sqlstate.h.
 */
#include "db/sqlstate.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *begins;
    int error;
} PASSING[] = {
    {"57014", -ETIMEDOUT}, /* statement_timeout */
    {"08", -EAGAIN},       /* the connection failed */
    {"40", -EAGAIN},       /* a deadlock, or in the way of another transaction */
    {"532", -EAGAIN},      /* out of memory */
    {"533", -EAGAIN},      /* too many connections */
    {"55P03", -EAGAIN},    /* a lock was not got */
    {"57P", -EAGAIN},      /* shut down, starting, told to end */
};

static const char *const OUTDATED[] = {
    "26000", /* no longer prepared */
    "0A000", /* prepared for a table that has changed since */
};

const char *sqlstate_find(const char *said)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *end = said + strcspn(said, "\r\n");

    for (const char *p = strstr(said, ":  "); p != NULL && p < end; p = strstr(p + 1, ":  "))
        if (strspn(p + 3, digits) == 5 && p[8] == ':')
            return p + 3;
    return NULL;
}

int sqlstate_error(const char *state, bool fresh)
{
    for (size_t i = 0; i < sizeof OUTDATED / sizeof OUTDATED[0]; i++)
        if (strncmp(state, OUTDATED[i], strlen(OUTDATED[i])) == 0)
            return fresh ? -EIO : -EAGAIN;
    for (size_t i = 0; i < sizeof PASSING / sizeof PASSING[0]; i++)
        if (strncmp(state, PASSING[i].begins, strlen(PASSING[i].begins)) == 0)
            return PASSING[i].error;
    return -EIO;
}
