/* SPDX-License-Identifier: MIT
 *
 * Giving up root, for good: --user and --group.
 *
 * The order is what makes it final: supplementary groups, then the group, then the user,
 * each as real, effective and saved id; afterwards nothing is left to change them back
 * with, which is tried. Whoever the process is, it never gains anything by executing a
 * file (no_new_privs).
 */
#ifndef SYSTEM_PRIVILEGES_H
#define SYSTEM_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
    bool change;
    uid_t uid;
    gid_t gid;
    char user[64];  /* for initgroups(); empty where the number has no name */
    bool own_group; /* of --group: no supplementary groups either */
};

/*
 * Looks the names (or numbers) up; NULL: not given. A group counts only with a user. Returns 0
 * (->change false when there is nothing to do: no user, or the process is that user already), or a
 * negative errno with one line in error: -ENOENT, no such user or group; -EPERM, only root may.
 */
int privileges_find(struct privileges *privileges, const char *user, const char *group, char *error,
                    size_t error_size) __attribute__((warn_unused_result));

/*
 * Becomes the user found, if there is a change, and in any case sets no_new_privs. The process may
 * still be looked into by its own user and so open /proc/self/fd. Returns 0, or a negative
 * errno with one line in error: the process must end then, it may be halfway. Before there
 * are threads.
 */
int privileges_drop(const struct privileges *privileges, char *error, size_t error_size)
    __attribute__((warn_unused_result));

#endif
