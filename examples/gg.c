/* SPDX-License-Identifier: MIT
 *
 * A generator becomes a coroutine: it is started by an empty send, takes what is sent to it, and
 * an error thrown into it at its yield. In Python:
 *
 *     def gg():                      n = gg()
 *         print('a')                 n.send(None)    # pre-activation: runs to the yield
 *         while True:                print('-')
 *             b = yield              n.send('b')     # the yield's value
 *             print(b)               n.throw(Exception, 'value error')
 */
#include "coro/generator.h"

#include <errno.h>
#include <stdio.h>

static void *gg(void *arg)
{
    (void)arg;
    puts("a");
    for (;;) {
        void *b;

        if (coro_yield(NULL, &b) != 0)
            return coro_raise_again(); /* not handled here: it ends us and reaches the caller */
        puts(b);
    }
}

int main(void)
{
    struct coro_gen *n = coro_gen_new(NULL, gg, NULL, "gg");

    if (n == NULL)
        return 1;
    coro_send(n, NULL, NULL);
    puts("-");
    coro_send(n, "b", NULL);
    if (coro_throw(n, (struct coro_error){-EINVAL, "value error"}, NULL) == CORO_FAILED)
        printf("Exception: %s\n", coro_gen_error(n).message);
    coro_gen_free(n);
    return 0;
}
