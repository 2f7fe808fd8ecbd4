/* SPDX-License-Identifier: MIT
 *
 * The variables are read strictly: a process that was given sockets and cannot tell
 * which must not silently open its own instead.
 */
#include "system/activation.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

enum { FIRST = 3, MOST = 256, SHOWN = 100 };

static const char WANTED[] = "http";

/* A positive decimal number of at most `most`; 0 for anything else. */
static unsigned long read_number(const char *text, unsigned long most)
{
    unsigned long number;
    char *end;

    if (text[0] < '1' || text[0] > '9')
        return 0;
    errno = 0;
    number = strtoul(text, &end, 10);
    return errno == 0 && *end == '\0' && number <= most ? number : 0;
}

static bool is_for_us(const char *pid)
{
    return pid != NULL && read_number(pid, 1UL << 30) == (unsigned long)getpid();
}

/* True when the name at position index of the colon-separated list is `name`. */
static bool has_name(const char *names, unsigned long index, const char *name)
{
    size_t length;

    if (names == NULL)
        return false;
    while (index-- > 0) {
        names = strchr(names, ':');
        if (names == NULL)
            return false;
        names++;
    }
    length = strcspn(names, ":");
    return length == strlen(name) && memcmp(names, name, length) == 0;
}

/* The one of several that is named WANTED: its position, or count if there is not exactly one. */
static unsigned long choose(const char *names, unsigned long count)
{
    unsigned long chosen = count;

    for (unsigned long i = 0; i < count; i++) {
        if (!has_name(names, i, WANTED))
            continue;
        if (chosen < count)
            return count;
        chosen = i;
    }
    return chosen;
}

static int take(char *error, size_t error_size)
{
    const char *given = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    unsigned long count = given == NULL ? 0 : read_number(given, MOST);
    unsigned long chosen = 0;

    if (count == 0) {
        char shown[SHOWN];

        log_escape(shown, sizeof shown, given, given == NULL ? 0 : strlen(given));
        snprintf(error, error_size, "LISTEN_FDS=%s: expected the number of sockets passed, 1 to %d",
                 shown, MOST);
        return -EINVAL;
    }
    if (count > 1)
        chosen = choose(names, count);
    if (chosen == count) {
        snprintf(error, error_size,
                 "LISTEN_FDS=%lu: one socket is served; of several exactly one must be named "
                 "\"%s\" (FileDescriptorName=%s in its unit)",
                 count, WANTED, WANTED);
        return -EINVAL;
    }
    for (unsigned long i = 0; i < count; i++)
        if (i != chosen)
            close(FIRST + (int)i);
    return FIRST + (int)chosen;
}

int activation_take(char *error, size_t error_size)
{
    int result;

    if (!is_for_us(getenv("LISTEN_PID")))
        return -ENOENT;
    result = take(error, error_size);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return result;
}
