/* SPDX-License-Identifier: MIT
 *
 * --db as a PostgreSQL URI: whatever it is, neither what is shown of it nor the reason why it is
 * refused has any of its passwords, as a second reading finds them. The input is what follows
 * "postgresql://".
 */
#include <stdbool.h>

#include "db/backend.h"
#include "fuzz.h"

enum { SHORTEST = 6, SHOWN = 512, REASON = 200 };

static bool occurs_once(const char *text, const char *part)
{
    const char *first = strstr(text, part);

    return first != NULL && strstr(first + 1, part) == NULL;
}

/* One that is not to be found in text; not judged where it may be there for another reason. */
static void check_absent(const char *uri, const char *from, size_t length, const char *text)
{
    char *secret = strndup(from, length);

    FUZZ_CHECK(secret != NULL);
    if (length >= SHORTEST && strpbrk(secret, "0123456789") != NULL && occurs_once(uri, secret))
        FUZZ_CHECK(strstr(text, secret) == NULL);
    free(secret);
}

/* Between the first ':' and the '@' that ends the user's part, if it has one, and in parameters. */
static void check_passwords(const char *uri, const char *text)
{
    static const char parameter[] = "password=";
    const char *authority = uri + strlen("postgresql://");
    const char *end = strpbrk(authority, "@/");
    const char *colon = strchr(authority, ':');

    if (end != NULL && *end == '@' && colon != NULL && colon < end)
        check_absent(uri, colon + 1, (size_t)(end - colon) - 1, text);
    for (const char *p = uri; (p = strstr(p, parameter)) != NULL;) {
        p += sizeof parameter - 1;
        if (p[-(ptrdiff_t)sizeof parameter] == '?' || p[-(ptrdiff_t)sizeof parameter] == '&')
            check_absent(uri, p, strcspn(p, "&"), text);
    }
}

int fuzz_uri(const uint8_t *data, size_t size)
{
    static const char scheme[] = "postgresql://";
    char shown[SHOWN], reason[REASON] = "";
    char *uri = malloc(sizeof scheme + size);

    FUZZ_CHECK(uri != NULL);
    memcpy(uri, scheme, sizeof scheme - 1);
    memcpy(uri + sizeof scheme - 1, data, size);
    uri[sizeof scheme - 1 + size] = '\0';
    memset(shown, 0xff, sizeof shown);
    if (db_postgres.check(uri, reason, sizeof reason) == 0) {
        db_postgres.show(uri, shown, sizeof shown);
        FUZZ_CHECK(memchr(shown, '\0', sizeof shown) != NULL);
        FUZZ_CHECK(strncmp(shown, scheme, sizeof scheme - 1) == 0);
        check_passwords(uri, shown);
    } else {
        FUZZ_CHECK(reason[0] != '\0');
        check_passwords(uri, reason);
    }
    free(uri);
    return 0;
}
