/* SPDX-License-Identifier: MIT
 *
 * /fault/KIND: makes the worker that serves it die, to show what the others and
 * the master do then. Served only with --enable-fault-routes.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "handler/handler.h"

/* Uses up the stack whatever its size; the array and the sum keep the compiler from making a loop
 * of it. */
static unsigned recurse(unsigned depth)
{
    volatile unsigned char frame[512] = {0};

    if (depth == UINT_MAX) /* not in any address space; the compiler wants an end to be possible */
        return 0;
    frame[depth % sizeof frame] = (unsigned char)depth;
    return recurse(depth + 1) + frame[(depth + 1) % sizeof frame];
}

int handler_fault(struct http_exchange *x)
{
    struct http_slice kind = handler_below_prefix(x->request);

    if (http_slice_is(kind, "overflow"))
        return (int)recurse(0);
    if (http_slice_is(kind, "segv"))
        raise(SIGSEGV);
    if (http_slice_is(kind, "abort"))
        abort();
    if (http_slice_is(kind, "exit"))
        _exit(EXIT_FAILURE);
    return http_error(x, 404, "no such fault: overflow, segv, abort or exit");
}
