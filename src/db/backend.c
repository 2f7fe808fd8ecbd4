/* SPDX-License-Identifier: MIT
 *
 * Why a connection failed, in words.
 */
#include "db/backend.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int note(struct db_conn *conn, int error, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static int note(struct db_conn *conn, int error, const char *format, va_list arguments)
{
    vsnprintf(conn->reason, sizeof conn->reason, format, arguments);
    conn->reason[strcspn(conn->reason, "\r\n")] = '\0';
    return error;
}

int db_conn_fail(struct db_conn *conn, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)note(conn, error, format, arguments);
    va_end(arguments);
    return error;
}

int db_conn_break(struct db_conn *conn, int error, bool lost, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)note(conn, error, format, arguments);
    va_end(arguments);
    conn->broken = true;
    conn->lost = lost;
    return error;
}
