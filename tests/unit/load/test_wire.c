/* SPDX-License-Identifier: MIT
 *
 * Figures through lines are the same figures; a line that is none is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/wire.h"
#include "tests/unit/load/sample.h"

static struct figures *filled(void)
{
    struct figures *figures = figures_new();

    assert_non_null(figures);
    for (uint64_t i = 0; i < 1000; i++)
        sample_request(figures, i);
    figures->statuses[0] = 1;
    figures->statuses[999] = INT64_MAX;
    figures->connections_opened = 11;
    figures->connections_most = 12;
    figures->shortages = 14;
    figures->queued_most = 13;
    figures->seconds = 10.0 / 3;
    figures->busy = 1.0 / 7;
    figures->waited = 1.0 / 11;
    figures->stopped = FIGURES_GIVE_UP;
    for (int64_t i = 0; i < 40; i++)
        assert_int_equal(figures_add_backlog(figures, i % 3 * 1000000000), 0);
    return figures;
}

static void test_there_and_back(void **state)
{
    struct figures *figures = filled(), *read = figures_new();
    char *text = NULL, *rest, *line;
    size_t length;
    int64_t *backlog_ns;
    FILE *to = open_memstream(&text, &length);
    int result = 0;

    (void)state;
    assert_non_null(read);
    assert_non_null(to);
    assert_int_equal(wire_write(figures, to), 0);
    assert_int_equal(fclose(to), 0);
    rest = text;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        assert_int_equal(result, 0); /* of all but the last */
        result = wire_read(line, read);
    }
    assert_int_equal(result, 1);
    assert_int_equal(read->backlog_seconds, 40);
    assert_memory_equal(read->backlog_ns, figures->backlog_ns, 40 * sizeof *read->backlog_ns);
    backlog_ns = read->backlog_ns;
    read->backlog_ns = figures->backlog_ns; /* the one field that is not the same */
    assert_memory_equal(read, figures, sizeof *read);
    read->backlog_ns = backlog_ns;
    free(text);
    figures_free(read);
    figures_free(figures);
}

static void test_what_is_none_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "end of file",
        "requests",
        "requests ",
        "requests x",
        "requests 5x",
        "requests 5 5",
        "requests -5",
        "requests +5",
        "requests 9223372036854775808",
        "Requests 5",
        "seconds nan",
        "seconds -1",
        "seconds 1,5",
        "stopped 4",
        "status 200",
        "status 1000 5",
        "status 0200 5",
        "status  5",
        "status 2x0 5",
        "status 200 x",
        "error other 5",
        "error timeout",
        "error timeouts 5",
        "backlog",
        "backlog x",
        "backlog 1 2",
        "lag HISTF",
        "ssh: connection reset",
    };
    struct figures *figures = figures_new();

    (void)state;
    assert_non_null(figures);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (wire_read(lines[i], figures) != -EINVAL)
            fail_msg("\"%s\" was read", lines[i]);
    figures_free(figures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
