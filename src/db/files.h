/* SPDX-License-Identifier: MIT
 *
 * System calls for a library that opens files by itself, in a process that shares its descriptor
 * table with others.
 *
 * Two things go wrong there. What a killed process had open stays open: so each file is told
 * to the model (io_hold()), which closes it then. And a record lock of fcntl(F_SETLK) belongs to
 * the table, not to the process: two processes that share one can lock the same bytes, and
 * both would write. So the locks asked for are taken as open file description locks
 * (F_OFD_SETLK, Linux 3.15), which belong to the opened file; they exclude each other, and the
 * ordinary locks of programs outside.
 *
 * What makes that exact: a process of this kind has one context and one connection, so a file is
 * opened once in it. With several, a library that relies on locks belonging to the process (SQLite
 * takes one through one connection and gives it back through another) must keep the ordinary ones;
 * their processes have tables of their own.
 */
#ifndef DB_FILES_H
#define DB_FILES_H

struct io;

/* The one context of this process; to be called before the others. */
void db_files_use(struct io *io);

/* As open(2), close(2) and fcntl(2); -1 with errno set. */
int db_files_open(const char *path, int flags, int mode);
int db_files_close(int fd);
int db_files_fcntl(int fd, int command, ...);

#endif
