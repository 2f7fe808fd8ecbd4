/* SPDX-License-Identifier: MIT
 *
 * GET /status: settings and counters as JSON, summed over all workers.
 *
 * What the master counts (connections that it accepts or closes for a dead worker) is in the sums,
 * but in no row of the list of workers; nor are workers that have ended. For a while after a reload
 * the list has workers of two generations.
 */
#include "handler.h"

#include <inttypes.h>

#include "server.h"
#include "settings.h"
#include "text.h"
#include "totals.h"

enum { ROW_MOST = 200 }; /* bytes of a row in the list of workers */

/* "settings":{...}, with values as they are written in a configuration file. */
static void add_settings(struct text *text, const struct server *server)
{
    char value[SETTINGS_VALUE_SIZE];
    const char *name;

    text_add(text, "\"settings\":{");
    for (size_t i = 0; settings_in_force(server, i, &name, value); i++) {
        text_add(text, "%s", i == 0 ? "" : ",");
        text_add_json(text, name);
        text_add(text, ":");
        text_add_json(text, value);
    }
    text_add(text, "},\n");
}

static void add_connections(struct text *text, const struct totals *totals)
{
    int32_t parked = totals->open > totals->active ? totals->open - totals->active : 0;

    text_add(text, "\"connections\":{\"open\":%d,\"parked\":%d,\"active\":%d},\n", totals->open,
             parked, totals->active);
    text_add(text, "\"contexts\":{\"in_use\":%d,\"peak\":%d},\n", totals->active,
             totals->active_peak);
}

static void add_totals(struct text *text, const struct totals *totals)
{
    text_add(text, "\"requests\":%" PRIu64 ",\n\"responses\":{", totals->requests);
    for (unsigned class = 1; class < 6; class ++)
        text_add(text, "%s\"%uxx\":%" PRIu64, class == 1 ? "" : ",", class,
                 totals->responses[class]);
    text_add(text, "},\n\"bytes\":{\"in\":%" PRIu64 ",\"out\":%" PRIu64 "},\n", totals->bytes_in,
             totals->bytes_out);
    text_add(text, "\"stack_peak\":%" PRIu64 ",\n", totals->stack_peak);
}

static void add_workers(struct text *text, const struct server *server)
{
    bool first = true;

    text_add(text, "\"workers\":[");
    for (unsigned i = 0; i < shared_slots(server->shared); i++) {
        const struct worker_stats *stats = &server->shared->workers[i];

        if (atomic_load_explicit(&stats->pid, memory_order_relaxed) == 0)
            continue;
        text_add(text,
                 "%s\n{\"worker\":%u,\"pid\":%d,\"tid\":%d,\"requests\":%" PRIu64
                 ",\"accepted\":%" PRIu64 ",\"closed\":%" PRIu64 ",\"active\":%" PRIu64 "}",
                 first ? "" : ",", i, atomic_load_explicit(&stats->pid, memory_order_relaxed),
                 atomic_load_explicit(&stats->tid, memory_order_relaxed),
                 stats_get(&stats->requests), stats_get(&stats->accepted),
                 stats_get(&stats->closed), stats_get(&stats->contexts));
        first = false;
    }
    text_add(text, "]");
}

int handler_status(struct http_exchange *x)
{
    const struct server *server = x->io->server;
    struct totals totals;
    struct text text;
    int error;

    if (!http_query_check(x, NULL, 0, &error))
        return error;

    totals = totals_of(server->shared);
    text_init(&text);
    text.most += (size_t)shared_slots(server->shared) * ROW_MOST; /* there may be thousands */
    text_add(&text, "{\"model\":");
    text_add_json(&text, x->io->ops->model);
    text_add(&text, ",\n\"version\":");
    text_add_json(&text, server_version);
    text_add(&text, ",\n\"uptime_s\":%.3f,\n", (double)(io_now_ms() - server->started_ms) / 1000.0);
    add_settings(&text, server);
    add_connections(&text, &totals);
    add_totals(&text, &totals);
    text_add(&text, "\"access_log\":{\"lines_lost\":%" PRIu64 "},\n",
             atomic_load_explicit(&server->shared->log_lines_lost, memory_order_relaxed));
    add_workers(&text, server);
    text_add(&text, "}\n");
    http_add_header(x, "Cache-Control", "no-store");
    return text_reply(&text, x, "application/json");
}
