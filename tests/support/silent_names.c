/* SPDX-License-Identifier: MIT
 *
 * A name server that is silent for as long as the file named by SILENT_NAMES is there: preloaded
 * into the server, it lets getaddrinfo() wait for names so long, half a minute at most, as the real
 * one does. Afterwards names that end in ".invalid" are this machine's.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TURNS = 1500, TURN_US = 20000 };

typedef int real_getaddrinfo(const char *, const char *, const struct addrinfo *,
                             struct addrinfo **);

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    real_getaddrinfo *real = (real_getaddrinfo *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *path = getenv("SILENT_NAMES");
    const char *end = host != NULL ? strstr(host, ".invalid") : NULL;

    if (end == NULL || (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0))
        return real(host, service, hints, found);
    for (int turn = 0; path != NULL && access(path, F_OK) == 0; turn++) {
        if (turn == TURNS)
            return EAI_AGAIN;
        usleep(TURN_US);
    }
    return real("127.0.0.1", service, hints, found);
}
