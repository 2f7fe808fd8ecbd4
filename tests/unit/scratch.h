/* SPDX-License-Identifier: MIT
 *
 * A folder of a test's own, which is the working directory while the test runs, and is gone with
 * all that is in it afterwards. Included by test programs.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_path[] = "/tmp/server-unit.XXXXXX";

static inline int scratch_begin(void **state)
{
    (void)state;
    memset(scratch_path + strlen(scratch_path) - 6, 'X', 6);
    return mkdtemp(scratch_path) == NULL ? -1 : chdir(scratch_path);
}

static inline int scratch_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline int scratch_end(void **state)
{
    (void)state;
    return chdir("/") < 0 ? -1 : nftw(scratch_path, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_write(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* The beginning of a file as a string. */
static inline const char *scratch_read(const char *name)
{
    static char text[1000];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    assert_true(fd >= 0);
    length = read(fd, text, sizeof text - 1);
    assert_true(length >= 0);
    text[length] = '\0';
    close(fd);
    return text;
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_begin, scratch_end)

#endif
