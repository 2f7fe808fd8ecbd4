/* SPDX-License-Identifier: MIT
 *
 * The line that says what did not hold.
 */
#include "coro/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void coro_expect_failed(const char *name, const char *words)
{
    dprintf(STDERR_FILENO, "coroutine %s: %s\n", name != NULL ? name : "unnamed", words);
    abort();
}
