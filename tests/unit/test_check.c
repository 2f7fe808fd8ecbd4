/* SPDX-License-Identifier: MIT
 *
 * check.h: what would keep a server from starting is told in the words of a start, and nothing is
 * made on the way.
 */
#include "tests/unit/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"
#include "config.h"

static const struct config good = {.listen = "127.0.0.1:0"};

static void refused(const struct config *config, int result, const char *expected)
{
    char error[300] = "";

    assert_int_equal(check_start(config, error, sizeof error), result);
    assert_string_equal(error, expected);
}

static void assert_nothing_is_here(void)
{
    DIR *here = opendir(".");
    const struct dirent *entry;

    while ((entry = readdir(here)) != NULL)
        if (entry->d_name[0] != '.')
            fail_msg("made %s", entry->d_name);
    closedir(here);
}

static void what_would_start_is_good_and_makes_nothing(void **state)
{
    struct config config = good;

    (void)state;
    config.root = ".";
    config.access_log = "log";
    config.pid_file = "pid";
    refused(&config, 0, "");
    config.listen = "unix:socket";
    config.access_log = "-";
    refused(&config, 0, "");
    assert_nothing_is_here();
}

static void roots(void **state)
{
    struct config config = good;

    (void)state;
    config.root = "missing";
    refused(&config, -ENOENT, "cannot open --root missing: No such file or directory");
    scratch_write("file", "");
    config.root = "file";
    refused(&config, -ENOTDIR, "cannot open --root file: Not a directory");
}

static void access_logs(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct config config = good;

    (void)state;
    config.access_log = "missing/log";
    refused(&config, -ENOENT, "cannot open the access log missing/log: No such file or directory");
    config.access_log = ".";
    refused(&config, -EISDIR, "cannot open the access log .: Is a directory");
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    config.access_log = "socket";
    refused(&config, -ENXIO, "cannot open the access log socket: No such device or address");
    close(fd);
    scratch_write("log", "");
    config.access_log = "log";
    refused(&config, 0, "");
}

static void the_rest_is_asked_as_well(void **state)
{
    struct config config = good;
    char error[300];

    (void)state;
    config.user = "no-such-user";
    assert_int_equal(check_start(&config, error, sizeof error), -ENOENT);
    assert_contains(error, "--user=no-such-user");
    config = good;
    config.listen = "unix:missing/socket";
    assert_int_equal(check_start(&config, error, sizeof error), -ENOENT);
    assert_contains(error, "cannot listen on unix:missing/socket");
    config = good;
    config.pid_file = "missing/pid";
    assert_int_equal(check_start(&config, error, sizeof error), -ENOENT);
    assert_contains(error, "cannot write --pid-file=missing/pid");
}

static void only_who_is_allowed_serves_others_as_root(void **state)
{
    struct config config = good;
    char error[300];

    (void)state;
    config.listen = "0.0.0.0:0";
    assert_int_equal(check_start(&config, error, sizeof error), geteuid() == 0 ? -EACCES : 0);
    config.allow_root = true;
    assert_int_equal(check_start(&config, error, sizeof error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(what_would_start_is_good_and_makes_nothing),
        IN_SCRATCH(roots),
        IN_SCRATCH(access_logs),
        IN_SCRATCH(the_rest_is_asked_as_well),
        IN_SCRATCH(only_who_is_allowed_serves_others_as_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
