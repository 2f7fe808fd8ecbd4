/* SPDX-License-Identifier: MIT
 *
 * A table of agents and one poll() over what they say. Each goes its way from STARTED to MEASURED
 * or FAILED; all must be READY before the first is told to begin.
 */
#include "load/agents.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "coro/clock.h"
#include "load/duration.h"
#include "load/remote.h"
#include "load/wire.h"

enum {
    LINE_MOST = 1 << 21, /* bytes; a histogram's longest are 400,000 */
    READ_BYTES = 1 << 16,
    ERROR_BYTES = 256,
    OPTIONS = 4, /* --agent --seed --share --connections */
    OPTION_BYTES = 64,
    TEXT = 300,            /* with a host name in it */
    ENDS_WITHIN_MS = 2000, /* after the last word, with a remote shell's in between */
};

/* Seconds. How long is waited goes by coro_now_ns(): hosts agree on the time of day, which may be
 * set. */
static const double ready_within = 30; /* a remote shell may ask a slow name server */
static const double begins_after = 1;  /* for the word to reach all */
static const double clocks_differ = 0.5;
static const double told_within = 10; /* after it should have ended */

enum agent_state { STARTED, READY, ALL_SAID, MEASURED, FAILED };

struct agent {
    char *name; /* its host, numbered where that is not the only one */
    const char *host;
    struct remote remote;
    double started; /* Unix time */
    enum agent_state state;
    char *line; /* what it said of a line that has not ended */
    size_t line_length;
    char error[ERROR_BYTES]; /* its last line on standard error */
    size_t error_length;
    bool error_ended;        /* the next byte begins another */
    char *failure;           /* why it failed; NULL: it did not, or there was no memory to say it */
    struct progress_now now; /* as it last said */
    struct figures *figures;
};

struct agents {
    const struct agents_order *order;
    struct agent *agents;
    struct report_agent *reports;
    size_t count;
    struct figures *whole;
    char *hosts;    /* those of the order, each ended by NUL */
    int signals;    /* a signalfd */
    double started; /* Unix time of the schedule's beginning */
    double begun;   /* the same by now_s() */
    bool stopped;   /* told to stop */
};

/* Is that host named more than once? */
static bool repeated(const struct agents *agents, const char *host)
{
    size_t times = 0;

    for (size_t i = 0; i < agents->count; i++)
        times += strcmp(agents->agents[i].host, host) == 0;
    return times > 1;
}

/* Names each agent and gives it its part of what is asked for. */
static int describe(struct agents *agents)
{
    size_t count = agents->count;

    for (size_t i = 0; i < count; i++) {
        struct agent *agent = &agents->agents[i];
        int length;

        agent->remote = (struct remote){.in = -1, .out = -1, .err = -1};
        if (repeated(agents, agent->host))
            length = asprintf(&agent->name, "%s %zu", agent->host, i + 1);
        else
            length = asprintf(&agent->name, "%s", agent->host);
        if (length < 0) {
            agent->name = NULL;
            return -ENOMEM;
        }
        agents->reports[i] = (struct report_agent){
            .host = agent->name,
            .rate = agents->order->rate / (double)count,
            .connections = (agents->order->connections + count - 1 - i) / count,
        };
    }
    return 0;
}

int agents_new(const struct agents_order *order, struct agents **made)
{
    struct agents *agents = calloc(1, sizeof *agents);
    int error = -ENOMEM;
    char *rest, *host;

    if (agents == NULL)
        return -ENOMEM;
    agents->signals = -1;
    agents->order = order;
    agents->whole = figures_new();
    agents->hosts = strdup(order->hosts);
    agents->agents = calloc(AGENTS_MOST, sizeof *agents->agents);
    agents->reports = calloc(AGENTS_MOST, sizeof *agents->reports);
    if (agents->whole == NULL || agents->hosts == NULL || agents->agents == NULL ||
        agents->reports == NULL)
        goto fail;
    rest = agents->hosts;
    while ((host = strsep(&rest, ",")) != NULL) {
        error = -EINVAL;
        if (*host == '\0' || *host == '-' || agents->count == AGENTS_MOST)
            goto fail;
        error = -ENOMEM;
        agents->agents[agents->count].host = host;
        agents->agents[agents->count].figures = figures_new();
        if (agents->agents[agents->count++].figures == NULL)
            goto fail;
    }
    error = describe(agents);
    if (error != 0)
        goto fail;
    *made = agents;
    return 0;
fail:
    agents_free(agents);
    return error;
}

void agents_free(struct agents *agents)
{
    if (agents == NULL)
        return;
    for (size_t i = 0; i < agents->count; i++) {
        struct agent *agent = &agents->agents[i];

        remote_end(&agent->remote, 0);
        figures_free(agent->figures);
        free(agent->line);
        free(agent->name);
        free(agent->failure);
    }
    if (agents->signals >= 0)
        close(agents->signals);
    figures_free(agents->whole);
    free(agents->reports);
    free(agents->agents);
    free(agents->hosts);
    free(agents);
}

static double unix_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double now_s(void)
{
    return (double)coro_now_ns() / 1e9;
}

/* An agent's end without figures. The first reason is the one that is told. */
__attribute__((format(printf, 3, 4))) static void fail(struct agents *agents, struct agent *agent,
                                                       const char *format, ...)
{
    va_list arguments;

    if (agent->state == FAILED)
        return;
    agent->state = FAILED;
    remote_end(&agent->remote, 0);
    va_start(arguments, format);
    if (vasprintf(&agent->failure, format, arguments) < 0)
        agent->failure = NULL;
    va_end(arguments);
    agents->reports[agent - agents->agents].failure =
        agent->failure != NULL ? agent->failure : strerror(ENOMEM);
}

/* So many bytes of its standard error, of which the last line is kept. */
static void complained(struct agent *agent, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char byte = bytes[i];

        if (byte == '\n' || byte == '\r') {
            agent->error_ended = true;
            continue;
        }
        if (agent->error_ended)
            agent->error_length = 0;
        agent->error_ended = false;
        if (agent->error_length < ERROR_BYTES - 1)
            agent->error[agent->error_length++] = byte;
        agent->error[agent->error_length] = '\0';
    }
}

/* Takes what is there of its standard error. */
static void listen_to_errors(struct agent *agent)
{
    char bytes[ERROR_BYTES];

    while (agent->remote.err >= 0) {
        ssize_t got = read(agent->remote.err, bytes, sizeof bytes);

        if (got > 0) {
            complained(agent, bytes, (size_t)got);
        } else if (got == 0) {
            close(agent->remote.err);
            agent->remote.err = -1;
        } else if (errno != EINTR) {
            break;
        }
    }
}

/* Its last complaint, without its name, which is ours; NULL: it has none. */
static const char *complaint(const struct agent *agent)
{
    static const char name[] = "load: ";

    if (agent->error_length == 0)
        return NULL;
    return strncmp(agent->error, name, sizeof name - 1) == 0 ? agent->error + sizeof name - 1
                                                             : agent->error;
}

/* One whose output has ended: it has said all, or why not. */
static void ended(struct agents *agents, struct agent *agent)
{
    struct report_agent *report = &agents->reports[agent - agents->agents];
    int status;

    listen_to_errors(agent); /* which say why it ends */
    status = remote_end(&agent->remote, ENDS_WITHIN_MS);
    if (agent->state == ALL_SAID) {
        agent->state = MEASURED;
        report->figures = agent->figures;
        report->said = complaint(agent);
    } else if (complaint(agent) != NULL) {
        fail(agents, agent, "%s", complaint(agent));
    } else if (status < 0) {
        fail(agents, agent, "told no figures and did not end");
    } else if (WIFSIGNALED(status)) {
        fail(agents, agent, "killed by signal %d (%s)", WTERMSIG(status),
             strsignal(WTERMSIG(status)));
    } else {
        fail(agents, agent, "ended with exit status %d and told no figures", WEXITSTATUS(status));
    }
}

/* Tells one a line. One that does not listen will be found to have ended. */
static void say(const struct agent *agent, const char *line)
{
    if (agent->remote.in >= 0 && write(agent->remote.in, line, strlen(line)) < 0)
        return;
}

static void stop_all(struct agents *agents)
{
    if (agents->stopped)
        return;
    agents->stopped = true;
    for (size_t i = 0; i < agents->count; i++)
        say(&agents->agents[i], "stop\n");
}

/* "VERSION UNIXTIME", when it can begin. Its clock was read after it was started and before now. */
static void heard_ready(struct agents *agents, struct agent *agent, const char *words)
{
    const char *version = agents->order->version, *clock = strrchr(words, ' ');
    double time = clock != NULL ? strtod(clock, NULL) : 0, now = unix_time();
    char off[DURATION_BYTES];

    if (clock == NULL || (size_t)(clock - words) != strlen(version) ||
        memcmp(words, version, strlen(version)) != 0)
        fail(agents, agent, "its program is of version %.*s, this one of %s",
             clock != NULL ? (int)(clock - words) : 60, words, version);
    else if (time < agent->started - clocks_differ || time > now + clocks_differ)
        fail(agents, agent, "its clock is %s %s: hosts must agree on the time",
             duration_words(off, 1e9 * (time > now ? time - now : agent->started - time)),
             time > now ? "ahead" : "behind");
    else
        agent->state = READY;
}

/* Is it a line of progress? Then it is kept. */
static bool heard_progress(struct agent *agent, const char *line)
{
    struct progress_now now = {0};

    if (agent->state != READY || sscanf(line, "progress %" SCNu64 " %" SCNd64 " %u", &now.answered,
                                        &now.oldest_ns, &now.connections) != 3)
        return false;
    agent->now = now;
    return true;
}

/* How things stand with all that are still under way or have ended. */
static struct progress_now all_together(const struct agents *agents)
{
    struct progress_now all = {.passed_s = now_s() - agents->begun};

    for (size_t i = 0; i < agents->count; i++) {
        const struct progress_now *one = &agents->agents[i].now;

        all.answered += one->answered;
        all.connections += one->connections;
        if (one->oldest_ns > all.oldest_ns)
            all.oldest_ns = one->oldest_ns;
    }
    return all;
}

/* A whole line of one's output. What comes before it is ready is from its shell. */
static void heard(struct agents *agents, struct agent *agent, const char *line)
{
    static const char ready[] = "ready ";
    int result;

    if (agent->state == STARTED) {
        if (strncmp(line, ready, sizeof ready - 1) == 0)
            heard_ready(agents, agent, line + sizeof ready - 1);
        return;
    }
    if (heard_progress(agent, line))
        return;
    result = agent->state == ALL_SAID ? -EINVAL : wire_read(line, agent->figures);
    if (result == 1)
        agent->state = ALL_SAID;
    else if (result == -EINVAL)
        fail(agents, agent, "told what are no figures: %.60s", line);
    else if (result != 0)
        fail(agents, agent, "%s", strerror(-result));
    else
        return;
    if (agent->state == ALL_SAID && agent->figures->stopped == FIGURES_GIVE_UP)
        stop_all(agents);
}

/* So many bytes of its output. */
static void heard_bytes(struct agents *agents, struct agent *agent, const char *bytes,
                        size_t length)
{
    char *longer = realloc(agent->line, agent->line_length + length + 1);
    char *from, *newline;

    if (longer == NULL || agent->line_length + length > LINE_MOST) {
        if (longer != NULL)
            agent->line = longer;
        fail(agents, agent, "told a line of more than %d bytes", LINE_MOST);
        return;
    }
    agent->line = from = longer;
    memcpy(longer + agent->line_length, bytes, length);
    agent->line_length += length;
    longer[agent->line_length] = '\0';
    while (agent->state != FAILED && (newline = strchr(from, '\n')) != NULL) {
        *newline = '\0';
        heard(agents, agent, from);
        from = newline + 1;
    }
    agent->line_length -= (size_t)(from - longer);
    memmove(longer, from, agent->line_length + 1);
}

/* Takes what is there of its output. */
static void listen_to(struct agents *agents, struct agent *agent)
{
    char bytes[READ_BYTES];

    while (agent->remote.out >= 0) {
        ssize_t got = read(agent->remote.out, bytes, sizeof bytes);

        if (got > 0)
            heard_bytes(agents, agent, bytes, (size_t)got);
        else if (got == 0)
            ended(agents, agent);
        else if (errno != EINTR)
            break;
    }
}

/* SIGINT or SIGTERM: the first stops them, the next does not wait for what they measured. */
static void signalled(struct agents *agents)
{
    struct signalfd_siginfo signal;

    if (read(agents->signals, &signal, sizeof signal) != sizeof signal)
        return;
    if (agents->whole->stopped != FIGURES_NOT_STOPPED)
        for (size_t i = 0; i < agents->count; i++)
            if (agents->agents[i].state != MEASURED)
                fail(agents, &agents->agents[i], "was not waited for");
    agents->whole->stopped = signal.ssi_signo == SIGINT ? FIGURES_SIGINT : FIGURES_SIGTERM;
    stop_all(agents);
}

/* Waits until one says something, or a signal comes, but no longer than until then by now_s(). */
static int wait_for_any(struct agents *agents, double until)
{
    size_t count = 2 * agents->count + 1;
    struct pollfd *fds = calloc(count, sizeof *fds);
    double wait_ms = ceil((until - now_s()) * 1e3);

    if (fds == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < agents->count; i++) {
        fds[2 * i] = (struct pollfd){.fd = agents->agents[i].remote.out, .events = POLLIN};
        fds[2 * i + 1] = (struct pollfd){.fd = agents->agents[i].remote.err, .events = POLLIN};
    }
    fds[count - 1] = (struct pollfd){.fd = agents->signals, .events = POLLIN};
    if (poll(fds, count, wait_ms < 0 ? 0 : wait_ms > 1000 ? 1000 : (int)wait_ms) > 0) {
        for (size_t i = 0; i < agents->count; i++) {
            if (fds[2 * i + 1].revents != 0)
                listen_to_errors(&agents->agents[i]);
            if (fds[2 * i].revents != 0)
                listen_to(agents, &agents->agents[i]);
        }
        if (fds[count - 1].revents != 0)
            signalled(agents);
    }
    free(fds);
    return 0;
}

static size_t count_in(const struct agents *agents, enum agent_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < agents->count; i++)
        count += agents->agents[i].state == state;
    return count;
}

/* Fails all that are still under way. */
static void give_up_on(struct agents *agents, const char *why)
{
    for (size_t i = 0; i < agents->count; i++)
        if (agents->agents[i].state != MEASURED)
            fail(agents, &agents->agents[i], "%s", why);
}

/* Starts the agent of that number, with its own options behind those given, which they thereby
 * replace: but before a "--". 0 or -ENOMEM. */
static int start(struct agents *agents, size_t number)
{
    char *const *given = agents->order->arguments;
    char options[OPTIONS][OPTION_BYTES] = {"--agent"};
    struct agent *agent = &agents->agents[number];
    size_t count = 0, made = 0, before = 0;
    char **arguments;
    int error;

    while (given[count] != NULL)
        count++;
    arguments = calloc(count + OPTIONS + 1, sizeof *arguments);
    if (arguments == NULL)
        return -ENOMEM;
    snprintf(options[1], OPTION_BYTES, "--seed=%" PRIu64, agents->order->seed);
    snprintf(options[2], OPTION_BYTES, "--share=%zu/%zu", number, agents->count);
    snprintf(options[3], OPTION_BYTES, "--connections=%" PRIu64,
             agents->reports[number].connections);
    while (given[before] != NULL && strcmp(given[before], "--") != 0)
        arguments[made++] = given[before++];
    for (size_t i = 0; i < OPTIONS; i++)
        arguments[made++] = options[i];
    for (size_t i = before; i < count; i++)
        arguments[made++] = given[i];
    agent->started = unix_time();
    error = remote_start(&agent->remote, agent->host, arguments);
    if (error != 0)
        fail(agents, agent, "could not be started: %s", strerror(-error));
    free(arguments);
    return 0;
}

/* Starts all and waits until they are ready. 0; -ECHILD: not all are; -ECANCELED: told to stop. */
static int make_ready(struct agents *agents)
{
    double until = now_s() + ready_within;
    int error = 0;

    for (size_t i = 0; i < agents->count && error == 0; i++)
        error = start(agents, i);
    while (error == 0 && count_in(agents, READY) < agents->count) {
        if (count_in(agents, FAILED) > 0)
            error = -ECHILD;
        else if (agents->stopped)
            error = -ECANCELED;
        else if (now_s() >= until)
            give_up_on(agents, "was not ready in time");
        else
            error = wait_for_any(agents, until);
    }
    return error;
}

int agents_run(struct agents *agents, agents_progress *progress, void *context)
{
    char line[OPTION_BYTES];
    double until, told = 0;
    sigset_t signals;
    int error;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    agents->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (agents->signals < 0)
        return -errno;
    error = make_ready(agents);
    if (error != 0)
        return error;
    agents->started = fmax(unix_time() + begins_after, agents->order->start_at);
    agents->begun = now_s() + agents->started - unix_time();
    snprintf(line, sizeof line, "start %.6f\n", agents->started);
    for (size_t i = 0; i < agents->count; i++)
        say(&agents->agents[i], line);
    until = agents->begun + agents->order->seconds + told_within;
    while (count_in(agents, MEASURED) + count_in(agents, FAILED) < agents->count) {
        struct progress_now now = all_together(agents);

        if (progress != NULL && now.passed_s >= told) {
            progress(context, &now);
            told = floor(now.passed_s) + 1;
        }
        if (now_s() >= until)
            give_up_on(agents, "told no figures in time");
        error = wait_for_any(agents, fmin(until, agents->begun + told));
        if (error != 0)
            return error;
    }
    for (size_t i = 0; i < agents->count && error == 0; i++)
        if (agents->agents[i].state == MEASURED)
            error = figures_add(agents->whole, agents->agents[i].figures);
    return error != 0 ? error : count_in(agents, MEASURED) == 0 ? -ECHILD : 0;
}

const struct figures *agents_figures(const struct agents *agents)
{
    return agents->whole;
}

const struct report_agent *agents_each(const struct agents *agents, size_t *count)
{
    *count = agents->count;
    return agents->reports;
}

double agents_started(const struct agents *agents)
{
    return agents->started;
}

int agents_void(const struct agents *agents, struct reasons *reasons)
{
    int error = 0;

    for (size_t i = 0; i < agents->count && error == 0; i++) {
        const struct report_agent *report = &agents->reports[i];
        char whose[TEXT];

        snprintf(whose, sizeof whose, "agent %s: ", report->host);
        if (report->figures == NULL)
            error = reasons_add(reasons, "%sfailed: %s", whose, report->failure);
        else
            error = figures_void(report->figures, whose, reasons);
    }
    return error != 0 ? error : figures_void(agents->whole, "", reasons);
}
