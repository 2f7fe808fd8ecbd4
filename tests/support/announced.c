/* SPDX-License-Identifier: MIT
 *
 * announced REPORT PROGRAM ARGUMENTS: runs the server as itself and watches, from a process apart,
 * what its workers that share a descriptor table open and close. Each such call is to be announced
 * (src/master/strays.h): the worker's word `changing` must say so, or, before it has a place, that
 * of a place without a worker. REPORT gets a line for each call that is not, and as its last line
 * "announced N", the number of calls that were.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/close_range.h>
#include <linux/ptrace.h>

#include "server.h"

enum { SYSCALL_STOP = SIGTRAP | 0x80, PATH_SHOWN = 200, APART_MAX = 1000 };

/* Calls that make or end a descriptor; path: the argument that holds one, or -1. */
static const struct {
    uint64_t number;
    const char *name;
    int path;
} CALLS[] = {
#ifdef SYS_open
    {SYS_open, "open", 0},
    {SYS_creat, "creat", 0},
    {SYS_pipe, "pipe", -1},
    {SYS_dup2, "dup2", -1},
    {SYS_eventfd, "eventfd", -1},
    {SYS_signalfd, "signalfd", -1},
    {SYS_epoll_create, "epoll_create", -1},
    {SYS_inotify_init, "inotify_init", -1},
#endif
    {SYS_openat, "openat", 1},
    {SYS_openat2, "openat2", 1},
    {SYS_socket, "socket", -1},
    {SYS_socketpair, "socketpair", -1},
    {SYS_accept, "accept", -1},
    {SYS_accept4, "accept4", -1},
    {SYS_pipe2, "pipe2", -1},
    {SYS_dup, "dup", -1},
    {SYS_dup3, "dup3", -1},
    {SYS_eventfd2, "eventfd2", -1},
    {SYS_signalfd4, "signalfd4", -1},
    {SYS_timerfd_create, "timerfd_create", -1},
    {SYS_epoll_create1, "epoll_create1", -1},
    {SYS_inotify_init1, "inotify_init1", -1},
    {SYS_memfd_create, "memfd_create", 0},
    {SYS_pidfd_open, "pidfd_open", -1},
    {SYS_io_uring_setup, "io_uring_setup", -1},
    {SYS_fcntl, "fcntl", -1},
    {SYS_close, "close", -1},
    {SYS_close_range, "close_range", -1},
};

static pid_t master;
static uint64_t shared; /* the server's counters, in its memory; 0: not found yet */
static unsigned long announced;
static int report;

static void fail(const char *what)
{
    dprintf(report, "%s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static bool peek(pid_t pid, uint64_t address, void *out, size_t size)
{
    struct iovec here = {out, size}, there = {(void *)(uintptr_t)address, size};

    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* The one shared mapping of that size. */
static void find_shared(pid_t pid)
{
    uint64_t size = sizeof(struct server_shared) + SHARED_SLOTS * sizeof(struct worker_stats);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char path[40], line[500];
    FILE *maps;

    size = (size + page - 1) / page * page;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uint64_t low, high;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " rw-s", &low, &high) == 2 &&
            strstr(line, "rw-s") != NULL && high - low == size)
            shared = low;
    }
    if (maps != NULL)
        fclose(maps);
}

/* The word of the worker, or of one that has no worker. */
static bool is_announced(pid_t pid)
{
    uint32_t slots = 0;
    bool vacant = false;

    if (!peek(pid, shared + offsetof(struct server_shared, slots_used), &slots, sizeof slots))
        return false;
    for (uint32_t i = 0; i < slots; i++) {
        uint64_t at =
            shared + offsetof(struct server_shared, workers) + i * sizeof(struct worker_stats);
        int32_t its = 0;
        uint32_t changing = 0;

        if (!peek(pid, at + offsetof(struct worker_stats, pid), &its, sizeof its) ||
            !peek(pid, at + offsetof(struct worker_stats, changing), &changing, sizeof changing))
            return false;
        if (its == pid)
            return changing % SHARED_CHANGE != 0;
        vacant |= its == 0 && changing % SHARED_CHANGE != 0;
    }
    return vacant;
}

static void complain(pid_t pid, const char *name, uint64_t path)
{
    char text[PATH_SHOWN + 1] = "";

    for (size_t i = 0; path != 0 && i < PATH_SHOWN && peek(pid, path + i, &text[i], 1); i++)
        if (text[i] == '\0')
            break;
    dprintf(report, "%s %s\n", name, text);
}

/* Whether the thread has a table of its own, or gets one with this call: what it opens concerns
 * nobody else. */
static bool is_apart(pid_t pid, const struct __ptrace_syscall_info *call)
{
    static pid_t apart[APART_MAX];
    static size_t count;

    for (size_t i = 0; i < count; i++)
        if (apart[i] == pid)
            return true;
    if (call->entry.nr != SYS_close_range || (call->entry.args[2] & CLOSE_RANGE_UNSHARE) == 0 ||
        count == APART_MAX)
        return false;
    apart[count++] = pid;
    return true;
}

static void judge(pid_t pid)
{
    struct __ptrace_syscall_info call;

    if (pid == master ||
        ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call) < (long)sizeof call.op ||
        call.op != PTRACE_SYSCALL_INFO_ENTRY || is_apart(pid, &call))
        return;
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++) {
        if (call.entry.nr != CALLS[i].number)
            continue;
        if (call.entry.nr == SYS_fcntl && call.entry.args[1] != F_DUPFD &&
            call.entry.args[1] != F_DUPFD_CLOEXEC)
            return;
        if (shared == 0)
            find_shared(pid);
        if (shared != 0 && is_announced(pid))
            announced++;
        else
            complain(pid, CALLS[i].name, CALLS[i].path < 0 ? 0 : call.entry.args[CALLS[i].path]);
        return;
    }
}

static bool stops(int number)
{
    return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* Until all have ended. */
static void watch(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        int number = WSTOPSIG(status), event = status >> 16;

        if (pid < 0 || !WIFSTOPPED(status))
            continue;
        if (number == SYSCALL_STOP)
            judge(pid);
        if (event == PTRACE_EVENT_STOP && stops(number))
            (void)ptrace(PTRACE_LISTEN, pid, 0, 0);
        else /* one that is killed meanwhile is not there any more */
            (void)ptrace(PTRACE_SYSCALL, pid, 0, number == SYSCALL_STOP || event != 0 ? 0 : number);
    }
    dprintf(report, "announced %lu\n", announced);
}

static void trace(int begun)
{
    long options =
        PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;

    if (ptrace(PTRACE_SEIZE, master, 0, options) < 0 || ptrace(PTRACE_INTERRUPT, master, 0, 0) < 0)
        fail("ptrace");
    close(begun);
    watch();
}

int main(int argc, char **argv)
{
    int ends[2];
    char byte;
    pid_t child;

    report = argc < 3 ? -1 : open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (report < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return EXIT_FAILURE;
    master = getpid();
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    child = fork();
    if (child == 0) {
        if (fork() == 0) { /* nobody's child: the server has only its own */
            close(ends[0]);
            close(STDERR_FILENO); /* whose end says that the server has ended */
            trace(ends[1]);
        }
        _exit(EXIT_SUCCESS);
    }
    close(ends[1]);
    if (child < 0 || waitpid(child, NULL, 0) != child || read(ends[0], &byte, 1) != 0)
        return EXIT_FAILURE;
    execv(argv[2], argv + 2);
    return EXIT_FAILURE;
}
