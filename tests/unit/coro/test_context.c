/* SPDX-License-Identifier: MIT
 *
 * The switch itself: what survives it, how an entry finds its stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/coro/coroutines.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

/* Wears out every register it can: many live integers and doubles across each switch. */
static double churn(struct coro *self, struct coro *other, uint64_t seed)
{
    uint64_t a = seed, b = a * 3, c = b * 5, d = c * 7, e = d * 11, f = e * 13, g = f * 17;
    double s = (double)seed, t = s / 3, u = t / 5, v = u / 7, w = v / 11, x = w / 13;
    long double l = (long double)seed / 3;

    for (int i = 0; i < 50; i++) {
        (void)coro_switch(self, other, NULL);
        a += b, b ^= c, c += d, d ^= e, e += f, f ^= g, g += a;
        s += t, t += u, u += v, v += w, w += x, x += s * 1e-9;
        l = l / 2 + (long double)s;
    }
    return (double)((a ^ b ^ c ^ d ^ e ^ f ^ g) >> 40) + s + t + u + v + w + x + (double)l;
}

static double churned;

static void churner(void *arg)
{
    struct coro *self = arg;

    coro_arrived(self);
    churned = churn(self, back, 7);
    coro_leave_for_good(self, back, NULL);
}

static void idle(void *arg)
{
    struct coro *self = arg;

    coro_arrived(self);
    for (;;)
        (void)coro_switch(self, back, NULL);
}

static void test_registers_survive(void **state)
{
    struct coro c, other;
    double alone;
    double mine;

    (void)state;
    back = coro_running();
    make(&other, idle);
    alone = churn(back, &other, 7); /* against one that does nothing */
    make(&c, churner);
    mine = churn(back, &c, 9);
    (void)coro_switch(back, &c, NULL); /* its last round */
    assert_true(alone == churned);
    assert_true(mine == churn(back, &other, 9));
    assert_true(isfinite(mine));
    unmake(&c);
    unmake(&other);
}

static uintptr_t misaligned;

static void aligned_entry(void *arg)
{
    struct coro *self = arg;
    struct {
        _Alignas(16) char bytes[16];
    } frame;
    volatile char *p = frame.bytes;
    double d = 0;
    char text[32];

    coro_arrived(self);
    *p = 1;
    misaligned = (uintptr_t)p % 16;
    snprintf(text, sizeof text, "%.3f", sqrt(2 + d)); /* libc uses aligned vector stores */
    misaligned += strcmp(text, "1.414") != 0;
    coro_leave_for_good(self, back, NULL);
}

static void test_entry_stack_is_aligned(void **state)
{
    struct coro c;

    (void)state;
    misaligned = 1;
    back = coro_running();
    make(&c, aligned_entry);
    (void)coro_switch(back, &c, NULL);
    assert_int_equal(misaligned, 0);
    unmake(&c);
}

#ifndef CORO_UCONTEXT
/* ---- unwinding, as gdb and perf do it: by the call frame information alone ---- */

enum { FRAMES = 32 };
static void *frames[FRAMES]; /* the beginnings of the functions found, innermost first */
static size_t frame_count;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
    (void)arg;
    if (frame_count < FRAMES && _Unwind_GetIP(context) != 0) /* 0 marks the end */
        frames[frame_count++] = _Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context));
    return _URC_NO_REASON;
}

__attribute__((noinline)) static void innermost(void)
{
    _Unwind_Backtrace(note_frame, NULL);
    __asm__ volatile(""); /* no tail call */
}

static void unwound_entry(void *arg)
{
    struct coro *self = arg;

    coro_arrived(self);
    innermost();
    coro_leave_for_good(self, back, NULL);
}

static size_t index_of(void (*fn)(void))
{
    size_t i = 0;

    while (i < frame_count && frames[i] != (void *)(uintptr_t)fn)
        i++;
    return i;
}

void coro_context_start(void);

static void test_unwinding_ends_at_the_entry(void **state)
{
    struct coro c;
    size_t i;

    (void)state;
    back = coro_running();
    make(&c, unwound_entry);
    (void)coro_switch(back, &c, NULL);
    i = index_of(innermost);
    assert_true(i < frame_count);
    assert_ptr_equal(frames[i + 1], (void *)(uintptr_t)unwound_entry);
    assert_ptr_equal(frames[i + 2], (void *)(uintptr_t)coro_context_start);
    assert_int_equal(frame_count, i + 3); /* and there it stops */
    unmake(&c);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers_survive),
        cmocka_unit_test(test_entry_stack_is_aligned),
#ifndef CORO_UCONTEXT
        cmocka_unit_test(test_unwinding_ends_at_the_entry),
#endif
    };
    int failed;

    pool = coro_stack_pool_new(0, 4);
    failed = pool == NULL || cmocka_run_group_tests(tests, NULL, NULL) != 0;
    coro_stack_pool_free(pool);
    return failed;
}
