/* SPDX-License-Identifier: MIT
 *
 * The settings as the running server has them: see settings.h.
 */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "db/db.h"
#include "server.h"

bool settings_in_force(const struct server *server, size_t index, const char **name,
                       char value[SETTINGS_VALUE_SIZE])
{
    if (!server->config->show_settings)
        return false;
    if (!config_describe(server->config, index, name, value, SETTINGS_VALUE_SIZE))
        return false;
    if (strcmp(*name, "workers") == 0)
        snprintf(value, SETTINGS_VALUE_SIZE, "%u", server->workers);
    else if (strcmp(*name, "max-connections") == 0)
        snprintf(value, SETTINGS_VALUE_SIZE, "%u", server->max_connections);
    else if (strcmp(*name, "db") == 0)
        db_show(server->config, value, SETTINGS_VALUE_SIZE); /* a password is nobody's business */
    else if (strcmp(*name, "listen") == 0 && server->listen_name[0] != '\0')
        snprintf(value, SETTINGS_VALUE_SIZE, "%s", server->listen_name);
    return true;
}
