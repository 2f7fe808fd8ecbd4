/* SPDX-License-Identifier: MIT
 *
 * The settings as the running server has them, for / and /status.
 */
#ifndef HANDLER_SETTINGS_H
#define HANDLER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

struct server;

enum { SETTINGS_VALUE_SIZE = 512 };

/*
 * Gives the name and value of setting number index (0, 1, ...): as
 * config_describe(), but where the configuration leaves a choice to the server
 * (how many workers, how many connections, which port) what it chose.
 * Of --db it gives what anybody may know. Returns false when there is no such setting, and for
 * each of them with --no-show-settings.
 */
bool settings_in_force(const struct server *server, size_t index, const char **name,
                       char value[SETTINGS_VALUE_SIZE]);

#endif
