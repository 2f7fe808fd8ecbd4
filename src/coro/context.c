/* SPDX-License-Identifier: MIT
 *
 * Where a context begins: the two words its stack starts with, and the assembly that takes them.
 *
 *     x86-64                              AArch64
 *     ┌──────────────┐ low + bytes        ┌──────────────┐ low + bytes
 *     │ (alignment)  │                    │ (alignment)  │
 *     │ entry        │                    │ entry        │
 *     │ arg          │ <- sp, 16-aligned  │ arg          │ <- sp, 16-aligned
 *     └──────────────┘                    └──────────────┘
 *
 * The stub pops both and calls entry(arg) with the stack aligned as the ABI wants it. It is the
 * outermost frame: its return address is declared undefined, where every unwinder stops.
 */
#include "coro/context.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(CORO_UCONTEXT)

/* makecontext() passes ints only, so the two pointers travel as four halves. */
static void enter(unsigned e_hi, unsigned e_lo, unsigned a_hi, unsigned a_lo)
{
    uint64_t e = (uint64_t)e_hi << 32 | e_lo;
    uint64_t a = (uint64_t)a_hi << 32 | a_lo;
    coro_entry_fn *entry = (coro_entry_fn *)(uintptr_t)e;

    entry((void *)(uintptr_t)a);
    abort();
}

void coro_context_init(struct coro_context *ctx, void *low, size_t bytes, coro_entry_fn *entry,
                       void *arg)
{
    uint64_t e = (uint64_t)(uintptr_t)entry, a = (uint64_t)(uintptr_t)arg;

    if (getcontext(&ctx->uc) != 0)
        abort();
    ctx->uc.uc_stack.ss_sp = low;
    ctx->uc.uc_stack.ss_size = bytes;
    ctx->uc.uc_link = NULL;
    makecontext(&ctx->uc, (void (*)(void))enter, 4, (unsigned)(e >> 32), (unsigned)e,
                (unsigned)(a >> 32), (unsigned)a);
}

#else

static_assert(offsetof(struct coro_context, sp) == 0, "the assembly knows the offsets");
static_assert(offsetof(struct coro_context, fp) == 8, "the assembly knows the offsets");
static_assert(offsetof(struct coro_context, pc) == 16, "the assembly knows the offsets");

void coro_context_start(void); /* the stub below; never called from C */

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl coro_context_start\n"
        ".hidden coro_context_start\n"
        ".type coro_context_start, @function\n"
        ".balign 16\n"
        "coro_context_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    .cfi_undefined rbp\n"
        "    " CORO_LANDING "popq %rdi\n"
        "    popq %rax\n"
        "    xorl %ebp, %ebp\n"
        "    call *%rax\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size coro_context_start, .-coro_context_start\n");
#else
__asm__(".text\n"
        ".globl coro_context_start\n"
        ".hidden coro_context_start\n"
        ".type coro_context_start, %function\n"
        ".balign 16\n"
        "coro_context_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    .cfi_undefined x29\n"
        "    " CORO_LANDING "ldp x0, x9, [sp], #16\n"
        "    mov x29, xzr\n"
        "    mov x30, xzr\n"
        "    blr x9\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size coro_context_start, .-coro_context_start\n");
#endif

void coro_context_init(struct coro_context *ctx, void *low, size_t bytes, coro_entry_fn *entry,
                       void *arg)
{
    uintptr_t top = ((uintptr_t)low + bytes) & ~(uintptr_t)15;
    void **words = (void **)(top - 16);

    words[0] = arg;
    words[1] = (void *)(uintptr_t)entry;
    *ctx =
        (struct coro_context){.sp = words, .fp = NULL, .pc = (void *)(uintptr_t)coro_context_start};
}

#endif
