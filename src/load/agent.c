/* SPDX-License-Identifier: MIT
 *
 * Lines on standard input and output, and the thread that waits for the last of them.
 */
#include "load/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load/wire.h"

enum { LINE_BYTES = 64 };

/* Reads a line, without its newline; a longer one is cut. Its length, or -ECANCELED: it never
 * ended. Byte by byte, for what follows is for another reader. */
static int read_line(char line[LINE_BYTES])
{
    size_t length = 0;
    char byte = '\0';

    for (;;) {
        ssize_t got = read(STDIN_FILENO, &byte, 1);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -ECANCELED;
        if (byte == '\n')
            break;
        if (length < LINE_BYTES - 1)
            line[length++] = byte;
    }
    line[length] = '\0';
    return (int)length;
}

/* Whatever comes now, or the end of what comes, means to stop. */
static void *wait_for_stop(void *unused)
{
    char line[LINE_BYTES];

    (void)unused;
    (void)read_line(line);
    kill(getpid(), SIGINT);
    return NULL;
}

int agent_ready(const char *version, double *start_at)
{
    static const char start[] = "start ";
    char line[LINE_BYTES], *end;
    struct timespec now;
    pthread_t thread;
    int error;

    clock_gettime(CLOCK_REALTIME, &now);
    if (printf("ready %s %lld.%03ld\n", version, (long long)now.tv_sec, now.tv_nsec / 1000000) <
            0 ||
        fflush(stdout) != 0)
        return -ECANCELED;
    error = read_line(line);
    if (error < 0)
        return error;
    if (strcmp(line, "stop") == 0)
        return -ECANCELED;
    if (strncmp(line, start, sizeof start - 1) != 0)
        return -EPROTO;
    *start_at = strtod(line + sizeof start - 1, &end);
    if (end == line + sizeof start - 1 || *end != '\0')
        return -EPROTO;
    error = pthread_create(&thread, NULL, wait_for_stop, NULL);
    if (error == 0)
        error = pthread_detach(thread);
    return -error;
}

void agent_progress(const struct progress_now *now)
{
    printf("progress %" PRIu64 " %" PRId64 " %u\n", now->answered, now->oldest_ns,
           now->connections);
    fflush(stdout); /* one that cannot be told will find it out at the end */
}

int agent_tell(const struct figures *figures)
{
    int error = wire_write(figures, stdout);

    if (error != 0)
        return error;
    return fflush(stdout) != 0 || ferror(stdout) ? -EIO : 0;
}
