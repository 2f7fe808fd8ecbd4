/* SPDX-License-Identifier: MIT
 *
 * Blocking signals, to read them.
 */
#include "master/signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>

int signals_take(sigset_t *before)
{
    static const int TAKEN[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
    sigset_t set;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* for the workers too: a file that may not grow is an error, EFBIG */
    signal(SIGTTOU, SIG_IGN); /* nor does a line for a terminal stop a server in the background */
    signal(SIGCHLD, SIG_DFL); /* ignored, as one may inherit it, nobody's death would be told */
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof TAKEN / sizeof TAKEN[0]; i++)
        sigaddset(&set, TAKEN[i]);
    sigprocmask(SIG_BLOCK, &set, before);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

bool signals_told_to_stop(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}
