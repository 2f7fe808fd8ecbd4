/* SPDX-License-Identifier: MIT
 *
 * version.c: what the server calls itself begins with what the file VERSION says, and is one word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server.h"

static void the_version_is_that_of_the_file(void **state)
{
    FILE *file = fopen("VERSION", "r");
    char version[40] = "";

    (void)state;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%39s", version), 1);
    fclose(file);
    assert_int_equal(strncmp(server_version, version, strlen(version)), 0);
    assert_int_equal(strcspn(server_version, " \n"), strlen(server_version));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_is_that_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
