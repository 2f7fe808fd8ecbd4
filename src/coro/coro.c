/* SPDX-License-Identifier: MIT
 *
 * Making and ending coroutines; the switch between them is inline, in coro.h. */
#include "coro/coro.h"

#include "coro/expect.h"

_Thread_local struct coro_thread coro_thread __attribute__((tls_model("initial-exec")));

void coro_init(struct coro *c, struct coro_stack *stack, size_t stack_bytes, coro_entry_fn *entry,
               void *arg)
{
    c->stack = stack;
    c->is_generator = false;
    coro_context_init(&c->ctx, stack->low, stack_bytes, entry, arg);
#ifdef CORO_ASAN
    c->fake_stack = NULL;
    c->low = stack->low;
    c->bytes = stack_bytes;
#endif
#ifdef CORO_TSAN
    c->fibre = __tsan_create_fiber(0);
    __tsan_set_fiber_name(c->fibre, stack->name);
#endif
}

void coro_term(struct coro *c)
{
#ifdef CORO_TSAN
    __tsan_destroy_fiber(c->fibre);
    c->fibre = NULL;
#endif
    c->stack = NULL;
}

/* Not instrumented: AddressSanitizer must not find a frame of its own still open here. */
CORO_NO_ASAN _Noreturn void coro_leave_for_good(struct coro *from, struct coro *to, void *value)
{
#ifdef CORO_ASAN
    coro_thread.left = from;
    __sanitizer_start_switch_fiber(NULL, to->low, to->bytes); /* NULL: frees the fake stack */
#endif
#ifdef CORO_TSAN
    __tsan_switch_to_fiber(to->fibre, 0);
#endif
    coro_thread.current = to;
    (void)coro_context_switch(&from->ctx, &to->ctx, value);
    coro_expect_failed(NULL, "resumed though it has ended"); /* whose name went with its stack */
}
