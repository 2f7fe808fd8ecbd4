/* SPDX-License-Identifier: MIT
 *
 * What a model says before it has workers, without a master: what it makes of settings, and its
 * plan for a server made by hand.
 */
#ifndef UNIT_MODELS_PLANNED_H
#define UNIT_MODELS_PLANNED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "models/model.h"
#include "server.h"
#include "system/listen.h"

enum { PLANNED_WORKERS = 5, PLANNED_DESCRIPTORS = 4096 };

struct planned {
    struct config config;
    struct server server;
    struct model_plan plan; /* as a master begins with */
};

/* The test's own, between planned_begin() and planned_end(). */
static struct planned planned;

static int planned_begin(void **state)
{
    struct planned *p = &planned;
    char error[200];

    (void)state;
    memset(p, 0, sizeof *p);
    p->config = (struct config){.max_header = 4096};
    p->server = (struct server){.config = &p->config,
                                .workers = PLANNED_WORKERS,
                                .descriptors = PLANNED_DESCRIPTORS,
                                .shared = shared_new()};
    assert_non_null(p->server.shared);
    p->server.listen_fd = listen_open("127.0.0.1:0", NULL, p->server.listen_name,
                                      sizeof p->server.listen_name, error, sizeof error);
    assert_true(p->server.listen_fd >= 0);
    p->plan = (struct model_plan){.processes = PLANNED_WORKERS, .slots_each = 1, .serving_each = 1};
    return 0;
}

static int planned_end(void **state)
{
    (void)state;
    close(planned.server.listen_fd);
    shared_free(planned.server.shared);
    return 0;
}

#define PLANNED_TEST(test) cmocka_unit_test_setup_teardown(test, planned_begin, planned_end)

/* The model refuses the settings, in one line that names the option. */
static inline void planned_refuses(const struct model *model, const struct config *config,
                                   const char *option)
{
    char error[500] = "";

    assert_int_equal(model->check(config, error, sizeof error), -EINVAL);
    assert_true(strncmp(error, option, strlen(option)) == 0);
    assert_null(strchr(error, '\n'));
}

static inline void planned_takes(const struct model *model, const struct config *config)
{
    char error[500] = "";

    if (model->check != NULL && model->check(config, error, sizeof error) != 0)
        fail_msg("%s", error);
}

#endif
