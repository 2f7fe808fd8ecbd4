/* SPDX-License-Identifier: MIT
 *
 * Configuration files.
 *
 *     # a comment
 *     max-header = 32k        # another, after white space
 *     root = "/srv/a # b"     # quoted: \" \\ and \n as in C
 *
 * The whole file is read into one allocation, which *config owns, and cut up in
 * place: values point into it. A setting given twice is refused here, because it is
 * a slip when editing; on the command line the last one wins, so that a script
 * can append to what it was given. Files do not include files.
 */
#include "config/option.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

enum { FILE_LIMIT = 64 * 1024, FILE_PATH_SHOWN = 200, SILENCE_MS = 5000 };

static const char blanks[] = " \t\r";

/* As read(2), of a pipe too; the file is open for reads that do not wait. Whoever writes to the
 * pipe may come or go on within SILENCE_MS: a reload holds up the master, so it must not wait
 * without end. A pipe that nobody has written to yet is not taken for an empty file. */
static ssize_t read_some(int fd, char *to, size_t size, bool first)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    struct stat st;

    for (;;) {
        ssize_t n = read(fd, to, size);
        bool nobody_yet = n == 0 && first && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);

        if (!nobody_yet && (n >= 0 || (errno != EAGAIN && errno != EINTR)))
            return n;
        if (poll(&input, 1, SILENCE_MS) == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (input.revents == POLLHUP) /* he has come and gone */
            return 0;
    }
}

/* Reads at most FILE_LIMIT bytes of path, and a NUL. *text is the caller's to free. */
static int read_file(const char *path, char **text, size_t *length)
{
    char *buffer = NULL;
    size_t used = 0;
    int result = -ENOMEM;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    buffer = malloc(FILE_LIMIT + 1);
    if (!buffer)
        goto fail;
    for (;;) {
        ssize_t n = read_some(fd, buffer + used, FILE_LIMIT + 1 - used, used == 0);
        if (n < 0) {
            result = -errno;
            goto fail;
        }
        if (n == 0)
            break;
        used += (size_t)n;
        if (used > FILE_LIMIT) {
            result = -EFBIG;
            goto fail;
        }
    }
    close(fd);
    buffer[used] = '\0';
    *text = buffer;
    *length = used;
    return 0;

fail:
    free(buffer);
    close(fd);
    return result;
}

/* Decodes the quoted value whose quote is at *text, in place. Returns what follows the
 * closing quote, or NULL when there is none or an escape is unknown. */
static char *unquote(char *text)
{
    char *out = text;

    for (char *in = text + 1; *in != '\0'; in++) {
        if (*in == '"') {
            *out = '\0';
            return in + 1;
        }
        if (*in == '\\') {
            in++;
            if (*in != '"' && *in != '\\' && *in != 'n')
                return NULL;
            *out++ = *in == 'n' ? '\n' : *in;
        } else {
            *out++ = *in;
        }
    }
    return NULL;
}

/* Takes a trailing comment and white space off a value that is not quoted. */
static void trim(char *value)
{
    size_t length = 0;

    for (size_t i = 0; value[i] != '\0'; i++) {
        if (value[i] == '#' && (i == 0 || strchr(blanks, value[i - 1])))
            break;
        if (!strchr(blanks, value[i]))
            length = i + 1;
    }
    value[length] = '\0';
}

/*
 * Cuts a line into name and value. Returns 0 with *name NULL for an empty line, or -EINVAL
 * when it is not of the form name = value.
 */
static int split_line(char *line, char **name, char **value)
{
    char *equals, *v, *rest;
    size_t length;

    *name = NULL;
    line += strspn(line, blanks);
    if (*line == '\0' || *line == '#')
        return 0;
    equals = strchr(line, '=');
    length = strcspn(line, " \t\r=");
    if (!equals || length == 0 || line + length + strspn(line + length, blanks) != equals)
        return -EINVAL;
    line[length] = '\0';
    *name = line;
    v = equals + 1 + strspn(equals + 1, blanks);
    *value = v;
    if (*v != '"') {
        trim(v);
        return 0;
    }
    rest = unquote(v);
    if (!rest)
        return -EINVAL;
    rest += strspn(rest, blanks);
    return *rest == '\0' || *rest == '#' ? 0 : -EINVAL;
}

/* Applies one line. seen[] has the line where each option was set before, or 0. */
static int apply_line(struct config *config, char *line, unsigned number, const char *where,
                      unsigned seen[CONFIG_OPTIONS_MAX], const struct config_error *error)
{
    char *name;
    char *value;
    const struct config_option *option;
    unsigned *line_before;

    /* Not quoted: it may be a URI without the name before it. */
    if (split_line(line, &name, &value) != 0) {
        snprintf(error->text, error->size, "%sbad line; accepted: name = value", where);
        return -EINVAL;
    }
    if (!name)
        return 0;
    option = config_option_find(name, strlen(name));
    if (!option || !config_option_is_setting(option))
        return config_bad_name(error, where, "", name);
    line_before = &seen[option - config_options];
    if (*line_before != 0) {
        snprintf(error->text, error->size,
                 "%s%s is set a second time; accepted: once (it was set in line %u)", where, name,
                 *line_before);
        return -EINVAL;
    }
    *line_before = number;
    if (config_option_set(config, option, value) != 0)
        return config_bad_value(error, where, name, option, value);
    return 0;
}

int config_file_load(struct config *config, const char *path, const struct config_error *error)
{
    unsigned seen[CONFIG_OPTIONS_MAX] = {0};
    char shown[FILE_PATH_SHOWN];
    char where[FILE_PATH_SHOWN + 16];
    char *text = NULL;
    size_t length = 0;
    unsigned number = 0;
    int result;

    log_escape(shown, sizeof(shown), path, strlen(path));
    result = read_file(path, &text, &length);
    if (result != 0) {
        snprintf(error->text, error->size,
                 "cannot read config file \"%s\": %s; accepted: a file of name = value lines",
                 shown, result == -ETIMEDOUT ? "nobody writes to it" : strerror(-result));
        return result;
    }
    free(config->file_text);
    config->file_text = text;
    for (char *line = text, *end; line < text + length; line = end + 1) {
        number++;
        end = memchr(line, '\n', (size_t)(text + length - line));
        if (!end)
            end = text + length;
        *end = '\0';
        snprintf(where, sizeof(where), "%s:%u: ", shown, number);
        if (strlen(line) != (size_t)(end - line)) {
            snprintf(error->text, error->size, "%sbad byte NUL; accepted: text", where);
            return -EINVAL;
        }
        result = apply_line(config, line, number, where, seen, error);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Appends to out as far as it has room; *length counts all the same. */
static void put(char *out, size_t size, size_t *length, char byte)
{
    if (*length + 1 < size)
        out[*length] = byte;
    ++*length;
}

size_t config_file_quote(char *out, size_t size, const char *text)
{
    bool quoted = false;
    size_t length = 0;

    for (const char *p = text; *p != '\0'; p++)
        quoted = quoted || (unsigned char)*p <= ' ' || *p == '"' || *p == '#';
    if (quoted)
        put(out, size, &length, '"');
    for (const char *p = text; *p != '\0'; p++) {
        if (quoted && (*p == '"' || *p == '\\' || *p == '\n'))
            put(out, size, &length, '\\');
        put(out, size, &length, *p == '\n' ? 'n' : *p);
    }
    if (quoted)
        put(out, size, &length, '"');
    if (size > 0)
        out[length < size ? length : size - 1] = '\0';
    return length;
}
