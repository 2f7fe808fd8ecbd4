/* SPDX-License-Identifier: MIT
 *
 * Delegation: the proxy's yield_from connects the caller with the sub-generator. In Python:
 *
 *     def average_gen():                      def proxy_gen():
 *         total = count = average = 0             while True:
 *         while True:                                 yield from average_gen()
 *             new_num = yield average
 *             print(new_num)                  calc_average = proxy_gen()
 *             count += 1                      next(calc_average)      # pre-activation
 *             total += new_num                print(calc_average.send(10))
 *             average = total / count         print(calc_average.send(20)) ...
 */
#include "coro/generator.h"

#include <errno.h>
#include <stdio.h>

static void *average_gen(void *arg)
{
    double total = 0, average = 0;

    (void)arg;
    for (int count = 1;; count++) {
        void *new_num;

        if (coro_yield(&average, &new_num) != 0)
            return coro_raise_again();
        printf("%d\n", *(int *)new_num);
        total += *(int *)new_num;
        average = total / count;
    }
}

static void *proxy_gen(void *arg)
{
    (void)arg;
    for (;;) {
        struct coro_gen *sub = coro_gen_new(NULL, average_gen, NULL, "average_gen");

        if (sub == NULL)
            return coro_raise((struct coro_error){-ENOMEM, "no memory"});
        if (coro_yield_from(sub, NULL) != 0) {
            coro_gen_free(sub);
            return coro_raise_again();
        }
        coro_gen_free(sub);
    }
}

int main(void)
{
    struct coro_gen *calc_average = coro_gen_new(NULL, proxy_gen, NULL, "proxy_gen");

    if (calc_average == NULL)
        return 1;
    coro_send(calc_average, NULL, NULL);
    for (int number = 10; number <= 30; number += 10) {
        void *average;

        if (coro_send(calc_average, &number, &average) != CORO_YIELDED)
            return 1;
        printf("%.1f\n", *(double *)average);
    }
    coro_gen_free(calc_average);
    return 0;
}
