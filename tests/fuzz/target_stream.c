/* SPDX-License-Identifier: MIT
 *
 * A whole stream of pipelined requests, heads and bodies, through connection.c over a socket pair,
 * whole, byte by byte and in other pieces. What the server serves must be what the reference
 * finds in the stream: as many requests, each with the same method, target, fields and body. And
 * the answers must not depend on the pieces.
 *
 * The handler here answers 200 whatever the route, and writes down what it was given. It leaves
 * the body unread for a target that begins with "/u", begins its answer before it reads it for
 * "/e", and takes the query of "/q" apart. A body that is wrong gets an error instead wherever
 * the 200 has not left; always where all of the stream came at once.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "http.h"
#include "http/connection.h"
#include "reference.h"
#include "server.h"

enum {
    MAX_REQUESTS = 1024,
    MAX_BODY = 4096,
    MAX_HEADER = 1024,
    MAX_BYTEWISE = 2048, /* longer streams are not sent byte by byte: that takes too long */
};

/* Bytes that grow. */
struct bytes {
    char *data;
    size_t length, capacity;
};

static void add(struct bytes *bytes, const void *data, size_t length)
{
    if (bytes->length + length > bytes->capacity) {
        char *larger = realloc(bytes->data, (bytes->length + length) * 2);

        FUZZ_CHECK(larger != NULL);
        bytes->data = larger;
        bytes->capacity = (bytes->length + length) * 2;
    }
    if (length > 0)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

/* The same with its length before it, so that two records are equal only part by part. */
static void add_part(struct bytes *bytes, const void *data, size_t length)
{
    add(bytes, &length, sizeof length);
    add(bytes, data, length);
}

static bool same(const struct bytes *one, const struct bytes *other)
{
    return one->length == other->length &&
           (one->length == 0 || memcmp(one->data, other->data, one->length) == 0);
}

/* The answers without interim ones, which depend on what of a body has come by then. */
static void drop_interim(struct bytes *answers)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const size_t length = sizeof interim - 1;
    char *found;

    while (answers->length > 0 &&
           (found = memmem(answers->data, answers->length, interim, length)) != NULL) {
        memmove(found, found + length, answers->length - (size_t)(found - answers->data) - length);
        answers->length -= length;
    }
}

/* One way of sending a stream, and what came of it. */
struct run {
    const uint8_t *data;
    size_t size, sent;
    struct fuzz_cuts cuts;
    int client;
    bool gives_way;        /* to other connections, between two requests */
    int64_t looks;         /* at the clock */
    bool ended;            /* all has been sent, and this end is closed for sending */
    bool closed;           /* the server has given the connection up, or lingers */
    struct bytes requests; /* written down by the handler, one behind the other */
    size_t ends[MAX_REQUESTS];
    size_t served;                    /* how many these are */
    bool came_at_once;                /* all of the stream, as far as the server reads at once */
    size_t settled, settled_requests; /* what of answers and requests does not depend on pieces */
    struct bytes answers;
};

static struct run *current;

/* --- the handler --------------------------------------------------------------------------- */

/* What a target asks for; the same for both sides. '*': not in origin form, so that it may be
 * refused before it reaches the handler. */
static char kind_of(const void *target, size_t length)
{
    const char *text = target;

    if (length > 0 && text[0] != '/')
        return '*';
    return length >= 2 && text[0] == '/' && strchr("ueq", text[1]) != NULL ? text[1] : ' ';
}

static void write_down(struct run *run, const struct http_request *request,
                       const struct bytes *body, uint64_t number)
{
    struct bytes *to = &run->requests;

    FUZZ_CHECK(run->served < MAX_REQUESTS);
    add_part(to, request->method_name.data, request->method_name.length);
    add_part(to, request->target.data, request->target.length);
    for (unsigned i = 0; i < request->field_count; i++) {
        add_part(to, request->fields[i].name.data, request->fields[i].name.length);
        add_part(to, request->fields[i].value.data, request->fields[i].value.length);
    }
    add_part(to, body->data, body->length);
    add_part(to, &number, sizeof number);
    run->ends[run->served++] = to->length;
}

static int serve(struct http_exchange *x)
{
    static const char *const names[] = {"a", "bc"};
    const struct http_request *request = x->request;
    char kind = kind_of(request->target.data, request->target.length);
    struct bytes body = {0};
    uint64_t number = 0;
    char piece[700];
    ssize_t count = 0;
    int error = kind == 'e' ? http_begin(x, 200, "text/plain", 2) : 0;

    if (kind == 'q' && (!http_query_check(x, names, 2, &error) ||
                        !http_query_number(x, "a", 0, 999, 1000, &number, &error)))
        return error;
    if (error == 0 && kind != 'u')
        while ((count = http_read_body(x, piece, sizeof piece)) > 0)
            add(&body, piece, (size_t)count);
    if (error == 0)
        error = count < 0     ? (int)count
                : kind == 'e' ? http_write(x, "ok", 2)
                              : http_reply(x, 200, "text/plain", "ok", 2);
    if (error == 0)
        write_down(current, request, &body, number);
    free(body.data);
    return error;
}

static const struct route *no_route(const struct http_request *request)
{
    (void)request;
    return NULL;
}

static bool never(const struct route *route)
{
    (void)route;
    return false;
}

static int serve_any(const struct route *route, struct http_exchange *x)
{
    (void)route;
    return serve(x);
}

static const struct http_application application = {
    .find = no_route, .waits = never, .serve = serve_any};

/* --- the server around it -------------------------------------------------------------------- */

/* Time goes on by a millisecond each time it is looked at where the connection is to give way to
 * others now and then, else not at all: no deadline passes, however slow the machine is. */
int64_t io_now_ms(void)
{
    return 1000000 + (current != NULL && current->gives_way ? current->looks++ : 0);
}

int64_t io_now_ns(void)
{
    return 1000000;
}

static bool give_way(struct io *io)
{
    (void)io;
    return current->looks % 3 == 0;
}

static void receive(struct run *run)
{
    char piece[4096];
    ssize_t count;

    while ((count = recv(run->client, piece, sizeof piece, MSG_DONTWAIT)) > 0)
        add(&run->answers, piece, (size_t)count);
}

/* Sends the next piece, or ends the stream. */
static void send_piece(struct run *run)
{
    size_t piece = fuzz_cut(&run->cuts, run->size - run->sent);

    if (piece == 0) {
        run->ended = true;
        shutdown(run->client, SHUT_WR);
        return;
    }
    FUZZ_CHECK(send(run->client, run->data + run->sent, piece, MSG_NOSIGNAL) == (ssize_t)piece);
    run->sent += piece;
}

static int wait_client(struct io *io, int fd, int events, int64_t deadline_ms)
{
    (void)io;
    (void)fd;
    (void)deadline_ms;
    receive(current);
    if ((events & IO_READ) == 0)
        return IO_WRITE;
    send_piece(current);
    return IO_READ;
}

static const struct io_ops OPS = {.wait = wait_client, .give_way = give_way, .model = "fuzz"};

static struct config config = {
    .header_timeout_ms = 1000000000,
    .body_timeout_ms = 1000000000,
    .write_timeout_ms = 1000000000,
    .keepalive_timeout_ms = 1000000000,
    .max_header = MAX_HEADER,
    .max_body = MAX_BODY,
};

static struct io *make_io(void)
{
    static struct http_clock clock;
    static struct server server = {.config = &config,
                                   .application = &application,
                                   .workers = 1,
                                   .listen_fd = -1,
                                   .root_fd = -1,
                                   .access_log_fd = -1};
    static struct io io = {
        .ops = &OPS, .server = &server, .clock = &clock, .context = 1, .out_size = HTTP_OUT_SIZE};
    size_t align = alignof(struct server_shared);
    size_t shared = sizeof(struct server_shared) + 2 * sizeof(struct worker_stats);

    if (io.in == NULL) {
        shared = (shared + align - 1) / align * align;
        server.shared = aligned_alloc(align, shared);
        io.in_size = connection_in_size(&config);
        io.in = malloc(io.in_size);
        io.out = malloc(io.out_size);
        FUZZ_CHECK(server.shared != NULL && io.in != NULL && io.out != NULL);
        memset(server.shared, 0, shared);
        io.stats = &server.shared->workers[0];
    }
    return &io;
}

static void play(struct run *run, int way, const uint8_t *data, size_t size)
{
    static char *spill;
    struct io *io = make_io();
    struct conn conn;
    int ends[2];

    if (spill == NULL)
        spill = malloc(connection_spill_size(&config));
    FUZZ_CHECK(spill != NULL);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    *run = (struct run){.data = data, .size = size, .client = ends[0]};
    run->cuts = fuzz_cuts_of(way, data, size);
    run->gives_way = way == FUZZ_HASHED;
    run->came_at_once = way == FUZZ_WHOLE && size <= io->in_size;
    current = run;
    connection_init(&conn, ends[1], &in6addr_any, spill, &config);
    for (int after_end = 0; !run->closed;) {
        send_piece(run);
        memset(io->in, '#', io->in_size); /* what no context may rely on between two calls */
        memset(io->out, '#', io->out_size);
        run->closed = connection_serve(&conn, io) == CONN_CLOSE || conn.phase >= CONN_LINGER;
        receive(run);
        /* It has seen the end, or will do so when it has served what came before. */
        FUZZ_CHECK(!run->ended || conn.phase == CONN_MORE || after_end++ < 2);
    }
    close(ends[0]);
    close(ends[1]);
    drop_interim(&run->answers);
}

static void forget(struct run *run)
{
    free(run->requests.data);
    free(run->answers.data);
}

/* --- judging -------------------------------------------------------------------------------- */

/* One answer. */
struct answer {
    unsigned status;
    bool closes;
    size_t length; /* of its body, as its head says */
};

/* Takes the next answer's head off; blanks its date, which depends on when it was made. */
static bool next_answer(struct bytes *answers, size_t *at, struct answer *answer)
{
    static const char date_name[] = "\r\nDate: ", close_line[] = "\r\nConnection: close\r\n";
    static const char length_name[] = "\r\nContent-Length: ";
    size_t left = answers->length - *at;
    char *head, *end, *found;

    if (left == 0)
        return false;
    head = answers->data + *at;
    end = memmem(head, left, "\r\n\r\n", 4);
    FUZZ_CHECK(end != NULL && memcmp(head, "HTTP/1.1 ", 9) == 0);
    left = (size_t)(end + 4 - head);
    answer->status = (unsigned)strtoul(head + 9, NULL, 10);
    answer->closes = memmem(head, left, close_line, sizeof close_line - 1) != NULL;
    found = memmem(head, left, length_name, sizeof length_name - 1);
    answer->length = found == NULL ? 0 : strtoul(found + sizeof length_name - 1, NULL, 10);
    found = memmem(head, left, date_name, sizeof date_name - 1);
    FUZZ_CHECK(found != NULL);
    memset(found + sizeof date_name - 1, 'd', 29);
    *at += left;
    return true;
}

/* What the reference finds. */
struct expectation {
    unsigned count;   /* requests whose head is right */
    bool last_broken; /* the body of the last is wrong or not there to its end */
    bool last_wrong;  /* the former, or more than MAX_BODY */
    struct {
        struct bytes request; /* as the handler writes it down */
        bool persists, is_head;
        bool refused; /* the handler answers 400, for its query */
        char kind;
    } requests[MAX_REQUESTS];
};

/* The answer to the last request may have begun before its body was seen to be broken. */
static bool last_varies(const struct expectation *expected)
{
    unsigned last = expected->count - 1;

    return expected->last_broken && (strchr("ue*", expected->requests[last].kind) != NULL ||
                                     expected->requests[last].refused);
}

static void expect(struct expectation *found, const uint8_t *data, size_t size)
{
    static struct ref_request request;
    uint8_t *body = malloc(size + 1);
    size_t at = 0;

    FUZZ_CHECK(body != NULL);
    found->count = 0;
    found->last_broken = found->last_wrong = false;
    while (found->count < MAX_REQUESTS && ref_head(&request, data + at, size - at) == REF_WHOLE) {
        struct bytes *to = &found->requests[found->count].request;
        const uint8_t *content = data + at + request.length;
        size_t left = size - at - request.length, length = (size_t)request.content_length;
        size_t used = length;
        unsigned value = 0;
        uint64_t number;

        *to = (struct bytes){0};
        found->requests[found->count].kind = kind_of(request.target.data, request.target.length);
        found->requests[found->count].refused =
            found->requests[found->count].kind == 'q' && !ref_query(request.target, &value);
        number = value;
        found->requests[found->count].persists = request.persists;
        found->requests[found->count].is_head =
            request.method.length == 4 && memcmp(request.method.data, "HEAD", 4) == 0;
        found->count++;
        if (request.chunked) {
            enum ref_result result = ref_chunked(content, left, body, &length, &used);

            found->last_wrong = result == REF_WRONG || length > MAX_BODY;
            found->last_broken = found->last_wrong || result != REF_WHOLE;
            content = body;
        } else {
            found->last_broken = request.content_length > left;
        }
        if (found->last_broken || found->requests[found->count - 1].kind == 'u')
            length = 0;
        add_part(to, request.method.data, request.method.length);
        add_part(to, request.target.data, request.target.length);
        for (unsigned i = 0; i < request.field_count; i++) {
            add_part(to, request.fields[i].name.data, request.fields[i].name.length);
            add_part(to, request.fields[i].value.data, request.fields[i].value.length);
        }
        add_part(to, content, length);
        add_part(to, &number, sizeof number);
        if (found->last_broken || !request.persists)
            break;
        at += request.length + used;
    }
    free(body);
}

/* Whether both have the same answers to the same requests, the last excepted where it varies. */
static bool agree(struct run *one, struct run *other, const struct expectation *expected)
{
    if (last_varies(expected)) {
        one->answers.length = one->settled;
        other->answers.length = other->settled;
        one->requests.length = one->settled_requests;
        other->requests.length = other->settled_requests;
    }
    return same(&one->answers, &other->answers) && same(&one->requests, &other->requests);
}

/* Holds the answers and what the handler wrote down against what the reference found. */
static void judge(struct run *run, const struct expectation *expected)
{
    size_t at = 0, served = 0, start = 0;
    struct answer answer = {.closes = false};
    unsigned i = 0;

    for (;; i++) {
        bool last = i + 1 == expected->count;

        if (last && last_varies(expected)) {
            run->settled = at;
            run->settled_requests = start;
        }
        if (!next_answer(&run->answers, &at, &answer))
            break;
        FUZZ_CHECK(i <= expected->count);
        FUZZ_CHECK(answer.status != 200 || !last || !expected->last_wrong || !run->came_at_once);
        if (i < expected->count && expected->requests[i].kind == 'q' &&
            !(last && expected->last_broken))
            FUZZ_CHECK(expected->requests[i].refused ? answer.status >= 400
                                                     : answer.status != 400 || answer.closes);
        if (answer.status == 200 && last && expected->last_broken &&
            expected->requests[i].kind == 'e') {
            FUZZ_CHECK(at == run->answers.length); /* its head only: it was broken off */
            i++;
            break;
        }
        if (answer.status == 200) {
            struct bytes got = {0};

            FUZZ_CHECK(i < expected->count && served < run->served);
            got.data = run->requests.data + start;
            got.length = run->ends[served] - start;
            start = run->ends[served++];
            FUZZ_CHECK(same(&got, &expected->requests[i].request));
        }
        if (answer.closes) {
            FUZZ_CHECK(at == run->answers.length || at + answer.length == run->answers.length);
            at = run->answers.length;
            break;
        }
        FUZZ_CHECK(i < expected->count && expected->requests[i].persists);
        if (!expected->requests[i].is_head)
            at += answer.length;
        FUZZ_CHECK(at <= run->answers.length);
    }
    FUZZ_CHECK(at == run->answers.length && served == run->served);
    if (!answer.closes) /* nothing that was asked is left without an answer */
        FUZZ_CHECK(i == expected->count || (expected->last_broken && i + 1 == expected->count));
}

int fuzz_stream(const uint8_t *data, size_t size)
{
    static struct run whole, cut;
    struct expectation *expected = malloc(sizeof *expected);

    FUZZ_CHECK(expected != NULL);
    expect(expected, data, size);
    play(&whole, FUZZ_WHOLE, data, size);
    judge(&whole, expected);
    for (int way = FUZZ_WHOLE + 1; way < FUZZ_WAYS; way++) {
        if (way == FUZZ_BYTES && size > MAX_BYTEWISE)
            continue;
        play(&cut, way, data, size);
        judge(&cut, expected);
        FUZZ_CHECK(agree(&whole, &cut, expected));
        forget(&cut);
    }
    forget(&whole);
    for (unsigned i = 0; i < expected->count; i++)
        free(expected->requests[i].request.data);
    free(expected);
    return 0;
}
