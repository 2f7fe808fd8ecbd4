/* SPDX-License-Identifier: MIT
 *
 * The reading and writing of single values, by the kind of their option.
 *
 * A value has one canonical spelling, which config_option_get() gives and
 * config_option_set() reads back to the same value; --print-config relies on it.
 * Numbers are read by hand because strtoull() and strtod() accept signs, white
 * space, hexadecimal and the locale's decimal point, none of which belong here.
 */
#include "config/option.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "config/uri.h"
#include "networks.h"

enum { MS_PER_SECOND = 1000, KIB = 1024 };
enum { NAME_MOST = 253 }; /* letters of a host's name, in the DNS */

/* Digits at *text, which is moved past them. Returns false without any, or beyond uint64_t. */
static bool read_digits(const char **text, uint64_t *value)
{
    const char *p = *text;
    uint64_t sum = 0;

    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (p == *text)
        return false;
    *text = p;
    *value = sum;
    return true;
}

static bool read_count(const char *text, uint64_t *value)
{
    return read_digits(&text, value) && *text == '\0';
}

/* "660", "0660". */
static bool read_mode(const char *text, uint64_t *value)
{
    uint64_t mode = 0;
    size_t length = strlen(text);

    if (length < 3 || length > 4 || strspn(text, "01234567") != length)
        return false;
    for (size_t i = 0; i < length; i++)
        mode = mode * 8 + (uint64_t)(text[i] - '0');
    *value = mode;
    return true;
}

/* "10", "0.25", ".5"; finer than a millisecond is refused rather than rounded. */
static bool read_seconds(const char *text, uint64_t *ms)
{
    uint64_t whole = 0;
    uint64_t fraction = 0;

    if (*text != '.' && !read_digits(&text, &whole))
        return false;
    if (*text == '.') {
        const char *digits = ++text;
        uint64_t unit = MS_PER_SECOND;
        for (; *text >= '0' && *text <= '9'; text++) {
            unit /= 10;
            if (unit == 0 && *text != '0')
                return false;
            fraction += unit * (uint64_t)(*text - '0');
        }
        if (text == digits)
            return false;
    }
    if (*text != '\0' || whole > UINT64_MAX / MS_PER_SECOND - 1)
        return false;
    *ms = whole * MS_PER_SECOND + fraction;
    return true;
}

static bool read_size(const char *text, uint64_t *bytes)
{
    static const char suffixes[] = "kKmMgG";
    unsigned shift = 0;

    if (!read_digits(&text, bytes))
        return false;
    if (*text != '\0') {
        const char *suffix = strchr(suffixes, *text);
        if (!suffix)
            return false;
        shift = 10 * (1 + (unsigned)(suffix - suffixes) / 2);
        text++;
    }
    if (*text != '\0' || *bytes > UINT64_MAX >> shift)
        return false;
    *bytes <<= shift;
    return true;
}

static bool read_flag(const char *text, uint64_t *value)
{
    static const char *const words[] = {"off", "on", "no", "yes", "false", "true", "0", "1"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2;
            return true;
        }
    }
    return false;
}

static bool read_choice(const struct config_option *option, const char *text, uint64_t *value)
{
    for (size_t i = 0; option->choices[i]; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            *value = i;
            return true;
        }
    }
    return false;
}

static bool port_is_valid(const char *text)
{
    uint64_t port;
    return read_count(text, &port) && port <= UINT16_MAX;
}

/* "ADDR" or "ADDR%ZONE" (RFC 4007, 11): the zone of a link-local address is an interface's name or
 * number. */
static bool ipv6_is_valid(const char *text, size_t length)
{
    const char *zone = memchr(text, '%', length);
    size_t address_length = zone != NULL ? (size_t)(zone - text) : length;
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (address_length >= sizeof(copy))
        return false;
    memcpy(copy, text, address_length);
    copy[address_length] = '\0';
    if (zone != NULL) {
        size_t zone_length = length - address_length - 1;
        if (zone_length == 0 || zone_length >= IF_NAMESIZE)
            return false;
        for (size_t i = 1; i <= zone_length; i++)
            if (zone[i] <= ' ' || zone[i] > '~' || zone[i] == '/' || zone[i] == '%')
                return false;
    }
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/*
 * Judges the form only. Whether a name resolves and an address belongs to this machine
 * shows when the socket is bound, and is a failed start rather than a bad option.
 */
static bool listen_is_valid(const char *text)
{
    static const char unix_prefix[] = "unix:";
    static const char name_bytes[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-";
    char host[INET_ADDRSTRLEN];
    struct in_addr address;
    const char *colon;
    size_t length;

    if (strncmp(text, unix_prefix, strlen(unix_prefix)) == 0) {
        length = strlen(text) - strlen(unix_prefix);
        return length > 0 && length < sizeof(((struct sockaddr_un *)NULL)->sun_path);
    }
    colon = strrchr(text, ':');
    if (!colon || !port_is_valid(colon + 1))
        return false;
    length = (size_t)(colon - text);
    if (text[0] == '[')
        return length > 2 && text[length - 1] == ']' && ipv6_is_valid(text + 1, length - 2);
    if (strspn(text, "0123456789.") == length && length > 0) {
        if (length >= sizeof(host))
            return false;
        memcpy(host, text, length);
        host[length] = '\0';
        return inet_pton(AF_INET, host, &address) == 1;
    }
    return length > 0 && length <= NAME_MOST && strspn(text, name_bytes) == length;
}

/* Fields differ in width, so numbers are moved as bytes of the right width. */
static void field_store(struct config *config, const struct config_option *option, uint64_t value)
{
    char *field = (char *)config + option->offset;
    const uint8_t narrow = (uint8_t)value;
    const uint32_t word = (uint32_t)value;

    if (option->width == sizeof(narrow))
        memcpy(field, &narrow, sizeof(narrow));
    else if (option->width == sizeof(word))
        memcpy(field, &word, sizeof(word));
    else
        memcpy(field, &value, sizeof(value));
}

static uint64_t field_load(const struct config *config, const struct config_option *option)
{
    const char *field = (const char *)config + option->offset;
    uint8_t narrow;
    uint32_t word;
    uint64_t value;

    if (option->width == sizeof(narrow)) {
        memcpy(&narrow, field, sizeof(narrow));
        return narrow;
    }
    if (option->width == sizeof(word)) {
        memcpy(&word, field, sizeof(word));
        return word;
    }
    memcpy(&value, field, sizeof(value));
    return value;
}

/* What is not a path is shown in messages and in the ready line: one word or more, one line. */
static bool is_name(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == '\x7f')
            return false;
    }
    return text[0] != '\0';
}

static int set_text(struct config *config, const struct config_option *option, const char *text)
{
    const char *stored = text;
    struct networks networks;

    if (option->kind == KIND_LISTEN && !listen_is_valid(text))
        return -EINVAL;
    if (option->kind == KIND_DB && db_uri_kind(text) == DB_KIND_NONE)
        return -EINVAL;
    if (option->kind == KIND_PEER && text[0] != '\0' &&
        (!is_name(text) || !db_address_is_valid(text)))
        return -EINVAL;
    if (option->kind == KIND_NETWORKS && networks_parse(&networks, text) < 0)
        return -EINVAL;
    if (option->initial[0] != '\0' && !is_name(text))
        return -EINVAL;
    if (text[0] == '\0')
        stored = NULL;
    memcpy((char *)config + option->offset, &stored, sizeof(stored));
    return 0;
}

/* What says so by default, stored as 0, which nobody may write: it would mean "none". */
static bool is_auto(const struct config_option *option)
{
    return strcmp(option->initial, "auto") == 0;
}

int config_option_set(struct config *config, const struct config_option *option, const char *text)
{
    uint64_t value = 0;
    bool ok = false;

    switch (option->kind) {
    case KIND_TEXT:
    case KIND_LISTEN:
    case KIND_DB:
    case KIND_PEER:
    case KIND_NETWORKS:
        return set_text(config, option, text);
    case KIND_CHOICE:
        ok = read_choice(option, text, &value);
        break;
    case KIND_FLAG:
        ok = read_flag(text, &value);
        break;
    case KIND_COUNT:
    case KIND_MODE:
        if (strcmp(text, "auto") == 0 && !is_auto(option))
            return config_option_set(config, option, option->initial);
        ok = strcmp(text, "auto") == 0 ||
             ((option->kind == KIND_COUNT ? read_count(text, &value) : read_mode(text, &value)) &&
              value >= option->min && value <= option->max);
        break;
    case KIND_SECONDS:
        ok = read_seconds(text, &value) && value >= option->min && value <= option->max;
        break;
    case KIND_SIZE:
        ok = read_size(text, &value) && value >= option->min && value <= option->max;
        break;
    case KIND_FILE:
    case KIND_ACTION:
        break;
    }
    if (!ok)
        return -EINVAL;
    field_store(config, option, value);
    return 0;
}

static void format_size(uint64_t bytes, char *out, size_t size)
{
    static const char suffixes[][2] = {"", "k", "M", "G"};
    unsigned step = 0;

    while (step < 3 && bytes > 0 && bytes % KIB == 0) {
        bytes /= KIB;
        step++;
    }
    snprintf(out, size, "%" PRIu64 "%s", bytes, suffixes[step]);
}

static void format_seconds(uint64_t ms, char *out, size_t size)
{
    int length =
        snprintf(out, size, "%" PRIu64 ".%03u", ms / MS_PER_SECOND, (unsigned)(ms % MS_PER_SECOND));
    size_t end;

    if (length < 0 || (size_t)length >= size)
        return;
    end = (size_t)length;
    while (out[end - 1] == '0')
        end--;
    if (out[end - 1] == '.')
        end--;
    out[end] = '\0';
}

const char *config_option_get(const struct config *config, const struct config_option *option,
                              char scratch[CONFIG_SCRATCH])
{
    const char *text = NULL;
    uint64_t value;

    if (option->kind == KIND_TEXT || option->kind == KIND_LISTEN || option->kind == KIND_DB ||
        option->kind == KIND_PEER || option->kind == KIND_NETWORKS) {
        memcpy(&text, (const char *)config + option->offset, sizeof(text));
        return text ? text : "";
    }
    value = field_load(config, option);
    if (option->kind == KIND_CHOICE)
        return option->choices[value];
    if (option->kind == KIND_FLAG)
        return value ? "on" : "off";
    if ((option->kind == KIND_COUNT || option->kind == KIND_MODE) && value == 0)
        return "auto";
    if (option->kind == KIND_MODE)
        snprintf(scratch, CONFIG_SCRATCH, "%04o", (unsigned)value);
    else if (option->kind == KIND_SECONDS)
        format_seconds(value, scratch, CONFIG_SCRATCH);
    else if (option->kind == KIND_SIZE)
        format_size(value, scratch, CONFIG_SCRATCH);
    else
        snprintf(scratch, CONFIG_SCRATCH, "%" PRIu64, value);
    return scratch;
}

void config_option_accepted(const struct config_option *option, char *out, size_t size)
{
    char low[CONFIG_SCRATCH];
    char high[CONFIG_SCRATCH];

    switch (option->kind) {
    case KIND_LISTEN:
        snprintf(out, size, "ADDR:PORT, [ADDR]:PORT or unix:/path");
        break;
    case KIND_DB:
        snprintf(out, size, "sqlite:PATH, postgresql://[USER[:PASSWORD]@]HOST/DATABASE or auto");
        break;
    case KIND_PEER:
        snprintf(out, size, "HOST:PORT, [ADDR]:PORT or unix:/path");
        break;
    case KIND_NETWORKS:
        snprintf(out, size, "up to %d addresses, networks (10.0.0.0/8) and unix, with commas",
                 NETWORKS_MAX);
        break;
    case KIND_CHOICE:
        out[0] = '\0';
        for (size_t i = 0, used = 0; option->choices[i] && used < size; i++) {
            const char *before = i == 0 ? "" : option->choices[i + 1] ? ", " : " or ";
            int length = snprintf(out + used, size - used, "%s%s", before, option->choices[i]);
            used += length > 0 ? (size_t)length : 0;
        }
        break;
    case KIND_FLAG:
        snprintf(out, size, "on or off");
        break;
    case KIND_COUNT:
        snprintf(out, size, "%" PRIu64 " to %" PRIu64 ", or auto", option->min, option->max);
        break;
    case KIND_MODE:
        snprintf(out, size, "octal, %04o to %04o, or auto", (unsigned)option->min,
                 (unsigned)option->max);
        break;
    case KIND_SECONDS:
        format_seconds(option->min, low, sizeof(low));
        format_seconds(option->max, high, sizeof(high));
        snprintf(out, size, "seconds from %s to %s", low, high);
        break;
    case KIND_SIZE:
        format_size(option->min, low, sizeof(low));
        format_size(option->max, high, sizeof(high));
        snprintf(out, size, "bytes from %s to %s, suffixes k, M, G", low, high);
        break;
    case KIND_ACTION:
        snprintf(out, size, "no value");
        break;
    case KIND_TEXT:
    case KIND_FILE:
        snprintf(out, size, "a %s", option->metavar);
        break;
    }
}
