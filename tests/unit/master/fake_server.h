/* SPDX-License-Identifier: MIT
 *
 * A whole master over a model of the test's own, in a process of its own: two workers, each of
 * which answers a connection with the number of its generation and closes it. What workers are to
 * do otherwise is set in memory that all share; what all say can be read line by line.
 *
 * Where the master starts its program anew that is the test once more: fake_server_main().
 */
#ifndef TESTS_UNIT_MASTER_FAKE_SERVER_H
#define TESTS_UNIT_MASTER_FAKE_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "master/master.h"
#include "master/settings.h"
#include "models/model.h"
#include "server.h"
#include "worker.h"

enum { FAKE_WORKERS = 2, FAKE_OPTIONS = 8 };

/* What all processes share, also a server and its successor. */
struct fake_orders {
    _Atomic bool fail; /* workers end before they are ready */
    _Atomic bool wait; /* they wait for go before they are */
    _Atomic bool hold; /* they do not finish when they are told to */
    _Atomic uintptr_t generations;
    sem_t go;
};

static struct fake_orders *fake_orders;

static const char FAKE_VARIABLE[] = "FAKE_ORDERS"; /* the descriptor they are in */

static struct fake_orders *fake_orders_map(int fd)
{
    void *memory = mmap(NULL, sizeof *fake_orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        abort();
    return memory;
}

/* Before each test: none are given. */
static void fake_orders_reset(void)
{
    int fd;
    char number[12];

    if (fake_orders == NULL) {
        fd = memfd_create("orders", 0); /* what the master executes has it too */
        if (fd < 0 || ftruncate(fd, sizeof *fake_orders) < 0)
            abort();
        snprintf(number, sizeof number, "%d", fd);
        setenv(FAKE_VARIABLE, number, 1);
        fake_orders = fake_orders_map(fd);
    }
    memset(fake_orders, 0, sizeof *fake_orders);
    sem_init(&fake_orders->go, 1, 0);
}

/* Two workers that wait, and all after them, need not any more. */
static void fake_let_go(void)
{
    fake_orders->wait = false;
    for (int i = 0; i < FAKE_WORKERS; i++)
        sem_post(&fake_orders->go);
}

static void fake_serve(const struct server *server, uintptr_t generation)
{
    const char answer = (char)('0' + generation);
    int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return; /* another worker was there before */
    if (write(fd, &answer, 1) != 1)
        log_line(LOG_ERROR, "the test hung up");
    close(fd);
}

static int fake_work(struct server *server, const struct worker_process *self, void *arg)
{
    struct pollfd fds[] = {{.fd = self->stop_fd, .events = POLLIN},
                           {.fd = server->listen_fd, .events = POLLIN}};
    uintptr_t generation = (uintptr_t)arg;

    log_plain("worker of %d starts as %d", (int)generation, (int)getpid());
    if (fake_orders->fail)
        return 1;
    if (fake_orders->wait)
        sem_wait(&fake_orders->go);
    worker_ready(server, self);
    while (poll(fds, 2, -1) < 0 || fds[0].revents == 0)
        if (fds[1].revents != 0)
            fake_serve(server, generation);
    log_plain("worker of %d finishes", (int)generation);
    while (fake_orders->hold)
        pause();
    if (server->control->take_backlog)
        worker_backlog_taken(server);
    return 0;
}

static int fake_open(struct server *server, const struct model_plan *before,
                     struct model_plan *plan)
{
    (void)server;
    (void)before;
    plan->arg = (void *)(++fake_orders->generations);
    return 0;
}

static const struct model fake_model = {
    .name = "fake", .summary = "for tests", .work = fake_work, .open = fake_open};

/* Used instead of those of models.c. */
const struct model *const models[] = {&fake_model, NULL};

const struct model *model_find(const char *name)
{
    return strcmp(name, fake_model.name) == 0 ? &fake_model : NULL;
}

/* Runs a server with the arguments; the result is its exit status. */
static int fake_server_main(int argc, char **argv)
{
    const struct command command = {.argc = argc, .argv = argv, .environ_names = environ};
    struct settings settings;
    enum config_action action;
    char error[512];

    if (fake_orders == NULL) { /* as another program's successor */
        const char *number = getenv(FAKE_VARIABLE);

        fake_orders = fake_orders_map(number == NULL ? -1 : atoi(number));
        alarm(60); /* should a test fail: it is nobody's child soon */
    } else {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    if (settings_load(&settings, &command, &action, error, sizeof error) < 0) {
        log_line(LOG_ERROR, "%s", error);
        return 2;
    }
    return master_run(&command, &settings) < 0 ? 1 : 0;
}

/* ---- the test's side ---- */

struct fake_server {
    pid_t pid, successor;
    FILE *said;
    char line[400]; /* the last one read, or that a test waited for */
    uint16_t port;
};

/* Reads lines up to one with that text, which is then s->line; that none of them has the other
 * text, when it is given. False: there is none. */
static bool fake_says(struct fake_server *s, const char *text, const char *unwanted)
{
    while (fgets(s->line, sizeof s->line, s->said) != NULL) {
        if (unwanted != NULL && strstr(s->line, unwanted) != NULL)
            return false;
        if (strstr(s->line, text) != NULL)
            return true;
    }
    return false;
}

/* Starts one with these options more, the last NULL; program: what an upgrade executes. */
static struct fake_server fake_start(const char *program, const char *const *options)
{
    struct fake_server s = {.pid = 0};
    char *argv[4 + FAKE_OPTIONS] = {(char *)(uintptr_t)program, (char[]){"--model=fake"},
                                    (char[]){"--workers=2"}, (char[]){"--listen=127.0.0.1:0"}};
    static const int CAUGHT[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS, SIGABRT};
    int ends[2], argc = 4;

    for (; options != NULL && *options != NULL; options++)
        argv[argc++] = (char *)(uintptr_t)*options;
    if (pipe(ends) < 0)
        abort();
    fflush(stdout);
    s.pid = fork();
    if (s.pid == 0) {
        for (size_t i = 0; i < sizeof CAUGHT / sizeof CAUGHT[0]; i++)
            signal(CAUGHT[i], SIG_DFL); /* or cmocka would go on with the tests, here */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        exit(fake_server_main(argc, argv));
    }
    close(ends[1]);
    s.said = fdopen(ends[0], "r");
    if (s.pid < 0 || s.said == NULL)
        abort();
    return s;
}

/* Sends a signal, and to nobody where there is no such process: 0 and -1 would mean many. */
static void fake_signal(pid_t pid, int number)
{
    if (pid > 1)
        kill(pid, number);
}

/* Waits for its end; the result is as that of waitpid(). */
static int fake_ended(struct fake_server *s)
{
    int status = -1;

    waitpid(s->pid, &status, 0);
    return status;
}

/* What a new connection is answered, '\0': it is refused or reset. */
static char fake_ask(const struct fake_server *s)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(s->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer = '\0';

    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ||
        read(fd, &answer, 1) != 1)
        answer = '\0';
    close(fd);
    return answer;
}

#endif
