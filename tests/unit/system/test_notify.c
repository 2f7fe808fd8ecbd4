/* SPDX-License-Identifier: MIT
 *
 * notify.h: the messages to the byte, to a socket with a path and to an abstract one, and what
 * comes of a manager that is not there or does not read.
 */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "system/notify.h"

static int sent_flags;

/* In place of the C library's, by the name that everything calls: notes how it is called. */
ssize_t noted_sendto(int fd, const void *data, size_t length, int flags,
                     const struct sockaddr *address, socklen_t size) __asm__("sendto");
ssize_t noted_sendto(int fd, const void *data, size_t length, int flags,
                     const struct sockaddr *address, socklen_t size)
{
    sent_flags = flags;
    return syscall(SYS_sendto, fd, data, length, flags, address, size);
}

/* The manager's socket, and its name in the environment. An abstract one begins with @. */
static int manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static int manager_here(void)
{
    char path[100];

    snprintf(path, sizeof path, "%s/socket", scratch_path);
    return manager(path);
}

static const char *told(int fd)
{
    static char message[200];
    ssize_t length = recv(fd, message, sizeof message - 1, 0);

    message[length < 0 ? 0 : length] = '\0';
    return message;
}

static void the_messages(void **state)
{
    int fd = manager_here();
    int64_t microseconds;

    (void)state;
    assert_int_equal(notify_ready(42), 0);
    assert_string_equal(told(fd), "READY=1\nMAINPID=42");
    assert_int_equal(notify_stopping(25500), 0);
    assert_string_equal(told(fd), "STOPPING=1\nEXTEND_TIMEOUT_USEC=25500000");
    assert_int_equal(notify_main_pid(43), 0);
    assert_string_equal(told(fd), "MAINPID=43\nWATCHDOG=1");
    assert_int_equal(notify_watchdog(), 0);
    assert_string_equal(told(fd), "WATCHDOG=1");
    assert_int_equal(notify_reloading(), 0);
    assert_int_equal(sscanf(told(fd), "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &microseconds), 1);
    assert_true(microseconds > 0);
    close(fd);
}

static void an_abstract_socket(void **state)
{
    char name[60];
    int fd;

    (void)state;
    snprintf(name, sizeof name, "@server-unit-%d", (int)getpid());
    fd = manager(name);
    assert_int_equal(notify_stopping(0), 0);
    assert_string_equal(told(fd), "STOPPING=1\nEXTEND_TIMEOUT_USEC=0");
    close(fd);
}

static void nobody_to_tell(void **state)
{
    char longest[120] = "/";

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_ready(1), 0);
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(notify_ready(1), 0);
    setenv("NOTIFY_SOCKET", "socket", 1);
    assert_int_equal(notify_ready(1), -EAFNOSUPPORT);
    setenv("NOTIFY_SOCKET", "@", 1);
    assert_int_equal(notify_ready(1), -EAFNOSUPPORT);
    memset(longest, '/', sizeof longest - 1);
    setenv("NOTIFY_SOCKET", longest, 1);
    assert_int_equal(notify_ready(1), -EAFNOSUPPORT);
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    assert_int_equal(notify_ready(1), -ENOENT);
}

static void only_the_watchdog_never_waits(void **state)
{
    int fd = manager_here();

    (void)state;
    assert_int_equal(notify_stopping(0), 0);
    assert_false(sent_flags & MSG_DONTWAIT);
    assert_int_equal(notify_watchdog(), 0);
    assert_true(sent_flags & MSG_DONTWAIT);
    close(fd);
}

static void the_watchdogs_interval(void **state)
{
    char pid[20];

    (void)state;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    assert_int_equal(notify_watchdog_interval_ms(), 0);
    setenv("WATCHDOG_USEC", "2500000", 1);
    assert_int_equal(notify_watchdog_interval_ms(), 2500);
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_watchdog_interval_ms(), 2500);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(notify_watchdog_interval_ms(), 0);
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "2500000s", 1);
    assert_int_equal(notify_watchdog_interval_ms(), 0);
}

/* As in the child that is to be the successor: what names its parent names it. */
static void the_watchdog_is_passed_on(void **state)
{
    char pid[20];

    (void)state;
    snprintf(pid, sizeof pid, "%d", (int)getppid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(notify_pass_watchdog(), 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_string_equal(getenv("WATCHDOG_PID"), pid);
    setenv("WATCHDOG_PID", "1000000000", 1);
    assert_int_equal(notify_pass_watchdog(), 0);
    assert_string_equal(getenv("WATCHDOG_PID"), "1000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(the_messages),
        cmocka_unit_test(an_abstract_socket),
        cmocka_unit_test(nobody_to_tell),
        IN_SCRATCH(only_the_watchdog_never_waits),
        cmocka_unit_test(the_watchdogs_interval),
        cmocka_unit_test(the_watchdog_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
