/* SPDX-License-Identifier: MIT
 *
 * --db as a PostgreSQL URI: whatever it is, neither what is shown of it nor the reason why it is
 * refused has any of its passwords, as a second reading finds them. The input is what follows
 * "postgresql://".
 */
#include <stdbool.h>

#include "db/backend.h"
#include "fuzz.h"

enum { SHORTEST = 6, SHOWN = 512 };

static const char scheme[] = "postgresql://";

static bool occurs_once(const char *text, const char *part)
{
    const char *first = strstr(text, part);

    return first != NULL && strstr(first + 1, part) == NULL;
}

/* What is said of a URI: how it is shown, or why it is refused. */
static void tell(const char *uri, char said[SHOWN])
{
    said[0] = '\0';
    if (db_postgres.check(uri, said, SHOWN) == 0) {
        memset(said, 0xff, SHOWN);
        db_postgres.show(uri, said, SHOWN);
        FUZZ_CHECK(memchr(said, '\0', SHOWN) != NULL);
        FUZZ_CHECK(strncmp(said, scheme, sizeof scheme - 1) == 0);
    } else {
        FUZZ_CHECK(said[0] != '\0');
    }
}

/* A password is not in what is said. What reads like it may be, such as a row of hosts without
 * their ports: that stays when the password is another. */
static void check_secret(const char *uri, const char *from, size_t length, const char *said)
{
    char *secret = strndup(from, length);
    char *other = strdup(uri);
    char said_of_other[SHOWN];

    FUZZ_CHECK(secret != NULL && other != NULL);
    if (length >= SHORTEST && strpbrk(secret, "0123456789") != NULL && occurs_once(uri, secret) &&
        strstr(said, secret) != NULL) {
        memset(other + (from - uri), 'x', length);
        tell(other, said_of_other);
        FUZZ_CHECK(strcmp(said, said_of_other) == 0);
    }
    free(secret);
    free(other);
}

/* Between the first ':' and the '@' that ends the user's part, if it has one, and in parameters. */
static void check_passwords(const char *uri, const char *said)
{
    static const char parameter[] = "password=";
    const char *authority = uri + strlen(scheme);
    const char *end = strpbrk(authority, "@/");
    const char *colon = strchr(authority, ':');

    if (end != NULL && *end == '@' && colon != NULL && colon < end)
        check_secret(uri, colon + 1, (size_t)(end - colon) - 1, said);
    for (const char *p = uri; (p = strstr(p, parameter)) != NULL;) {
        p += sizeof parameter - 1;
        if (p[-(ptrdiff_t)sizeof parameter] == '?' || p[-(ptrdiff_t)sizeof parameter] == '&')
            check_secret(uri, p, strcspn(p, "&"), said);
    }
}

int fuzz_uri(const uint8_t *data, size_t size)
{
    char *uri = malloc(sizeof scheme + size);
    char said[SHOWN];

    FUZZ_CHECK(uri != NULL);
    memcpy(uri, scheme, sizeof scheme - 1);
    memcpy(uri + sizeof scheme - 1, data, size);
    uri[sizeof scheme - 1 + size] = '\0';
    tell(uri, said);
    check_passwords(uri, said);
    free(uri);
    return 0;
}
