/* SPDX-License-Identifier: MIT
 *
 * See connection.h. A coroutine waits in one way only, park_until(), whatever for, and looks at its
 * condition again after it: its descriptor (on_ready()), a request (connections_send()), the end of
 * its time (connections_expire()) or of the loop makes it go on.
 */
#include "load/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coro/clock.h"

enum {
    BUFFER_BYTES = 65536,
    SOURCE_CONNECTIONS = 10000,
    CLOSE_MS = 100, /* a server that says that it closes has so long */
    ANSWERED = -1,  /* beside the errors of figures.h */
};

/* Its request has been sent, has failed, or waits as this coroutine does: who gave it goes on. */
static void hand_back(struct connection *c)
{
    if (c->all->handing == c) {
        c->all->handing = NULL;
        coro_unpark(c->all->giver);
    }
}

static int park_until(struct connection *c, int64_t deadline_ms)
{
    hand_back(c);
    return coro_park(deadline_ms);
}

static int park(struct connection *c)
{
    return park_until(c, CORO_FOREVER);
}

/* ---- the socket ---- */

static void on_ready(struct coro_loop *loop, struct coro_watch *watch, int events)
{
    struct connection *c = watch->data;

    (void)loop;
    /* A watch that the kernel has no room for is started again at the next wait. */
    c->ready = events != 0 ? events : c->watched;
    c->all->events++;
    coro_resume_now(c->task);
}

static void watch_for(struct connection *c, int events)
{
    if (c->watched != events) {
        coro_watch_stop(c->all->loop, &c->watch);
        coro_watch_init(&c->watch, c->fd, events, on_ready, c);
        c->watched = events;
    }
    coro_watch_start(c->all->loop, &c->watch);
}

static void shut(struct connection *c)
{
    if (c->fd < 0)
        return;
    if (c->watched != 0)
        coro_watch_stop(c->all->loop, &c->watch);
    close(c->fd);
    c->fd = -1;
    c->watched = 0;
    c->all->open--;
}

/* There is too little of something on this host. */
static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS ||
           error == EADDRNOTAVAIL || error == EAGAIN;
}

static void note_shortage(struct connections *all, int error)
{
    if (!is_shortage(error))
        return;
    if (all->shortage == 0)
        all->shortage = error;
    if (error != EAGAIN) /* of a Unix socket: it is the server's backlog that is full */
        all->figures->shortages++;
}

/* To a loopback address connections beyond some thousands come from further ones: each pair of
 * addresses has the local ports for itself, of which there are 28,000, and once half of them are
 * taken the kernel looks at thousands for each that it finds. */
static void choose_source(int fd, const struct connection *c)
{
    const struct sockaddr_in *target = (const struct sockaddr_in *)&c->all->target->address;
    unsigned group = (c->all->first + (unsigned)(c - c->all->each)) / SOURCE_CONNECTIONS;
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK + group)};
    int on = 1;

    if (group == 0 || target->sin_family != AF_INET ||
        ntohl(target->sin_addr.s_addr) >> IN_CLASSA_NSHIFT != IN_LOOPBACKNET)
        return;
    /* Where it cannot be, the one that the kernel chooses has to do. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    (void)!bind(fd, (const struct sockaddr *)&source, sizeof source);
}

/* Begins to connect. Whether it could. */
static bool open_socket(struct connection *c)
{
    struct connections *all = c->all;
    const struct target *target = all->target;
    const struct sockaddr *address = (const struct sockaddr *)&target->address;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0) {
        note_shortage(all, errno);
        return false;
    }
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    choose_source(fd, c);
    if (connect(fd, address, target->address_length) < 0 && errno != EINPROGRESS) {
        note_shortage(all, errno);
        close(fd);
        return false;
    }
    c->fd = fd;
    all->figures->connections_opened++;
    if (++all->open > all->figures->connections_most)
        all->figures->connections_most = all->open;
    return true;
}

/* ---- a request ---- */

/* Waits until the descriptor is ready. 0, FIGURES_TIMEOUT or, when the run ends,
 * FIGURES_UNFINISHED. */
static int await(struct connection *c, int events)
{
    watch_for(c, events);
    c->ready = 0;
    while (c->ready == 0) {
        if (c->expired)
            return FIGURES_TIMEOUT;
        if (park(c) < 0)
            return FIGURES_UNFINISHED;
    }
    return 0;
}

/* Reads until the answer is whole: ANSWERED, or why it is not. */
static int receive(struct connection *c)
{
    struct connections *all = c->all;
    bool begun = false;

    for (;;) {
        enum answer_state state;
        ssize_t length;
        int failure = await(c, CORO_READ);

        if (failure != 0)
            return failure;
        length = recv(c->fd, all->buffer, BUFFER_BYTES, 0);
        if (length < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (length == 0 && answer_end(&c->answer) == ANSWER_WHOLE)
            return ANSWERED;
        if (length <= 0)
            return begun ? FIGURES_SHORT : FIGURES_RESET;
        begun = true;
        all->figures->bytes += (uint64_t)length;
        state = answer_feed(&c->answer, all->buffer, (size_t)length);
        if (state != ANSWER_PARTIAL)
            return state == ANSWER_WHOLE ? ANSWERED : FIGURES_MALFORMED;
    }
}

/* Connects, where that is needed, sends and receives. ANSWERED, or why not. */
static int exchange(struct connection *c)
{
    const struct target_request *request = &c->all->target->requests[c->request.path];
    bool connecting = c->fd < 0;
    size_t sent = 0;

    if (connecting && !open_socket(c))
        return FIGURES_CONNECT;
    answer_begin(&c->answer);
    while (sent < request->length) {
        /* Where there is no connection yet that is what it waits for: nearby there often is. */
        ssize_t length =
            send(c->fd, request->bytes + sent, request->length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (length >= 0) {
            connecting = false;
            sent += (size_t)length;
        } else if (errno == EAGAIN) {
            int failure = await(c, CORO_WRITE);

            if (failure != 0)
                return failure;
        } else if (connecting) {
            return FIGURES_CONNECT;
        } else if (errno != EINTR) {
            break; /* the answer may be there all the same */
        }
    }
    return receive(c);
}

/* Closes, after the server where that says that it does: whoever closes first keeps the pair of
 * ports for a minute (TIME-WAIT, RFC 9293, 3.6.1), and here there are few of them. False: the run
 * has ended. */
static bool close_last(struct connection *c)
{
    int64_t until_ms = coro_now_ms() + CLOSE_MS;
    int result = 0;

    c->ready = 0;
    while (c->ready == 0 && result == 0)
        result = park_until(c, until_ms);
    shut(c);
    return result != -ECANCELED;
}

/* What could not connect may not have waited, and the next may not either: lets the loop have its
 * turn in between. False: the run has ended. */
static bool let_turn(struct connection *c)
{
    hand_back(c);
    c->all->events++;
    return coro_pause() == 0;
}

/* Makes the request it has, and takes the next. False: the run has ended. */
static bool serve(struct connection *c)
{
    struct connections *all = c->all;
    int outcome;
    int64_t now_ns;

    c->expired = false;
    outcome = exchange(c);
    now_ns = coro_now_ns();
    if (outcome == ANSWERED)
        requests_answered(all->requests, &c->request, now_ns, answer_status(&c->answer));
    else
        requests_failed(all->requests, &c->request, now_ns, (enum figures_error)outcome);
    if (outcome == FIGURES_UNFINISHED)
        return false;
    if (outcome != ANSWERED) {
        shut(c);
        if (outcome == FIGURES_CONNECT && !let_turn(c))
            return false;
        now_ns = coro_now_ns();
    } else if (!answer_keeps_open(&c->answer) || all->target->close) {
        if (!close_last(c))
            return false;
        now_ns = coro_now_ns();
    }
    c->busy = requests_take(all->requests, now_ns, &c->request);
    return true;
}

/* ---- idle ones ---- */

static struct coro_list *place_of(struct connection *c)
{
    return c->fd >= 0 ? &c->all->idle : &c->all->closed;
}

/* The server has closed it, or says what it was not asked. */
static bool is_over(struct connection *c)
{
    char byte;

    return recv(c->fd, &byte, sizeof byte, MSG_PEEK) >= 0 || (errno != EAGAIN && errno != EINTR);
}

/* Waits for a request. False: the run has ended. */
static bool wait_idle(struct connection *c)
{
    coro_list_append(place_of(c), &c->link);
    for (;;) {
        c->ready = 0;
        if (park(c) < 0 && !c->busy) {
            coro_list_remove(place_of(c), &c->link);
            return false;
        }
        if (c->busy)
            return true;
        if (c->ready != 0 && is_over(c)) {
            coro_list_remove(place_of(c), &c->link);
            shut(c);
            coro_list_append(place_of(c), &c->link);
        }
    }
}

static void *run(void *arg)
{
    struct connection *c = arg;

    while (c->busy || wait_idle(c)) {
        if (!serve(c))
            break;
    }
    shut(c);
    return NULL;
}

/* ---- all of them ---- */

int connections_init(struct connections *all)
{
    all->each = calloc(all->most, sizeof *all->each);
    all->buffer = malloc(BUFFER_BYTES);
    return all->each != NULL && all->buffer != NULL ? 0 : -ENOMEM;
}

void connections_term(struct connections *all)
{
    free(all->each);
    free(all->buffer);
}

static struct connection *take_from(struct coro_list *list)
{
    struct coro_link *last = list->last;

    if (last == NULL)
        return NULL;
    coro_list_remove(list, last);
    return CORO_HOLDER(last, struct connection, link);
}

/* One that was never used. NULL: there is none. */
static struct connection *make(struct connections *all)
{
    struct connection *c = &all->each[all->made];

    if (all->made == all->most)
        return NULL;
    *c = (struct connection){.all = all, .fd = -1};
    c->task = coro_spawn(all->loop, run, c, "connection");
    if (c->task == NULL) {
        note_shortage(all, errno);
        all->most = all->made; /* more than these there cannot be */
        return NULL;
    }
    all->made++;
    return c;
}

bool connections_send(struct connections *all, int64_t now_ns)
{
    struct connection *c = take_from(&all->idle);

    if (c == NULL)
        c = take_from(&all->closed);
    if (c == NULL)
        c = make(all);
    if (c == NULL)
        return false;
    c->busy = requests_take(all->requests, now_ns, &c->request);
    all->giver = coro_task_self();
    all->handing = c;
    coro_unpark(c->task);
    while (all->handing != NULL && coro_park(CORO_FOREVER) == 0)
        continue;
    return true;
}

void connections_expire(struct connections *all, int64_t before_ns)
{
    const struct request *oldest;

    while ((oldest = requests_oldest(all->requests)) != NULL && oldest->intended_ns < before_ns) {
        struct connection *c = CORO_HOLDER(oldest, struct connection, request);

        c->expired = true;
        coro_resume_now(c->task);
    }
}
