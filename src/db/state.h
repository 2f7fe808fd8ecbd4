/* SPDX-License-Identifier: MIT
 *
 * Where the database is that nobody has named: a file in the folder in which a program keeps what
 * it knows from one run to the next.
 *
 * That is the first of $STATE_DIRECTORY, which systemd makes and sets for StateDirectory=; server/
 * in $XDG_STATE_HOME (XDG Base Directory Specification); else server-UID/ in $TMPDIR or /tmp, where
 * anybody may write, so a folder of that name is only used if it is nobody else's. What does not
 * begin with a slash does not count.
 */
#ifndef DB_STATE_H
#define DB_STATE_H

#include <stdbool.h>
#include <stddef.h>

/* Writes its URI, "sqlite:/...". Returns 0, or -ENAMETOOLONG. */
int state_uri(char *uri, size_t size) __attribute__((warn_unused_result));

/* True for that URI. */
bool state_is(const char *uri);

/* Makes the folder, and those it is in, if they are not there. Returns 0, or -EIO with one line in
 * reason. Any context that may block. */
int state_make_folder(char *reason, size_t size) __attribute__((warn_unused_result));

#endif
