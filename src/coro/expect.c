/* SPDX-License-Identifier: MIT
 *
 * The line that says what did not hold.
 */
#include "coro/expect.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void coro_expect_failed(const char *name, const char *words)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

    /* Where its reader stands still the process is to end all the same. */
    if (poll(&room, 1, 0) != 0)
        dprintf(STDERR_FILENO, "coroutine %s: %s\n", name != NULL ? name : "unnamed", words);
    abort();
}
