/* SPDX-License-Identifier: MIT
 *
 * The table of models. To add one: write models/NAME.c with a struct model (see
 * model.h for what it promises) and name it here, twice.
 */
#include "models/model.h"

#include <string.h>

extern const struct model prefork_model, threads_model, coro_model;

const struct model *const models[] = {&prefork_model, &threads_model, &coro_model, NULL};

const struct model *model_find(const char *name)
{
    for (size_t i = 0; models[i] != NULL; i++)
        if (strcmp(models[i]->name, name) == 0)
            return models[i];
    return NULL;
}
