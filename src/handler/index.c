/* SPDX-License-Identifier: MIT
 *
 * GET /: what is running here, and what to try: on one HTML page without
 * scripts, images or anything from elsewhere for who asks for HTML, as browsers do, else as
 * text.
 *
 * The rows come from handler_routes[], the settings from the option table: a new
 * route or option appears by itself. Every value that is not a constant of this
 * file goes through text_add_html().
 */
#include "handler.h"

#include <stdio.h>
#include <string.h>

#include "server.h"
#include "settings.h"
#include "text.h"

static const char page_head[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<title>One handler, interchangeable concurrency models</title>\n"
    "<style>\n"
    ":root { --ink: #1c2128; --soft: #59636e; --paper: #fff; --panel: #f5f7f9; --line: #d5dbe1;\n"
    "  --link: #0757b8; --accent: #0b7a5b; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  :root { --ink: #e4e8ec; --soft: #99a3ae; --paper: #14181d; --panel: #1c2229;\n"
    "    --line: #343c45; --link: #79b4ff; --accent: #45cfa1; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 64rem; color: var(--ink);\n"
    "  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }\n"
    "h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; }\n"
    "h1 b { color: var(--accent); }\n"
    "h2 { margin: 2.2rem 0 .6rem; font-size: 1.1rem; }\n"
    "p { margin: .6rem 0; }\n"
    ".soft { color: var(--soft); }\n"
    "a { color: var(--link); text-decoration: none; }\n"
    "a:hover, a:focus { text-decoration: underline; }\n"
    "code, pre { font: .85rem/1.45 ui-monospace, monospace; }\n"
    "pre { margin: .6rem 0; padding: .7rem .9rem; overflow-x: auto; background: var(--panel);\n"
    "  border: 1px solid var(--line); border-radius: .4rem; }\n"
    ".routes { width: 100%; border-collapse: collapse; }\n"
    ".routes td { padding: .55rem .8rem .55rem 0; border-top: 1px solid var(--line);\n"
    "  vertical-align: top; }\n"
    ".routes td:first-child { white-space: nowrap; }\n"
    ".routes .what { width: 42%; }\n"
    ".routes .command { color: var(--soft); overflow-wrap: anywhere; }\n"
    ".method { color: var(--accent); }\n"
    ".settings { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));\n"
    "  gap: 0 1.5rem; margin: 0; }\n"
    ".settings div { display: flex; justify-content: space-between; gap: 1rem; padding: .25rem 0;\n"
    "  border-top: 1px solid var(--line); }\n"
    ".settings dt { color: var(--soft); }\n"
    ".settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; }\n"
    "@media (max-width: 44rem) {\n"
    "  .routes, .routes tbody, .routes tr, .routes td { display: block; }\n"
    "  .routes tr { padding: .6rem 0; border-top: 1px solid var(--line); }\n"
    "  .routes td, .routes .what { width: auto; padding: .1rem 0; border: 0; } }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n";

enum { COMMAND_SIZE = 600 };

static const char *target_of(const struct route *route)
{
    return route->example != NULL ? route->example : route->path;
}

static bool is_shown(const struct route *route, const struct server *server)
{
    return !(route->flags & ROUTE_FAULT) || server->config->enable_fault_routes;
}

/*
 * Where the commands of the page are to go: the address that the client itself
 * used, when it can be pasted into a shell as it is, else where the server listens.
 */
struct address {
    char host[256];    /* "127.0.0.1:8080" */
    char options[160]; /* for curl: "--unix-socket /path ", or empty */
};

static void address_of(struct address *address, const struct http_exchange *x)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                   "-._:[]";
    struct http_slice authority = x->request->authority;
    const char *listen_name = x->io->server->listen_name;
    const char *host = listen_name, *zone = strchr(listen_name, '%');

    address->options[0] = '\0';
    if (strncmp(listen_name, "unix:", 5) == 0) {
        snprintf(address->options, sizeof address->options, "--unix-socket '%s' ", listen_name + 5);
        host = "localhost";
    } else if (zone != NULL) { /* clients leave it out of Host; in a URI it is escaped: RFC 6874 */
        snprintf(address->host, sizeof address->host, "%.*s%%25%s", (int)(zone - host), host,
                 zone + 1);
        return;
    } else if (authority.length > 0 && authority.length < sizeof address->host) {
        memcpy(address->host, authority.data, authority.length);
        address->host[authority.length] = '\0';
        if (strspn(address->host, harmless) == authority.length)
            return;
    }
    snprintf(address->host, sizeof address->host, "%s", host);
}

/* The command that asks for a route's example. */
static void command_of(char command[COMMAND_SIZE], const struct route *route,
                       const struct address *address)
{
    const char *target = target_of(route);
    const char *quote = strpbrk(target, "?&") != NULL ? "'" : "";

    snprintf(command, COMMAND_SIZE, "curl %s%s%shttp://%s%s%s", address->options,
             (route->flags & ROUTE_POST) != 0 ? "--data-binary 'Hello' " : "", quote, address->host,
             target, quote);
}

/* What is given a context. */
static const char *unit(const struct config *config)
{
    return config->dispatch == DISPATCH_CONNECTION ? "connection" : "request";
}

/* Where from, and for how long. */
static const char *given(const struct config *config)
{
    if (config->pool == POOL_NONE)
        return "that is made for it";
    return config->dispatch == DISPATCH_CONNECTION ? "from a pool until it ends"
                                                   : "from a pool until it is answered";
}

static void add_intro(struct text *text, const struct io *io)
{
    const struct config *config = io->server->config;

    text_add(text, "<h1>This is <b>");
    text_add_html(text, io->ops->model);
    text_add(text, "</b></h1>\n<p class=\"soft\">version ");
    text_add_html(text, server_version);
    text_add(text, ", %u %s</p>\n", io->server->workers,
             io->server->workers == 1 ? "worker" : "workers");
    text_add(
        text,
        "<p>One request handler, plain synchronous code, serves every concurrency model alike\n"
        "(<code>./server --list-models</code>). Each %s is given a <b>",
        unit(config));
    text_add_html(text, io->ops->context_is);
    text_add(text, "</b> %s.\nWaits that one request gathers run <b>", given(config));
    text_add_html(text, io_gather_how(io));
    text_add(text, "</b>.</p>\n");
}

static void add_route(struct text *text, const struct route *route, const struct address *address)
{
    const char *target = target_of(route);
    char command[COMMAND_SIZE];

    if ((route->flags & ROUTE_GET) != 0) {
        text_add(text, "<tr><td><code><span class=\"method\">GET</span> <a href=\"");
        text_add_html(text, target);
        text_add(text, "\">");
        text_add_html(text, route->path);
        text_add(text, "</a></code></td>");
    } else {
        text_add(text, "<tr><td><code><span class=\"method\">POST</span> ");
        text_add_html(text, route->path);
        text_add(text, "</code></td>");
    }
    text_add(text, "<td class=\"what\">");
    text_add_html(text, route->summary);
    text_add(text, "</td><td class=\"command\"><code>");
    command_of(command, route, address);
    text_add_html(text, command);
    text_add(text, "</code></td></tr>\n");
}

static void add_settings(struct text *text, const struct server *server)
{
    char value[SETTINGS_VALUE_SIZE];
    const char *name;

    text_add(text, "<h2>Settings</h2>\n<dl class=\"settings\">\n");
    for (size_t i = 0; settings_in_force(server, i, &name, value); i++) {
        text_add(text, "<div><dt>");
        text_add_html(text, name);
        text_add(text, "</dt><dd><code>");
        text_add_html(text, value[0] != '\0' ? value : "\xe2\x80\x93"); /* an en dash */
        text_add(text, "</code></dd></div>\n");
    }
    text_add(text, "</dl>\n");
}

static void add_load(struct text *text, const struct address *address)
{
    text_add(text, "<h2>Under load</h2>\n<pre>");
    text_add(text, "make bench                 # prefork, threads and coro: one table\n");
    if (address->options[0] == '\0') {
        text_add(text, "wrk -t1 -c64 -d10s --latency http://");
        text_add_html(text, address->host);
        text_add(text, "/hello\nwrk -t1 -c64 -d10s --latency 'http://");
        text_add_html(text, address->host);
        text_add(text, "/sleep?ms=20'\n");
    }
    text_add(text, "</pre>\n");
}

static int reply_html(struct http_exchange *x, const struct address *address)
{
    struct text text;

    text_init(&text);
    text_add(&text, "%s", page_head);
    add_intro(&text, x->io);
    text_add(&text, "<h2>Routes</h2>\n<table class=\"routes\"><tbody>\n");
    for (const struct route *route = handler_routes; route->path != NULL; route++)
        if (is_shown(route, x->io->server))
            add_route(&text, route, address);
    text_add(&text, "</tbody></table>\n");
    add_load(&text, address);
    if (x->io->server->config->show_settings)
        add_settings(&text, x->io->server);
    text_add(&text, "</body>\n</html>\n");

    /* The page needs nothing from anywhere, and says so. */
    http_add_header(x, "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
    return text_reply(&text, x, "text/html; charset=utf-8");
}

static int reply_text(struct http_exchange *x, const struct address *address)
{
    const struct server *server = x->io->server;
    struct text text;

    text_init(&text);
    text_add(&text, "This is %s, version %s, %u %s. Each %s is given a %s %s.\n", x->io->ops->model,
             server_version, server->workers, server->workers == 1 ? "worker" : "workers",
             unit(server->config), x->io->ops->context_is, given(server->config));
    for (const struct route *route = handler_routes; route->path != NULL; route++) {
        char command[COMMAND_SIZE];

        if (!is_shown(route, server))
            continue;
        command_of(command, route, address);
        text_add(&text, "\n%s\n    %s\n", command, route->summary);
    }
    return text_reply(&text, x, "text/plain; charset=utf-8");
}

/* A browser names HTML; curl and the like take anything, and text is the easier to read there. */
static bool wants_html(const struct http_request *request)
{
    bool html_named, text_named;
    unsigned html = http_accept_weight(request, "text/html", &html_named);

    return html_named && html > 0 && html >= http_accept_weight(request, "text/plain", &text_named);
}

int handler_index(struct http_exchange *x)
{
    struct address address;
    int error;

    if (!http_query_check(x, NULL, 0, &error))
        return error;
    address_of(&address, x);
    http_add_header(x, "Vary", "Accept");
    return wants_html(x->request) ? reply_html(x, &address) : reply_text(x, &address);
}
