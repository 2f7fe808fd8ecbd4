/* SPDX-License-Identifier: MIT
 *
 * The configuration. The input is lines: those that begin with "-" or "+" (which is taken off) are
 * arguments, those with "SERVER_" the environment, all others the file. What is accepted can be
 * printed and read back to the same settings; what is not gives one printable line, which quotes
 * no URI.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "config/option.h"
#include "fuzz.h"

enum { MAX_LINES = 32, ERROR_SIZE = 512, FILE_LIMIT = 64 * 1024 };

/* A file in memory, opened by its name in /proc. */
struct file {
    int fd;
    char option[64]; /* --config=... */
};

static void file_make(struct file *file)
{
    file->fd = memfd_create("settings", MFD_CLOEXEC);
    FUZZ_CHECK(file->fd >= 0);
    snprintf(file->option, sizeof file->option, "--config=/proc/self/fd/%d", file->fd);
}

static void file_clear(const struct file *file)
{
    FUZZ_CHECK(ftruncate(file->fd, 0) == 0 && lseek(file->fd, 0, SEEK_SET) == 0);
}

/* What follows "://" may be a password: the message has none of it, where that is in the input once
 * and cannot be part of a message of ours. */
static void check_quotes_no_uri(const uint8_t *data, size_t size, const char *error)
{
    enum { MARK = 3, KEY = 8 };

    for (size_t at = 0; at + MARK + KEY <= size; at++) {
        const char *key = (const char *)data + at + MARK;
        char text[KEY + 1] = "";
        size_t found = 0;

        memcpy(text, key, KEY);
        if (memcmp(data + at, "://", MARK) != 0 || strlen(text) < KEY ||
            strpbrk(text, "0123456789") == NULL || strchr(text, '\n') != NULL)
            continue;
        for (size_t i = 0; i + KEY <= size; i++)
            found += memcmp(data + i, key, KEY) == 0;
        FUZZ_CHECK(found > 1 || strstr(error, text) == NULL);
    }
}

static int load(struct config *config, int argc, char **argv, char **environment,
                char error[ERROR_SIZE])
{
    enum config_action action;
    int result;

    memset(error, 0xff, ERROR_SIZE);
    argv[argc] = NULL;
    result = config_load(config, argc, argv, environment, &action, error, ERROR_SIZE);
    FUZZ_CHECK(memchr(error, '\0', ERROR_SIZE) != NULL);
    FUZZ_CHECK((result == 0) == (error[0] == '\0'));
    FUZZ_CHECK(result == 0 || result == -EINVAL || result == -EFBIG);
    for (const char *p = error; *p != '\0'; p++)
        FUZZ_CHECK(*p >= ' ' && *p <= '~');
    return result;
}

static void check_same(const struct config *one, const struct config *other)
{
    for (const struct config_option *option = config_options; option->name != NULL; option++) {
        char first[CONFIG_SCRATCH], second[CONFIG_SCRATCH];

        if (config_option_is_setting(option))
            FUZZ_CHECK(strcmp(config_option_get(one, option, first),
                              config_option_get(other, option, second)) == 0);
    }
}

/* Printed and read back it is the same; but for a value too long for a file. */
static void check_round_trip(const struct config *config)
{
    static char program[] = "server";
    static struct file printed;
    char *argv[] = {program, printed.option, NULL}, error[ERROR_SIZE];
    struct config again;

    if (printed.option[0] == '\0')
        file_make(&printed);
    file_clear(&printed);
    FUZZ_CHECK(config_print(config, printed.fd) == 0);
    if (lseek(printed.fd, 0, SEEK_END) > FILE_LIMIT)
        return;
    FUZZ_CHECK(load(&again, 2, argv, NULL, error) == 0);
    check_same(config, &again);
    config_free(&again);
}

/* One line to its place; text is the target's own. Returns false for one that is not used: the
 * input may name no file, or any could be opened. */
static bool take(char *text, char **argv, int *argc, char **environment, size_t *variables)
{
    if (strncmp(text, "SERVER_", 7) == 0) {
        if (*variables < MAX_LINES && strncmp(text, "SERVER_CONFIG=", 14) != 0)
            environment[(*variables)++] = text;
        return true;
    }
    if (text[0] != '-' && text[0] != '+')
        return false;
    if (*argc < MAX_LINES && strncmp(text, "--config", 8) != 0)
        argv[(*argc)++] = text[0] == '+' && strncmp(text + 1, "--", 2) != 0 ? text + 1 : text;
    return true;
}

int fuzz_config(const uint8_t *data, size_t size)
{
    static char program[] = "server";
    static struct file file;
    char *argv[MAX_LINES + 1] = {program, file.option};
    char *environment[MAX_LINES + 1] = {NULL};
    size_t variables = 0, length = 0;
    char error[ERROR_SIZE], *text = malloc(size + 1), *content = malloc(size + 1);
    struct config config;
    int argc = 2;

    if (file.option[0] == '\0')
        file_make(&file);
    FUZZ_CHECK(text != NULL && content != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = text, *end; line <= text + size; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text + size - line));
        if (end == NULL)
            end = text + size;
        *end = '\0';
        if (take(line, argv, &argc, environment, &variables))
            continue;
        memcpy(content + length, line, (size_t)(end - line));
        length += (size_t)(end - line);
        if (end < text + size)
            content[length++] = '\n';
    }
    file_clear(&file);
    FUZZ_CHECK(write(file.fd, content, length) == (ssize_t)length);
    free(content);
    if (load(&config, argc, argv, environment, error) == 0) {
        check_round_trip(&config);
        config_free(&config);
    } else {
        check_quotes_no_uri(data, size, error);
    }
    free(text);
    return 0;
}
