/* SPDX-License-Identifier: MIT
 *
 * The floor: what one recv and one send per request cost on this machine.
 *
 * One process, one level-triggered epoll set, no HTTP: every end of a request head
 * ("\r\n\r\n") found in what arrived is answered with the same fixed bytes, as many as the
 * real server sends for /hello. Answers to pipelined requests leave in one send. The lab
 * runs this beside the models, in the same blocks, and states their CPU time per request
 * as a multiple of it: no server that reads and answers over sockets can go below 1.
 *
 * Deliberately absent: parsing, routes, bodies, time-outs, write buffering (a client that
 * pipelines without reading is disconnected), a Date that moves on.
 *
 *     floor [--listen=ADDR:PORT] [--close]
 *                     default 127.0.0.1:8081, port 0 picks a free one; --close answers each
 *                     connection once, says so, and closes it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWERS_PER_SEND = 256, /* a batch beyond this takes another send */
    DESCRIPTORS = 65536,
};

/* One answer, ANSWERS_PER_SEND times over: a batch of n is the first n * answer_bytes. */
static char answers[ANSWERS_PER_SEND * 256];
static size_t answer_bytes;

/* How much of "\r\n\r\n" each connection's bytes so far end with, by descriptor: a head may
 * arrive cut anywhere. */
static unsigned char matched[DESCRIPTORS];

static bool closing; /* --close */
static volatile sig_atomic_t stopping;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ADDR:PORT to an IPv4 address; exits with 64, as the server does, when it is not one. */
static struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    unsigned port;
    int used = 0;

    if (sscanf(text, "%15[0-9.]:%5u%n", host, &port, &used) != 2 || text[used] || port > 65535 ||
        inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "floor: --listen=%s: expected IPV4:PORT\n", text);
        exit(64);
    }
    address.sin_port = htons((uint16_t)port);
    return address;
}

/* Fills in the port where it was 0. */
static int listen_on(struct sockaddr_in *address)
{
    int on = 1;
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        bind(fd, (struct sockaddr *)address, sizeof *address) || listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)address, &length))
        die("floor: listen");
    return fd;
}

/* The Date is that of the start: its size is what counts here. */
static void make_answers(void)
{
    char date[64];
    time_t now = time(NULL);
    struct tm utc;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    answer_bytes = (size_t)snprintf(answers, sizeof answers / ANSWERS_PER_SEND,
                                    "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/plain\r\n"
                                    "Content-Length: 13\r\n%s\r\nHello, World!",
                                    date, closing ? "Connection: close\r\n" : "");
    for (size_t i = 1; i < ANSWERS_PER_SEND; i++)
        memcpy(answers + i * answer_bytes, answers, answer_bytes);
}

static unsigned count_heads(const char *bytes, size_t length, unsigned char *state)
{
    unsigned heads = 0, at = *state;

    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == (at & 1 ? '\n' : '\r'))
            at++;
        else
            at = bytes[i] == '\r';
        if (at == 4) {
            heads++;
            at = 0;
        }
    }
    *state = (unsigned char)at;
    return heads;
}

static void accept_all(int listener, int poller)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

        if (fd >= DESCRIPTORS || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) ||
            epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
            close(fd);
        else
            matched[fd] = 0;
    }
}

/* The whole of the work: one recv, one send. The set is level-triggered, so bytes beyond the
 * buffer bring the descriptor back in the next round. False: the peer has left, does not
 * read what it asks for, or has been told that this was its only answer. */
static bool serve(int fd)
{
    static char input[16384];
    ssize_t received = recv(fd, input, sizeof input, 0);
    unsigned heads;

    if (received <= 0)
        return received < 0 && (errno == EAGAIN || errno == EINTR);
    heads = count_heads(input, (size_t)received, &matched[fd]);
    while (heads) {
        unsigned batch = heads < ANSWERS_PER_SEND ? heads : ANSWERS_PER_SEND;
        size_t length = batch * answer_bytes;

        if (send(fd, answers, length, 0) != (ssize_t)length)
            return false;
        heads -= batch;
        if (closing)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *listen_text = "127.0.0.1:8081";
    struct sockaddr_in address;
    int listener, poller;
    struct epoll_event event;
    struct sigaction stop;
    char host[INET_ADDRSTRLEN];
    struct epoll_event events[256];

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--close") == 0) {
            closing = true;
        } else if (strncmp(argv[i], "--listen=", 9) == 0) {
            listen_text = argv[i] + 9;
        } else {
            fprintf(stderr, "floor: %s: expected --listen=ADDR:PORT or --close\n", argv[i]);
            return 64;
        }
    }

    address = parse_address(listen_text);
    listener = listen_on(&address);
    poller = epoll_create1(EPOLL_CLOEXEC);
    event = (struct epoll_event){.events = EPOLLIN, .data.fd = listener};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event))
        die("floor: epoll");
    make_answers();

    stop = (struct sigaction){.sa_handler = on_stop}; /* no SA_RESTART: epoll_wait must return */
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);

    inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
    fprintf(stderr, "ready model=floor workers=1 listen=%s:%d pid=%d version=1\n", host,
            ntohs(address.sin_port), (int)getpid());

    while (!stopping) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                accept_all(listener, poller);
            else if (!serve(fd))
                close(fd);
        }
    }
    return 0;
}
