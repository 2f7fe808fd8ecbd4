/* SPDX-License-Identifier: MIT
 *
 * From the command line to an exit status: threads with a generator each, signals, progress, and
 * what is said at the end.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "load/agent.h"
#include "load/agents.h"
#include "load/figures.h"
#include "load/generator.h"
#include "load/limits.h"
#include "load/options.h"
#include "load/progress.h"
#include "load/report.h"
#include "load/target.h"

enum { EXIT_NOTHING = 1, EXIT_VOID = 3, EXIT_BAD_USAGE = 64 };
enum { ERROR_SIZE = 512, START_MS = 20 /* for threads to be there when the schedule begins */ };

struct worker {
    struct generator generator;
    pthread_t thread;
    int done_fd; /* an eventfd: this one has ended */
    int result;
};

struct run {
    struct options options;
    struct target target;
    struct generator_control control;
    struct worker *workers;
    unsigned started; /* how many of them */
    struct figures *figures;
    struct reasons reasons;
    FILE *json;   /* of --json, NULL: none; opened before the run, which may be long */
    double begun; /* Unix time of the schedule's beginning */
    int64_t start_ns;
    int signal_fd, done_fd;
    char *const *argv;
    int argc;
};

static int complain(const char *words)
{
    fprintf(stderr, "load: %s\n", words);
    return EXIT_NOTHING;
}

/* ---- threads ---- */

static void *work(void *arg)
{
    struct worker *w = arg;

    w->result = generator_run(&w->generator);
    (void)!eventfd_write(w->done_fd, 1); /* cannot fail: so many never add up */
    return NULL;
}

/* Each has its share of this process's share, and of the connections. */
static int start_worker(struct run *run, unsigned i)
{
    const struct options *o = &run->options;
    struct worker *w = &run->workers[i];
    unsigned each = o->connections / o->threads, rest = o->connections % o->threads;

    w->generator = (struct generator){
        .options = o,
        .target = &run->target,
        .control = &run->control,
        .share = o->share + i * o->shares,
        .shares = o->shares * o->threads,
        .first = i * each + (i < rest ? i : rest),
        .connections = each + (i < rest),
        .start_ns = run->start_ns,
        .figures = figures_new(),
    };
    w->done_fd = run->done_fd;
    if (w->generator.figures == NULL)
        return -ENOMEM;
    return -pthread_create(&w->thread, NULL, work, w);
}

static int start_workers(struct run *run)
{
    run->workers = calloc(run->options.threads, sizeof *run->workers);
    if (run->workers == NULL)
        return -ENOMEM;
    for (; run->started < run->options.threads; run->started++) {
        int result = start_worker(run, run->started);

        if (result < 0)
            return result;
    }
    return 0;
}

/* Waits for all that were started and adds up what they have. 0, or -errno of one that failed. */
static int join_workers(struct run *run)
{
    int result = 0;

    for (unsigned i = 0; i < run->started; i++) {
        struct worker *w = &run->workers[i];

        pthread_join(w->thread, NULL);
        if (w->result == 0)
            w->result = figures_add(run->figures, w->generator.figures);
        if (w->result < 0)
            result = w->result;
    }
    for (unsigned i = 0; run->workers != NULL && i < run->options.threads; i++)
        figures_free(run->workers[i].generator.figures);
    return result;
}

/* ---- while it goes on ---- */

/* The first stops the run, the next does not wait for what is out. */
static void take_signal(struct run *run)
{
    struct signalfd_siginfo info;
    int running = FIGURES_NOT_STOPPED, stop;

    if (read(run->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    stop = info.ssi_signo == SIGINT ? FIGURES_SIGINT : FIGURES_SIGTERM;
    if (!atomic_compare_exchange_strong(&run->control.stop, &running, stop))
        atomic_store(&run->control.at_once, true);
}

static void say_progress(struct run *run, struct progress *progress, bool *short_said)
{
    struct progress_now now = {.passed_s = (double)(coro_now_ns() - run->start_ns) / 1e9};
    int shortage = 0;

    for (unsigned i = 0; i < run->started; i++) {
        struct generator_gauge *gauge = &run->workers[i].generator.gauge;
        int64_t oldest_ns = atomic_load(&gauge->oldest_ns);

        now.answered += atomic_load(&gauge->answered);
        now.connections += atomic_load(&gauge->connections);
        if (oldest_ns > now.oldest_ns)
            now.oldest_ns = oldest_ns;
        if (shortage == 0)
            shortage = atomic_load(&gauge->shortage);
    }
    if (run->options.agent)
        agent_progress(&now);
    else
        progress_say(progress, &now);
    if (shortage != 0 && !*short_said) {
        progress_end(progress);
        fprintf(stderr, "load: --connections=%u: only %u at a time: %s: %s\n",
                run->options.connections, now.connections, strerror(shortage),
                limits_advice(shortage));
        *short_said = true;
    }
}

static void watch_over(struct run *run)
{
    struct pollfd ready[] = {{.fd = run->signal_fd, .events = POLLIN},
                             {.fd = run->done_fd, .events = POLLIN}};
    struct progress progress;
    bool short_said = false;

    progress_begin(&progress, run->options.ramp_s + run->options.duration_s);
    for (eventfd_t ended = 0; ended < run->started;) {
        (void)poll(ready, 2, 1000);
        if (ready[0].revents != 0)
            take_signal(run);
        if (ready[1].revents != 0) {
            eventfd_t more;

            if (eventfd_read(run->done_fd, &more) == 0)
                ended += more;
        }
        say_progress(run, &progress, &short_said);
    }
    progress_end(&progress);
}

/* ---- the end ---- */

/* An exit status. */
static int open_json(struct run *run)
{
    const char *name = run->options.json;

    if (name == NULL || run->options.agent)
        return EXIT_SUCCESS;
    run->json = strcmp(name, "-") == 0 ? stdout : fopen(name, "we");
    if (run->json != NULL)
        return EXIT_SUCCESS;
    fprintf(stderr, "load: --json=%s: %s\n", name, strerror(errno));
    return EXIT_NOTHING;
}

/* Closes the file, too. */
static int write_json(struct run *run, const struct report *report)
{
    FILE *file = run->json;
    int result = report_json(report, file);

    run->json = NULL;
    if (result == 0 && (fflush(file) != 0 || ferror(file)))
        result = -EIO;
    if (file != stdout && fclose(file) != 0 && result == 0)
        result = -errno;
    return result;
}

/* agents: those who measured it; NULL: this process did. An exit status. */
static int tell(struct run *run, const struct figures *figures, const struct agents *agents)
{
    const struct options *o = &run->options;
    const struct report_path url_path = {run->target.path, 1};
    struct report report = {
        .command = run->argv,
        .command_length = run->argc,
        .version = SERVER_VERSION,
        .url = o->url,
        .paths = o->path_count > 0 ? o->paths : &url_path,
        .path_count = run->target.paths,
        .seed = o->seed,
        .spacing = options_spacing_name(o->spacing),
        .threads = (int)o->threads,
        .share = o->share,
        .shares = o->shares,
        .started = run->begun + o->ramp_s,
        .seconds = o->duration_s,
        .rate = o->rate / o->shares,
        .connections = o->connections,
        .figures = figures,
        .reasons = &run->reasons,
    };
    bool json_only = run->json == stdout;
    int result = 0;

    if (agents != NULL)
        report.agents = agents_each(agents, &report.agent_count);
    if (run->json != NULL)
        result = write_json(run, &report);
    if (result < 0)
        fprintf(stderr, "load: --json=%s: %s\n", o->json, strerror(-result));
    report_summary(&report, json_only ? stderr : stdout);
    if (result < 0 || fflush(stdout) != 0)
        return EXIT_NOTHING;
    return run->reasons.count > 0 ? EXIT_VOID : EXIT_SUCCESS;
}

/* ---- the beginning ---- */

static double unix_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 0, or an exit status after a line. */
static int set_start(struct run *run)
{
    double now = unix_time(), wait_s = START_MS / 1e3;
    char words[ERROR_SIZE];

    if (run->options.start_at != 0)
        wait_s = run->options.start_at - now;
    if (wait_s < 0) {
        snprintf(words, sizeof words, "--start-at=%.3f: expected a time to come, and it is %.3f",
                 run->options.start_at, now);
        return complain(words);
    }
    run->begun = now + wait_s;
    run->start_ns = coro_now_ns() + (int64_t)(wait_s * 1e9);
    return 0;
}

/* Of this thread, and of those that it starts: signals are read from a descriptor. Before that,
 * while the server is looked for, they end the process. */
static int open_descriptors(struct run *run)
{
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
    run->signal_fd = signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
    run->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return run->signal_fd < 0 || run->done_fd < 0 ? -errno : 0;
}

/* Makes the requests and tells of them. An exit status. */
static int measure(struct run *run)
{
    int result, joined;

    run->figures = figures_new();
    result = run->figures == NULL ? -ENOMEM : start_workers(run);
    if (result == 0) {
        watch_over(run);
    } else { /* without all of them it is not what was asked for */
        atomic_store(&run->control.at_once, true);
        atomic_store(&run->control.stop, FIGURES_SIGTERM);
    }
    joined = join_workers(run);
    if (result == 0)
        result = joined;
    if (result == 0 && run->options.agent)
        result = agent_tell(run->figures);
    else if (result == 0)
        result = figures_void(run->figures, "", &run->reasons);
    if (result < 0)
        return complain(strerror(-result));
    return run->options.agent ? EXIT_SUCCESS : tell(run, run->figures, NULL);
}

/* Is told when to begin. An exit status. */
static int wait_for_start(struct run *run)
{
    int result = agent_ready(SERVER_VERSION, &run->options.start_at);

    if (result == -ECANCELED)
        return complain("told to stop before it began");
    if (result == -EPROTO)
        return complain("--agent: expected to be started by --agents and told when to begin");
    return result < 0 ? complain(strerror(-result)) : EXIT_SUCCESS;
}

/* Finds whom to ask, and asks for what that takes. An exit status. */
static int prepare(struct run *run)
{
    struct options *o = &run->options;
    char error[ERROR_SIZE];
    int result = target_init(&run->target, o, error, sizeof error), status;

    if (result == TARGET_BAD_URL) {
        complain(error);
        return EXIT_BAD_USAGE;
    }
    if (result < 0 || limits_raise(o->connections, o->threads, error, sizeof error) < 0 ||
        target_find(&run->target, o, error, sizeof error) < 0)
        return complain(error);
    if (open_descriptors(run) < 0)
        return complain(strerror(errno));
    status = o->agent ? wait_for_start(run) : EXIT_SUCCESS;
    return status != EXIT_SUCCESS ? status : set_start(run);
}

static int measure_here(struct run *run)
{
    int status = prepare(run);

    return status == EXIT_SUCCESS ? measure(run) : status;
}

/* ---- several hosts ---- */

static void say_progress_of_agents(void *progress, const struct progress_now *now)
{
    progress_say(progress, now);
}

/* What each agent said on its standard error, or why it failed. */
static void say_of_each(const struct agents *agents)
{
    size_t count;
    const struct report_agent *each = agents_each(agents, &count);

    for (size_t i = 0; i < count; i++)
        if (each[i].failure != NULL || each[i].said != NULL)
            fprintf(stderr, "load: agent %s: %s\n", each[i].host,
                    each[i].failure != NULL ? each[i].failure : each[i].said);
}

static int gather(struct run *run, struct agents *agents)
{
    struct progress progress;
    int result;

    signal(SIGPIPE, SIG_IGN); /* one that has ended is found by what it does not say */
    progress_begin(&progress, run->options.ramp_s + run->options.duration_s);
    result = agents_run(agents, say_progress_of_agents, &progress);
    progress_end(&progress);
    say_of_each(agents);
    if (result == -ECHILD)
        return EXIT_NOTHING;
    if (result == -ECANCELED)
        return complain("told to stop before all agents were ready");
    if (result == 0)
        result = agents_void(agents, &run->reasons);
    run->begun = agents_started(agents);
    return result < 0 ? complain(strerror(-result)) : tell(run, agents_figures(agents), agents);
}

static int measure_there(struct run *run)
{
    struct options *o = &run->options;
    const struct agents_order order = {
        .hosts = o->agents,
        .arguments = run->argv + 1,
        .version = SERVER_VERSION,
        .seed = o->seed,
        .rate = o->rate,
        .connections = o->connections,
        .start_at = o->start_at,
        .seconds = o->ramp_s + o->duration_s + o->drain_s,
    };
    struct agents *agents;
    char error[ERROR_SIZE];
    size_t count;
    int result = target_init(&run->target, o, error, sizeof error), status;

    if (result < 0) {
        complain(error);
        return result == TARGET_BAD_URL ? EXIT_BAD_USAGE : EXIT_NOTHING;
    }
    result = agents_new(&order, &agents);
    if (result == -EINVAL) {
        snprintf(error, sizeof error, "--agents=%s: expected 1 to %d hosts, divided by commas",
                 o->agents, AGENTS_MOST);
        complain(error);
        return EXIT_BAD_USAGE;
    }
    if (result < 0)
        return complain(strerror(-result));
    agents_each(agents, &count);
    if (o->connections / count < o->threads) {
        snprintf(error, sizeof error,
                 "--connections=%u: expected at least %zu, one for each thread of each agent",
                 o->connections, count * o->threads);
        complain(error);
        status = EXIT_BAD_USAGE;
    } else if (open_descriptors(run) < 0) {
        status = complain(strerror(errno));
    } else {
        status = gather(run, agents);
    }
    agents_free(agents);
    return status;
}

int main(int argc, char **argv)
{
    struct run run = {.argv = argv, .argc = argc, .signal_fd = -1, .done_fd = -1};
    char error[ERROR_SIZE];
    int status = EXIT_SUCCESS;

    if (options_parse(&run.options, argc, argv, error, sizeof error) < 0) {
        complain(error);
        status = EXIT_BAD_USAGE;
    } else if (run.options.wish == OPTIONS_HELP) {
        options_help(stdout);
    } else if (run.options.wish == OPTIONS_VERSION) {
        printf("load %s\n", SERVER_VERSION);
    } else if ((status = open_json(&run)) == EXIT_SUCCESS) {
        status = run.options.agents != NULL && !run.options.agent ? measure_there(&run)
                                                                  : measure_here(&run);
        target_free(&run.target);
    }
    if (run.json != NULL && run.json != stdout)
        fclose(run.json); /* nothing was measured */
    reasons_free(&run.reasons);
    figures_free(run.figures);
    free(run.workers);
    options_free(&run.options);
    return status;
}
