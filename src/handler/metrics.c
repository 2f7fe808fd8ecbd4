/* SPDX-License-Identifier: MIT
 *
 * GET /metrics: the counters of /status in Prometheus' text format (version 0.0.4), for dashboards,
 * alarms and autoscalers. Names are what Prometheus asks for: a prefix of the program's, base
 * units, _total behind what only grows.
 */
#include "handler.h"

#include <inttypes.h>

#include "server.h"
#include "text.h"
#include "totals.h"

static void describe(struct text *text, const char *name, const char *type, const char *help)
{
    text_add(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add(struct text *text, const char *name, const char *type, const char *help,
                uint64_t value)
{
    describe(text, name, type, help);
    text_add(text, "%s %" PRIu64 "\n", name, value);
}

/* Who answers, in labels: their values are names of this program's, and need no escape. */
static void add_info(struct text *text, const struct http_exchange *x)
{
    describe(text, "server_info", "gauge", "Always 1: the model that runs, and the version.");
    text_add(text, "server_info{model=\"%s\",version=\"%s\"} 1\n", x->io->ops->model,
             server_version);
}

static void add_responses(struct text *text, const struct totals *totals)
{
    describe(text, "server_responses_total", "counter", "Answers, by the class of their status.");
    for (unsigned class = 1; class < 6; class ++)
        text_add(text, "server_responses_total{class=\"%uxx\"} %" PRIu64 "\n", class,
                 totals->responses[class]);
}

static uint64_t from_zero(int32_t count)
{
    return count > 0 ? (uint64_t)count : 0;
}

int handler_metrics(struct http_exchange *x)
{
    const struct server *server = x->io->server;
    struct totals totals;
    struct text text;
    int error;

    if (!http_query_check(x, NULL, 0, &error))
        return error;
    totals = totals_of(server->shared);
    text_init(&text);
    add_info(&text, x);
    add(&text, "server_ready", "gauge", "1 until the server is told to stop, then 0.",
        !server_leaving(server));
    add(&text, "server_workers", "gauge", "Processes, threads or loops, as set or resolved.",
        server->workers);
    add(&text, "server_connections", "gauge", "Connections that are open.", from_zero(totals.open));
    add(&text, "server_requests_in_progress", "gauge",
        "Requests being served now, the one for this page among them.", from_zero(totals.active));
    add(&text, "server_requests_total", "counter", "Requests answered, refused ones included.",
        totals.requests);
    add_responses(&text, &totals);
    add(&text, "server_received_bytes_total", "counter", "Bytes read from clients.",
        totals.bytes_in);
    add(&text, "server_sent_bytes_total", "counter", "Bytes sent to clients.", totals.bytes_out);
    add(&text, "server_access_log_lost_lines_total", "counter",
        "Lines that the access log could not take.",
        atomic_load_explicit(&server->shared->log_lines_lost, memory_order_relaxed));
    http_add_header(x, "Cache-Control", "no-store");
    return text_reply(&text, x, "text/plain; version=0.0.4; charset=utf-8");
}
