/* SPDX-License-Identifier: MIT
 *
 * The table of routes, and what is common to all of them: finding one, and
 * judging the method.
 *
 * A new route is a row here, a declaration in handler.h and a file. The index
 * page is generated from the same table. A name is found in any spelling of a path,
 * "/%68ello" as "/hello" (RFC 3986, 6.2.2.2); what follows a prefix its route decodes.
 */
#include "handler/handler.h"

#include <string.h>

#include "server.h"

enum { NAME_SIZE = 16 }; /* bytes; more than any name below has */

/* Rows that the code below refers to; the others just follow. */
enum { ROW_INDEX, ROW_HELLO };

const struct route handler_routes[] = {
    [ROW_INDEX] = {"/", ROUTE_GET, handler_index, "this page", NULL},
    [ROW_HELLO] = {"/hello", ROUTE_GET, handler_hello, "a fixed text of 13 bytes", NULL},
    {"/json", ROUTE_GET, handler_json, "a fixed JSON object of 27 bytes", NULL},
    {"/cpu", ROUTE_GET | ROUTE_WAITS, handler_cpu,
     "n rounds of computing, about a microsecond each", "/cpu?n=1000"},
    {"/sleep", ROUTE_GET | ROUTE_WAITS, handler_sleep,
     "waits ms milliseconds the way the model waits", "/sleep?ms=20"},
    {"/block", ROUTE_GET | ROUTE_WAITS, handler_block,
     "the same wait in a call that cannot suspend; offload=1 puts it on a helper thread",
     "/block?ms=20&offload=1"},
    {"/mix", ROUTE_GET | ROUTE_WAITS, handler_mix,
     "cpu rounds of computing, then wait milliseconds of waiting; all that rounds times",
     "/mix?cpu=100&wait=2&rounds=3"},
    {"/fanout", ROUTE_GET | ROUTE_WAITS, handler_fanout,
     "n waits of ms milliseconds in one request, gathered", "/fanout?n=10&ms=50"},
    {"/db", ROUTE_GET | ROUTE_WAITS, handler_db, "one random row of the database, as JSON", NULL},
    {"/queries", ROUTE_GET | ROUTE_WAITS, handler_queries,
     "n random rows, a query each, sent together where the database can", "/queries?n=20"},
    {"/updates", ROUTE_GET | ROUTE_WAITS, handler_updates, "n random rows, read and changed",
     "/updates?n=5"},
    {"/fortunes", ROUTE_GET | ROUTE_WAITS, handler_fortunes,
     "a dozen rows and one more, sorted, as an HTML table", NULL},
    {"/cache", ROUTE_GET | ROUTE_WAITS, handler_cache, "n random rows, from the cache of --redis",
     "/cache?n=20"},
    {"/stream", ROUTE_GET | ROUTE_WAITS, handler_stream,
     "chunks from a generator, size bytes each, one every ms milliseconds",
     "/stream?chunks=10&ms=100&size=64"},
    {"/files/", ROUTE_GET | ROUTE_PREFIX, handler_files,
     "the files below --root: conditional requests, single ranges, sendfile", NULL},
    {"/echo", ROUTE_POST | ROUTE_WAITS, handler_echo,
     "the request body, streamed back with its content type", NULL},
    {"/whoami", ROUTE_GET, handler_whoami,
     "the process, thread or coroutine that answers, and whom", NULL},
    {"/status", ROUTE_GET, handler_status, "settings and counters, summed over all workers", NULL},
    {"/metrics", ROUTE_GET, handler_metrics, "the counters of /status, for Prometheus", NULL},
    {"/healthz", ROUTE_GET, handler_healthz, "ok, as long as this server answers", NULL},
    {"/readyz", ROUTE_GET, handler_readyz, "ok, and 503 once it was told to stop", NULL},
    {"/fault/", ROUTE_FAULT | ROUTE_PREFIX, handler_fault,
     "kills its worker: /fault/overflow, /fault/segv, /fault/abort, /fault/exit", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

static const struct route *look_up_exactly(struct http_slice path)
{
    for (const struct route *route = handler_routes; route->path != NULL; route++) {
        size_t length = strlen(route->path);
        if (path.length == length || (path.length > length && (route->flags & ROUTE_PREFIX) != 0))
            if (memcmp(path.data, route->path, length) == 0)
                return route;
    }
    return NULL;
}

/* The same for a path as it would be without escapes, but for those of slashes: these separate
 * nothing, and so belong to no name. */
static const struct route *look_up_escaped(struct http_slice path)
{
    char plain[NAME_SIZE];
    const char *p = path.data, *end = p + path.length;
    size_t length = 0;

    for (; p < end && length < sizeof plain; length++) {
        int byte = http_escaped_byte(p, end);
        bool escaped = byte >= 0 && byte != '/';

        plain[length] = escaped ? (char)byte : *p;
        p += escaped ? 3 : 1;
    }
    return look_up_exactly((struct http_slice){plain, length});
}

/* noinline: so that handler_find() saves no registers for it. */
__attribute__((noinline)) static const struct route *look_up(struct http_slice path)
{
    const struct route *route = look_up_exactly(path);

    return route != NULL ? route : look_up_escaped(path);
}

const struct route *handler_find(const struct http_request *request)
{
    struct http_slice path = request->path;

    /* What the benchmarks ask for a million times finds its row in a dozen instructions. */
    if (path.length == 6 && memcmp(path.data, "/hello", 6) == 0)
        return &handler_routes[ROW_HELLO];
    return look_up(path);
}

static bool waits(const struct route *route)
{
    return route != NULL && (route->flags & ROUTE_WAITS);
}

struct http_slice handler_below_prefix(const struct http_request *request)
{
    struct http_slice path = request->path;
    const char *slash = memchr(path.data + 1, '/', path.length - 1); /* no other is in the name */

    path.length -= (size_t)(slash + 1 - path.data);
    path.data = slash + 1;
    return path;
}

/* Adds the Allow line of what a route with these flags answers. */
static void add_allow(struct http_exchange *x, unsigned flags)
{
    http_add_header(x, "Allow", "%s%sOPTIONS", (flags & ROUTE_GET) != 0 ? "GET, HEAD, " : "",
                    (flags & ROUTE_POST) != 0 ? "POST, " : "");
}

/* As much of the method's name as is worth repeating, for "%.*s". */
static int shown_length(const struct http_request *request)
{
    return request->method_name.length < 32 ? (int)request->method_name.length : 32;
}

/* Everything but a method that the route answers. */
__attribute__((noinline)) static int serve_exception(const struct route *route,
                                                     struct http_exchange *x)
{
    const struct http_request *request = x->request;
    enum request_method method = request->method;

    if (route != NULL && (route->flags & ROUTE_FAULT)) {
        if (x->io->server->config->enable_fault_routes && method == HTTP_METHOD_GET)
            return route->serve(x);
        route = NULL;
    }
    if (method == HTTP_METHOD_UNKNOWN)
        return http_error(x, 501, "this server does not know the method %.*s",
                          shown_length(request), request->method_name.data);
    if (route == NULL && http_slice_is(request->path, "*")) {
        add_allow(x, ROUTE_GET | ROUTE_POST); /* no path: of the server as a whole */
        if (method == HTTP_METHOD_OPTIONS)
            return http_reply(x, 204, NULL, "", 0);
        return http_error(x, 405, "this server does not answer %.*s", shown_length(request),
                          request->method_name.data);
    }
    if (route == NULL)
        return http_error(x, 404, "no such route; / lists them");

    add_allow(x, route->flags);
    if (method == HTTP_METHOD_OPTIONS)
        return http_reply(x, 204, NULL, "", 0);
    return http_error(x, 405, "%s does not answer %.*s", route->path, shown_length(request),
                      request->method_name.data);
}

int handler_serve(const struct route *route, struct http_exchange *x)
{
    enum request_method method = x->request->method;

    if (route != NULL) {
        unsigned wanted = 0;
        if (method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD)
            wanted = ROUTE_GET;
        else if (method == HTTP_METHOD_POST)
            wanted = ROUTE_POST;
        if ((route->flags & wanted) != 0)
            return route->serve(x);
    }
    return serve_exception(route, x);
}

const struct http_application handler_application = {
    .find = handler_find,
    .waits = waits,
    .serve = handler_serve,
};
