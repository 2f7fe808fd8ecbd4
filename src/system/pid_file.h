/* SPDX-License-Identifier: MIT
 *
 * --pid-file: the master's number, for whoever wants to signal it.
 *
 * The file is there, complete, from the moment the server is ready: it is written
 * under another name and renamed. It stays locked (flock) while the server runs, so a
 * file left behind by one that was killed is told from that of a running one, whatever
 * process has the number now. It is removed in the end unless another server has replaced it.
 */
#ifndef SYSTEM_PID_FILE_H
#define SYSTEM_PID_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Zeroed: no file is held. */
struct pid_file {
    char *path; /* owned; NULL: not written yet, or no more ours */
    int fd;     /* holds the lock */
};

/*
 * Says beforehand whether path can be written: 0, or a negative errno with one line in error:
 * -EEXIST when a server that runs holds it (to a successor it may), -EINVAL when it is no regular
 * file, or what makes its folder unusable.
 */
int pid_file_check(const char *path, bool successor, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Writes pid and keeps the file locked, in place of any that is there, until it is removed or given
 * up. Returns 0 or a negative errno; nothing is left behind then. */
int pid_file_write(struct pid_file *file, const char *path, pid_t pid)
    __attribute__((warn_unused_result));

/* Removes the file if it is still this one. */
void pid_file_remove(struct pid_file *file);

/* Gives it up to a successor, who has replaced it or will. */
void pid_file_abandon(struct pid_file *file);

#endif
