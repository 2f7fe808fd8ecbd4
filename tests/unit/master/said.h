/* SPDX-License-Identifier: MIT
 *
 * What is said on standard error between said_begin() and said_end(), for a test to judge
 * afterwards. No assertion in between: its words would be lost among them.
 */
#ifndef TESTS_UNIT_MASTER_SAID_H
#define TESTS_UNIT_MASTER_SAID_H

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct said {
    int was, file;
    char text[4000];
};

static inline void said_begin(struct said *said)
{
    said->was = dup(STDERR_FILENO);
    said->file = memfd_create("said", MFD_CLOEXEC);
    if (said->was < 0 || said->file < 0 || dup2(said->file, STDERR_FILENO) < 0)
        abort();
}

/* What was said, which stays in *said. */
static inline const char *said_end(struct said *said)
{
    ssize_t length = pread(said->file, said->text, sizeof said->text - 1, 0);

    said->text[length > 0 ? length : 0] = '\0';
    dup2(said->was, STDERR_FILENO);
    close(said->was);
    close(said->file);
    return said->text;
}

#endif
