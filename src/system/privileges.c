/* SPDX-License-Identifier: MIT
 *
 * The capabilities are read with the system call itself: libcap would be a
 * dependency for one look.
 */
#include "system/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

enum { SHOWN = 100 };

/* A decimal number that is not (uid_t)-1, which means "unchanged" to the kernel. */
static bool read_id(const char *text, unsigned *id)
{
    unsigned long long number;
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    number = strtoull(text, &end, 10);
    *id = (unsigned)number;
    return errno == 0 && *end == '\0' && number < 0xffffffffULL;
}

static int unknown(const char *option, const char *name, char *error, size_t error_size)
{
    char shown[SHOWN];

    log_escape(shown, sizeof shown, name, strlen(name));
    snprintf(error, error_size, "--%s=%s: no such %s here; expected a name or a number", option,
             shown, option);
    return -ENOENT;
}

static int find_user(struct privileges *p, const char *user, char *error, size_t error_size)
{
    const struct passwd *entry = getpwnam(user);
    unsigned id;

    if (entry == NULL && read_id(user, &id)) {
        entry = getpwuid(id);
        p->uid = id;
        p->gid = id; /* of a number without an entry */
    } else if (entry == NULL) {
        return unknown("user", user, error, error_size);
    }
    if (entry != NULL) {
        p->uid = entry->pw_uid;
        p->gid = entry->pw_gid;
        snprintf(p->user, sizeof p->user, "%s", entry->pw_name);
    }
    return 0;
}

static int find_group(struct privileges *p, const char *group, char *error, size_t error_size)
{
    const struct group *entry = getgrnam(group);
    unsigned id;

    if (entry != NULL)
        p->gid = entry->gr_gid;
    else if (read_id(group, &id))
        p->gid = id;
    else
        return unknown("group", group, error, error_size);
    p->own_group = true;
    return 0;
}

int privileges_find(struct privileges *privileges, const char *user, const char *group, char *error,
                    size_t error_size)
{
    int result = 0;

    *privileges = (struct privileges){.change = false};
    if (user == NULL)
        return 0;
    result = find_user(privileges, user, error, error_size);
    if (result == 0 && group != NULL)
        result = find_group(privileges, group, error, error_size);
    if (result < 0)
        return result;
    if (geteuid() == 0) {
        privileges->change = privileges->uid != 0 || group != NULL;
        return 0;
    }
    if (getuid() == privileges->uid && geteuid() == privileges->uid &&
        (group == NULL || getegid() == privileges->gid))
        return 0;
    snprintf(error, error_size, "--user: only root can become another user or group");
    return -EPERM;
}

static int failed(const char *what, char *error, size_t error_size)
{
    int code = errno;

    snprintf(error, error_size, "cannot give up root: %s: %s", what, strerror(code));
    return -code;
}

/* True if no id and no capability is left that could bring root back. */
static bool is_final(const struct privileges *p)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    uid_t uid[3];
    gid_t gid[3];

    if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0 ||
        syscall(SYS_capget, &header, sets) < 0)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (uid[i] != p->uid || gid[i] != p->gid)
            return false;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        if (sets[i].effective != 0 || sets[i].permitted != 0)
            return false;
    return setresuid(0, 0, 0) < 0 && setresgid(0, 0, 0) < 0;
}

static int become(const struct privileges *p, char *error, size_t error_size)
{
    bool all_groups = p->user[0] != '\0' && !p->own_group;

    /* A parent may have asked to keep capabilities across the change. */
    if (prctl(PR_SET_KEEPCAPS, 0UL) < 0)
        return failed("PR_SET_KEEPCAPS", error, error_size);
    if (all_groups ? initgroups(p->user, p->gid) < 0 : setgroups(1, &p->gid) < 0)
        return failed("setgroups", error, error_size);
    if (setresgid(p->gid, p->gid, p->gid) < 0)
        return failed("setresgid", error, error_size);
    if (setresuid(p->uid, p->uid, p->uid) < 0)
        return failed("setresuid", error, error_size);
    if (p->uid != 0 && !is_final(p)) {
        errno = EPERM;
        return failed("it could be regained", error, error_size);
    }
    /* A change of user makes /proc/self/fd root's, which strays.h must read. */
    if (prctl(PR_SET_DUMPABLE, 1UL) < 0)
        return failed("PR_SET_DUMPABLE", error, error_size);
    return 0;
}

int privileges_drop(const struct privileges *privileges, char *error, size_t error_size)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0)
        return failed("PR_SET_NO_NEW_PRIVS", error, error_size);
    return privileges->change ? become(privileges, error, error_size) : 0;
}
