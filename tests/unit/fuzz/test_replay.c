/* SPDX-License-Identifier: MIT
 *
 * Every input of tests/fuzz/corpus/ and tests/fuzz/regressions/ through its fuzz target, without
 * libFuzzer: so what a fuzzer once found stays found in each build, by any compiler. A target
 * dies when something does not hold; standard error then says which file it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum { LARGEST_INPUT = 1024 * 1024 };

static char current[1024]; /* the file being replayed */

/* SIGABRT's handler: says which file it was, then lets the program die. */
static void say_file(int number)
{
    size_t length = strlen(current);

    current[length] = '\n';
    if (write(STDERR_FILENO, current, length + 1) >= 0)
        signal(number, SIG_DFL);
}

static void replay_file(int (*target)(const uint8_t *, size_t))
{
    uint8_t *data = malloc(LARGEST_INPUT), *fitting;
    int fd = open(current, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    assert_non_null(data);
    assert_return_code(fd, errno);
    size = read(fd, data, LARGEST_INPUT);
    assert_in_range(size, 0, LARGEST_INPUT - 1);
    close(fd);
    fitting = realloc(data, size > 0 ? (size_t)size : 1); /* ends where the input ends */
    assert_non_null(fitting);
    target(fitting, (size_t)size);
    free(fitting);
}

/* All files of one folder of a target. Returns how many these are; without the folder 0. */
static unsigned replay_folder(const char *folder, const char *name,
                              int (*target)(const uint8_t *, size_t))
{
    char path[512];
    unsigned count = 0;
    DIR *entries;

    snprintf(path, sizeof path, "tests/fuzz/%s/%s", folder, name);
    entries = opendir(path);
    if (entries == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(current, sizeof current, "%s/%s", path, entry->d_name);
        replay_file(target);
        count++;
    }
    closedir(entries);
    return count;
}

static void replay(const char *name, int (*target)(const uint8_t *, size_t))
{
    static const uint8_t nothing[1];

    snprintf(current, sizeof current, "%s: no input at all", name);
    target(nothing, 0);
    if (replay_folder("corpus", name, target) == 0)
        fail_msg("no inputs in tests/fuzz/corpus/%s; to be run in the source tree", name);
    replay_folder("regressions", name, target);
}

#define REPLAY(name)                                                                               \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        replay(#name, fuzz_##name);                                                                \
    }

REPLAY(accept)
REPLAY(chunked)
REPLAY(client)
REPLAY(config)
REPLAY(database)
REPLAY(files)
REPLAY(hdr)
REPLAY(head)
REPLAY(path)
REPLAY(stream)
REPLAY(uri)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept), cmocka_unit_test(chunked),  cmocka_unit_test(client),
        cmocka_unit_test(config), cmocka_unit_test(database), cmocka_unit_test(files),
        cmocka_unit_test(hdr),    cmocka_unit_test(head),     cmocka_unit_test(path),
        cmocka_unit_test(stream), cmocka_unit_test(uri),
    };

    signal(SIGABRT, say_file);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
