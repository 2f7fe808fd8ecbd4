/* SPDX-License-Identifier: MIT
 *
 * The switch: stop executing on one stack and go on where another one stopped.
 *
 * A suspended context is three words: stack pointer, frame pointer, resume address. Every
 * other register is named as clobbered by the inline assembly, so the compiler itself saves
 * those that are live at that very place (often none) and no others; and the switch resumes by
 * an indirect jump instead of a `ret`, which would always miss the return predictor.
 *
 *     running on stack A                        suspended on stack B
 *     ┌───────────────────────┐ high            ┌───────────────────────┐ high
 *     │ frames of A           │                 │ frames of B           │
 *     │ frame that switches   │ <- rbp / x29    │ frame that switched   │ <- to->fp
 *     │  (its live registers) │                 │  (its live registers) │
 *     ├───────────────────────┤ <- rsp / sp     ├───────────────────────┤ <- to->sp
 *     │ red zone, untouched   │                 │ red zone, untouched   │
 *     └───────────────────────┘ low             └───────────────────────┘ low
 *
 *     register            x86-64 (System V psABI)       AArch64 (AAPCS64)
 *     stack pointer       rsp             saved         sp              saved
 *     frame pointer       rbp             saved         x29             saved
 *     resume address      label 1         saved         label 1         saved
 *     handed over         rdx             carried       x2              carried
 *     general             all others      clobbered     x0-x28, x30     clobbered
 *     vector, FP, mask    xmm/ymm/zmm, k, x87, mmx  "   v0-v31          clobbered
 *     platform            fs, gs          the thread's  TPIDR_EL0       the thread's
 *     FP control          MXCSR, x87 CW   the thread's  FPCR            the thread's
 *
 * "The thread's" means that a switch neither saves nor restores it: a coroutine that changes
 * the rounding mode changes it for its whole thread and must put it back before suspending.
 *
 * Nothing is pushed, so the red zone of the suspending function stays intact. The function a
 * switch is inlined into must not use alloca() or variable-length arrays (the compiler may
 * then keep a base pointer in a register that we clobber). CET: the resume label carries an
 * ENDBR where the compiler marks branches (-fcf-protection=branch); user shadow stacks are not
 * supported, and glibc leaves them off unless asked for by a tunable. No CFI is needed at the
 * switch, the label lies inside an ordinary function; the entry (context.c) marks the outermost
 * frame, so that gdb and perf stop there.
 */
#ifndef CORO_CONTEXT_H
#define CORO_CONTEXT_H

#include <stddef.h>

#if !defined(CORO_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define CORO_UCONTEXT 1
#endif

#if defined(__CET__) && (__CET__ & 1) /* what an indirect jump must land on */
#define CORO_LANDING "endbr64\n\t"
#elif defined(__ARM_FEATURE_BTI_DEFAULT)
#define CORO_LANDING "hint #36\n\t" /* bti j */
#else
#define CORO_LANDING ""
#endif

#ifdef CORO_UCONTEXT
#include <ucontext.h>
struct coro_context {
    ucontext_t uc;
    void *value;
};
#else
struct coro_context {
    void *sp;
    void *fp;
    void *pc;
};
#endif

/* First function of a context; must never return. Runs on the new stack. */
typedef void coro_entry_fn(void *arg);

/* Prepares ctx so that the first switch to it calls entry(arg) on the stack of `bytes` (at least
 * 1024) that begins at `low`; both stay the caller's. Never fails; may be called anywhere. */
void coro_context_init(struct coro_context *ctx, void *low, size_t bytes, coro_entry_fn *entry,
                       void *arg);

/* Saves the caller's place in *from and continues at *to, to which `value` is handed in a register
 * (unless it is only beginning). Returns when something switches to *from again, on the same
 * thread, with the value that it hands over. No system call (save in the ucontext variant). */
#if defined(CORO_UCONTEXT)
static inline void *coro_context_switch(struct coro_context *from, struct coro_context *to,
                                        void *value)
{
    to->value = value;
    swapcontext(&from->uc, &to->uc);
    return from->value;
}

#elif defined(__x86_64__)
#ifdef __AVX512F__
#define CORO_CLOBBER_AVX512                                                                        \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",  \
        "k6", "k7"
#else
#define CORO_CLOBBER_AVX512
#endif

__attribute__((always_inline)) static inline void *
coro_context_switch(struct coro_context *from, struct coro_context *to, void *value)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%0)\n\t"
                     "movq %%rbp, 8(%0)\n\t"
                     "movq %%rax, 16(%0)\n\t"
                     "movq 16(%1), %%rax\n\t"
                     "movq 0(%1), %%rsp\n\t"
                     "movq 8(%1), %%rbp\n\t"
                     "jmp *%%rax\n"
                     "1:\n\t" CORO_LANDING
                     : "+D"(from), "+S"(to), "+d"(value)
                     :
                     : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
                       "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "mm0",
                       "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7" CORO_CLOBBER_AVX512);
    return value;
}

#else /* __aarch64__ */
__attribute__((always_inline)) static inline void *
coro_context_switch(struct coro_context *from, struct coro_context *to, void *value)
{
    register struct coro_context *x0 __asm__("x0") = from;
    register struct coro_context *x1 __asm__("x1") = to;
    register void *x2 __asm__("x2") = value;
    __asm__ volatile("adr x10, 1f\n\t"
                     "mov x9, sp\n\t"
                     "stp x9, x29, [x0]\n\t"
                     "str x10, [x0, #16]\n\t"
                     "ldp x9, x29, [x1]\n\t"
                     "ldr x10, [x1, #16]\n\t"
                     "mov sp, x9\n\t"
                     "br x10\n"
                     "1:\n\t" CORO_LANDING
                     : "+r"(x0), "+r"(x1), "+r"(x2)
                     :
                     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25",
                       "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
                       "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18",
                       "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
                       "v30", "v31", "memory", "cc");
    return x2;
}
#endif

#endif
