/* SPDX-License-Identifier: MIT
 *
 * Calls config_load() as the tests of the settings need it.
 *
 * The environment is always the test's own, never that of the process, and every
 * call checks what all messages have in common: one line, terminated, and
 * empty after a success.
 */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

enum { ARGUMENTS_MAX = 8, ERROR_SIZE = 512, PATH_SIZE = 64 };

/* One call of config_load() and what came of it. */
struct loaded {
    struct config config;
    enum config_action action;
    int result;
    char error[ERROR_SIZE];
    char *argv[ARGUMENTS_MAX + 2];
};

/* arguments and environment are NULL-terminated, and may be NULL. */
static inline void load(struct loaded *loaded, const char *const *arguments, char **environment)
{
    int argc = 0;
    static char program[] = "server";

    loaded->argv[argc++] = program;
    for (size_t i = 0; arguments && arguments[i]; i++) {
        assert_true(i < ARGUMENTS_MAX);
        /* main()'s argv is writable, but config_load() promises to leave it alone. */
        loaded->argv[argc++] = (char *)(uintptr_t)arguments[i];
    }
    loaded->argv[argc] = NULL;
    memset(loaded->error, 'x', sizeof(loaded->error));
    loaded->result = config_load(&loaded->config, argc, loaded->argv, environment, &loaded->action,
                                 loaded->error, sizeof(loaded->error));
    assert_non_null(memchr(loaded->error, '\0', sizeof(loaded->error)));
    assert_null(strchr(loaded->error, '\n'));
    if (loaded->result == 0)
        assert_string_equal(loaded->error, "");
    else
        assert_true(strlen(loaded->error) > 0);
}

#define ARGUMENTS(...)   ((const char *const[]){__VA_ARGS__, NULL})
#define ENVIRONMENT(...) ((char *[]){__VA_ARGS__, NULL})

/* A temporary file with that content; the caller unlinks it. */
static inline void write_file(char path[PATH_SIZE], const char *content, size_t length)
{
    int fd;

    snprintf(path, PATH_SIZE, "/tmp/test_config.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, length), length);
    close(fd);
}

static inline void load_file(struct loaded *loaded, const char *content, size_t length, char *path)
{
    write_file(path, content, length);
    load(loaded, ARGUMENTS("--config", path), NULL);
    unlink(path);
}

#endif
