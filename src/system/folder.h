/* SPDX-License-Identifier: MIT
 *
 * The folder that a file is in, or is to be made in.
 */
#ifndef SYSTEM_FOLDER_H
#define SYSTEM_FOLDER_H

#include <stddef.h>

/* Writes the folder of path to out: what is before its last slash, "." where there is none. Returns
 * 0, or -ENAMETOOLONG. */
int folder_of(const char *path, char *out, size_t size) __attribute__((warn_unused_result));

/* 0 when this process may make, rename and remove files in the folder of path, else a negative
 * errno. Leaves nothing behind. */
int folder_check(const char *path) __attribute__((warn_unused_result));

#endif
