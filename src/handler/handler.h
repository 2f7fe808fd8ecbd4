/* SPDX-License-Identifier: MIT
 *
 * The one request handler: a table of routes, the same under every model.
 *
 * A route is one row in handler.c and one function in a file of its own. It is
 * written as plain synchronous code against http.h (the request, the answer) and
 * io.h (how to wait), and cannot tell which model runs it.
 */
#ifndef HANDLER_HANDLER_H
#define HANDLER_HANDLER_H

#include "http.h"

/* Answers one exchange. Returns 0, or the negative errno that http.h or io.h gave. */
typedef int route_fn(struct http_exchange *x);

enum route_flags {
    ROUTE_GET = 1,    /* answers GET, and HEAD by itself */
    ROUTE_POST = 2,   /* answers POST */
    ROUTE_PREFIX = 4, /* path ends in '/' and covers all below it */
    ROUTE_FAULT = 16, /* answers GET, and exists, only with --enable-fault-routes */
    ROUTE_WAITS = 8,  /* may take long: earlier pipelined answers are sent before it runs */
};

struct route {
    const char *path;
    unsigned flags; /* of enum route_flags */
    route_fn *serve;
    const char *summary; /* one line, for the index page */
    const char *example; /* request target to try, for the index page; NULL: the path */
};

/* All routes; ends with a row whose path is NULL. */
extern const struct route handler_routes[];

/* All of it, for struct server. */
extern const struct http_application handler_application;

/* Its find: the route of a request's path, or NULL. */
const struct route *handler_find(const struct http_request *request);

/* What follows the name of a ROUTE_PREFIX route, "/files/", in the path of a request for it; still
 * escaped. */
struct http_slice handler_below_prefix(const struct http_request *request);

/*
 * Its serve: answers x by route (as found by handler_find(); NULL answers 404): checks the
 * method (405 with Allow, OPTIONS 204 with Allow, 501 for an unknown one) and
 * runs the route's function. Returns as route_fn.
 */
int handler_serve(const struct route *route, struct http_exchange *x)
    __attribute__((warn_unused_result));

/* The functions of the rows, in the file of their name; healthz and readyz are in health.c, queries
 * and updates in db.c. */
route_fn handler_block, handler_cache, handler_cpu, handler_db, handler_echo, handler_fanout,
    handler_fault, handler_files, handler_fortunes, handler_healthz, handler_hello, handler_index,
    handler_json, handler_metrics, handler_mix, handler_queries, handler_readyz, handler_sleep,
    handler_status, handler_stream, handler_updates, handler_whoami;

/* No request is to hold a context for hours: what a route with several waits may ask for in all. A
 * context that waits would not even notice that its client has gone. */
enum { HANDLER_MAX_TOTAL_MS = 1000000 };

/* The state that /cpu and /mix start from: any number but 0. */
#define CPU_SEED UINT64_C(0x243f6a8885a308d3) /* the fraction of pi */

/*
 * One round of the fixed computation of /cpu and /mix, about a microsecond: mixes state and
 * returns the new one. No compiler can remove or fold it. rounds rounds are run, with an
 * io_checkpoint() every hundred or so.
 */
uint64_t cpu_burn(struct io *io, uint64_t state, uint64_t rounds);

#endif
