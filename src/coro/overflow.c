/* SPDX-License-Identifier: MIT
 *
 * The overflow report: a SIGSEGV handler that looks the fault's address up among the guards of
 * this thread's stacks. It runs on an alternate stack and calls only what is async-signal-safe:
 * the pools it reads belong to the very thread that it interrupted.
 *
 * A frame larger than the guard may step over it; the report then names nobody. So guards of
 * ordinary threads, which are as small as ours, are taken to reach 64 KiB, below which nothing
 * else is likely to fault.
 */
#include "coro/overflow.h"
#include "coro/stack.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum {
    ALTERNATE_BYTES = 16384,
    REACH = 65536, /* of a guard */
};

/* In static TLS rather than allocated: nothing to free when the thread ends, and no cost until a
 * page of it is touched. */
static _Thread_local struct {
    _Alignas(16) char alternate[ALTERNATE_BYTES];
    char name[48];
    uintptr_t low;
    size_t bytes;
} mine __attribute__((tls_model("initial-exec")));

/* What handled SIGSEGV before. A process has one handler; there is no other place for this. */
static struct sigaction before;
static pthread_mutex_t installing = PTHREAD_MUTEX_INITIALIZER;

static char *append(char *to, const char *end, const char *text)
{
    while (*text != '\0' && to < end)
        *to++ = *text++;
    return to;
}

static void report(const char *what, const char *name, size_t bytes)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    char line[160] = "", digits[24] = "";
    char *at = line, *end = line + sizeof line - 1, *digit = digits + sizeof digits - 1;
    ssize_t ignored;

    do
        *--digit = (char)('0' + bytes % 10);
    while ((bytes /= 10) != 0);
    at = append(at, end, "stack overflow in ");
    at = append(at, end, what);
    at = append(at, end, name);
    at = append(at, end, ", whose stack has ");
    at = append(at, end, digit);
    at = append(at, end, " bytes");
    *at++ = '\n';
    if (poll(&room, 1, 0) == 0)
        return; /* its reader stands still: the thread is to end all the same */
    ignored = write(STDERR_FILENO, line, (size_t)(at - line));
    (void)ignored;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    struct sigaction next = before;
    size_t bytes;

    (void)context;
    if (info->si_code > 0) {
        const struct coro_stack *stack = coro_stack_of_guard(address, &bytes);

        if (stack != NULL)
            report("coroutine ", stack->name, bytes);
        else if (mine.bytes != 0 && address < mine.low + REACH && address + REACH >= mine.low)
            report("", mine.name, mine.bytes);
        else
            goto pass_on;
        memset(&next, 0, sizeof next);
        next.sa_handler = SIG_DFL;
    }
pass_on:
    /* Returning repeats the faulting instruction, so that the signal comes again, to that. */
    sigaction(sig, &next, NULL);
    if (info->si_code <= 0)
        raise(sig); /* it was sent by somebody; nothing would repeat it */
}

static int install_handler(void)
{
    struct sigaction action, old;

    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, NULL, &old) != 0)
        return -errno;
    if ((old.sa_flags & SA_SIGINFO) && old.sa_sigaction == on_fault)
        return 0;
    before = old;
    return sigaction(SIGSEGV, &action, NULL) == 0 ? 0 : -errno;
}

int coro_overflow_report_install(void)
{
    stack_t now, alternate = {.ss_sp = mine.alternate, .ss_size = sizeof mine.alternate};
    int rc;

    if (sigaltstack(NULL, &now) != 0)
        return -errno;
    /* One that is there (AddressSanitizer makes one, and frees it) will do. */
    if ((now.ss_flags & SS_DISABLE) && sigaltstack(&alternate, NULL) != 0)
        return -errno;
    pthread_mutex_lock(&installing);
    rc = install_handler();
    pthread_mutex_unlock(&installing);
    return rc;
}

/* Asks the thread library for the bounds of the stack that this runs on. 0 or a positive errno. */
static int learn_bounds(void)
{
    pthread_attr_t attr;
    void *low;
    int rc = pthread_getattr_np(pthread_self(), &attr);

    if (rc != 0)
        return rc;
    rc = pthread_attr_getstack(&attr, &low, &mine.bytes);
    mine.low = (uintptr_t)low;
    pthread_attr_destroy(&attr);
    return rc;
}

int coro_overflow_register_self(const char *name)
{
    int rc = mine.bytes == 0 ? learn_bounds() : 0;

    if (rc == 0)
        strncpy(mine.name, name, sizeof mine.name - 1);
    return -rc;
}
