/* SPDX-License-Identifier: MIT
 *
 * What a database may answer. The input is its side of a connection, as PostgreSQL's protocol or
 * Redis's has it, cut up in several ways; at its end the connection is cut or stalls. Its first
 * byte says which, and what is asked.
 *
 * An answer gives nothing that was not sent: each number is in the bytes of the input, PostgreSQL's
 * behind its id, a valid one, and the same however these are cut. A connection that may be used
 * again answers the next question as if nothing had been; PostgreSQL's, or fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "db/backend.h"
#include "fuzz.h"
#include "io.h"
#include "server.h"

enum {
    REDIS = 1,        /* first byte: else PostgreSQL */
    STALLS = 2,       /* else cut */
    UNPREPARED = 4,   /* PostgreSQL: the input begins with the answers to what is prepared */
    QUESTION = 3 * 8, /* which: these two bits */
    READ_ONE = 0 * 8,
    READ_THREE = 1 * 8,
    FORTUNES = 2 * 8, /* of Redis: as READ_ONE */
    UPDATE = 3 * 8,
    ROWS = 3,
    AGAIN = 4242, /* what the honest answer to a last question holds */
    WAITS_MAX = 100000,
    MESSAGE_HEAD = 5, /* bytes: the type, and the length without it */
    MESSAGE_MAX = 64 * 1024,
};

/* libpq forgets a result that a ReadyForQuery follows without a CommandComplete. Ours are looked
 * for by the tests that a sanitized server runs under. NOLINTBEGIN(bugprone-reserved-identifier):
 * the sanitizer's name */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libpq.so\n";
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* The other side. */
struct far {
    struct io io; /* first: what waits for it */
    int listener, fd;
    const uint8_t *data, *next; /* what it sends; and then, when it is asked something more */
    size_t left, next_left, waits;
    struct fuzz_cuts cuts;
    bool stalls;
};

/* Takes what was asked, unread, and sends the next piece. False: there is none, or no room. */
static bool far_send(struct far *far)
{
    char asked[4096];
    bool heard = false;
    ssize_t sent;

    if (far->fd < 0 && far->listener >= 0)
        far->fd = accept4(far->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (far->fd >= 0 && recv(far->fd, asked, sizeof asked, MSG_DONTWAIT) > 0)
        heard = true;
    if (heard && far->left == 0) {
        far->data = far->next;
        far->left = far->next_left;
        far->next_left = 0;
    }
    if (far->fd < 0 || far->left == 0)
        return false;
    sent = send(far->fd, far->data, fuzz_cut(&far->cuts, far->left), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) /* nobody reads it any more */
        sent = (ssize_t)far->left;
    if (sent <= 0)
        return false;
    far->data += sent;
    far->left -= (size_t)sent;
    return true;
}

static void far_close(struct far *far)
{
    if (far->fd >= 0)
        close(far->fd);
    far->fd = -1;
}

static int far_wait(struct io *io, int fd, int events, int64_t deadline_ms)
{
    struct far *far = (struct far *)io;
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    (void)deadline_ms;
    FUZZ_CHECK(fd >= 0 && ++far->waits < WAITS_MAX);
    if ((events & IO_READ) == 0)
        return IO_WRITE;
    if (poll(&ready, 1, 0) == 0 && !far_send(far)) {
        if (far->stalls)
            return -ETIMEDOUT;
        far_close(far);
    }
    return events;
}

static int far_sleep(struct io *io, int64_t ms)
{
    (void)io;
    (void)ms;
    return 0;
}

static int far_offload(struct io *io, void (*call)(void *arg), void *arg, int64_t deadline_ms)
{
    (void)io;
    (void)deadline_ms;
    call(arg);
    return 0;
}

static const struct io_ops far_ops = {.wait = far_wait, .sleep = far_sleep, .offload = far_offload};

/* ---- PostgreSQL ---------------------------------------------------------------------------- */

#define READY "Z\0\0\0\5I"
#define SET_DONE                                                                                   \
    "1\0\0\0\4"                                                                                    \
    "2\0\0\0\4"                                                                                    \
    "n\0\0\0\4"                                                                                    \
    "C\0\0\0\10SET\0" READY
#define PREPARED    "1\0\0\0\4" READY
#define INT4_COLUMN "a\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\1"

static const char WELCOME[] = "R\0\0\0\10\0\0\0\0" READY;
static const char LIMITED[] = SET_DONE SET_DONE PREPARED PREPARED PREPARED;
static const char ROW[] =
    "2\0\0\0\4"
    "T\0\0\0\56\0\2" INT4_COLUMN INT4_COLUMN "D\0\0\0\26\0\2\0\0\0\4\0\0\0\1\0\0\0\4\0\0\20\222"
    "C\0\0\0\15SELECT 1\0" READY;

/* Listens on an abstract Unix socket, which is nobody else's. */
static int listen_here(char *uri, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                          "fuzz-%ld/.s.PGSQL.5432", (long)getpid());

    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(bind(fd, (const struct sockaddr *)&address,
                    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)) == 0);
    FUZZ_CHECK(listen(fd, 1) == 0);
    snprintf(uri, size, "postgresql://u@/d?host=@fuzz-%ld&port=5432&passfile=/nonexistent",
             (long)getpid());
    return fd;
}

/* Up to a message that announces itself as a long one: libpq takes memory for it at once, which
 * takes the fuzzer's time. One that the input leaves unfinished goes on with what answers the last
 * question, ROW, and where that ends one inside of ROW may begin. */
static size_t before_long_message(const uint8_t *data, size_t size)
{
    size_t at = 0, whole = 0, all_size = size + sizeof ROW - 1;
    uint32_t length = MESSAGE_HEAD;
    uint8_t *all = malloc(all_size);

    FUZZ_CHECK(all != NULL);
    if (size > 0)
        memcpy(all, data, size);
    memcpy(all + size, ROW, sizeof ROW - 1);
    while (all_size - at >= MESSAGE_HEAD && length >= MESSAGE_HEAD - 1) {
        if (at <= size)
            whole = at;
        memcpy(&length, all + at + 1, sizeof length);
        length = ntohl(length);
        if (length > MESSAGE_MAX || length >= all_size - at)
            break;
        at += 1 + length;
    }
    free(all);
    return length > MESSAGE_MAX ? whole : size;
}

/* ---- a question ---------------------------------------------------------------------------- */

struct asked {
    int result;
    struct db_row rows[ROWS];
    struct db_fortunes fortunes;
};

static void ask(const struct db_backend *backend, struct db_conn *conn, struct far *far,
                unsigned question, struct asked *asked)
{
    int64_t deadline = io_now_ms() + far->io.server->config->db_timeout_ms;

    *asked = (struct asked){.result = 0};
    for (int i = 0; i < ROWS; i++)
        asked->rows[i] = (struct db_row){.id = i + 1, .number = AGAIN};
    if (question == UPDATE)
        asked->result = backend->update(conn, &far->io, asked->rows, ROWS, deadline);
    else if (question == FORTUNES && backend->fortunes != NULL)
        asked->result = backend->fortunes(conn, &far->io, &asked->fortunes, deadline);
    else
        asked->result =
            backend->read(conn, &far->io, asked->rows, question == READ_THREE ? ROWS : 1, deadline);
    FUZZ_CHECK(asked->result <= 0 && asked->result != -ECANCELED);
    FUZZ_CHECK(asked->result == 0 || asked->result == -ENODATA || conn->broken);
}

static bool was_sent(const uint8_t *data, size_t size, const void *bytes, size_t length)
{
    return memmem(data, size, bytes, length) != NULL;
}

/* Nothing is answered that was not sent. */
static void check_answer(const struct asked *asked, unsigned first, const uint8_t *data,
                         size_t size)
{
    size_t rows = (first & QUESTION) == READ_THREE ? ROWS : 1;

    for (size_t i = 0; i < asked->fortunes.count; i++) {
        const char *message = asked->fortunes.rows[i].message;
        uint32_t id = htonl((uint32_t)asked->fortunes.rows[i].id);

        FUZZ_CHECK(was_sent(data, size, &id, sizeof id));
        FUZZ_CHECK(was_sent(data, size, message, strlen(message)));
    }
    if (asked->result < 0 || (first & QUESTION) == UPDATE ||
        ((first & QUESTION) == FORTUNES && (first & REDIS) == 0))
        return;
    for (size_t i = 0; i < rows; i++) {
        const uint32_t columns[] = {htonl(sizeof(uint32_t)), htonl((uint32_t)asked->rows[i].id),
                                    htonl(sizeof(uint32_t)),
                                    htonl((uint32_t)asked->rows[i].number)};
        char text[12];
        int length = snprintf(text, sizeof text, "%d", asked->rows[i].number);

        FUZZ_CHECK(asked->rows[i].id == (int)i + 1);
        if ((first & REDIS) != 0 && asked->rows[i].number == 0)
            continue; /* a miss */
        FUZZ_CHECK(db_number_is_valid(asked->rows[i].number));
        FUZZ_CHECK((first & REDIS) != 0 ? was_sent(data, size, text, (size_t)length)
                                        : was_sent(data, size, columns, sizeof columns));
    }
}

/* As the pool does: one that is broken, or on which something waits, is not used again. What libpq
 * has read behind an answer it does not tell; there the row's id does. */
static void ask_again(const struct db_backend *backend, struct db_conn *conn, struct far *far,
                      const uint8_t *data, size_t size)
{
    static const char number[] = "$4\r\n4242\r\n";
    struct asked asked;
    char byte;

    while (far_send(far))
        ;
    if (conn->broken || recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
        return;
    far->data = (const uint8_t *)(backend == &db_redis ? number : ROW);
    far->left = backend == &db_redis ? sizeof number - 1 : sizeof ROW - 1;
    ask(backend, conn, far, READ_ONE, &asked);
    if (backend == &db_postgres && (asked.result < 0 || asked.rows[0].number != AGAIN))
        check_answer(&asked, READ_ONE, data, size);
    else
        FUZZ_CHECK(asked.result == 0 && asked.rows[0].number == AGAIN && !conn->broken);
}

/* ---- the target ---------------------------------------------------------------------------- */

/* Opens conn; what is left of the input then is the answer to the question. */
static int open_conn(struct db_conn *conn, struct far *far, unsigned first, const uint8_t *data,
                     size_t size)
{
    bool unprepared = (first & UNPREPARED) != 0;
    int result, pair[2];

    far->data = data;
    far->left = size;
    if ((first & REDIS) != 0) {
        FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        *conn = (struct db_conn){.uri = "unix:/fuzz", .handle = redisReaderCreate(), .fd = pair[0]};
        far->fd = pair[1];
        return 0;
    }
    far->data = (const uint8_t *)WELCOME;
    far->left = sizeof WELCOME - 1;
    far->next = unprepared ? data : (const uint8_t *)LIMITED;
    far->next_left = unprepared ? size : sizeof LIMITED - 1;
    result = db_postgres.open(conn, &far->io, io_now_ms() + far->io.server->config->db_timeout_ms);
    FUZZ_CHECK(result == 0 || unprepared);
    FUZZ_CHECK(result <= 0 && (result < 0) == (conn->handle == NULL));
    if (!unprepared) {
        far->data = data;
        far->left = size;
    }
    return result;
}

static void run(struct far *far, const char *uri, unsigned first, const uint8_t *data, size_t size,
                struct asked *asked)
{
    const struct db_backend *backend = (first & REDIS) != 0 ? &db_redis : &db_postgres;
    struct db_conn conn = {.uri = uri, .fd = -1};

    *asked = (struct asked){.result = -1};
    if (open_conn(&conn, far, first, data, size) == 0) {
        ask(backend, &conn, far, first & QUESTION, asked);
        check_answer(asked, first, data, size);
        ask_again(backend, &conn, far, data, size);
        backend->close(&conn, &far->io);
    }
    far_close(far);
    db_fortunes_term(&asked->fortunes);
}

/* The lowest descriptor that is free. */
static int lowest(void)
{
    int fd = dup(STDIN_FILENO);

    FUZZ_CHECK(fd >= 0);
    close(fd);
    return fd;
}

int fuzz_database(const uint8_t *data, size_t size)
{
    static char uri[100];
    static int listener = -1;
    static const struct config config = {.db_timeout_ms = 1000};
    static struct server server = {.config = &config};
    struct asked all[FUZZ_WAYS];
    unsigned first = size > 0 ? data[0] : 0;
    int free_fd;

    if (listener < 0)
        listener = listen_here(uri, sizeof uri);
    free_fd = lowest();
    data += size > 0;
    size -= size > 0;
    if ((first & REDIS) == 0)
        size = before_long_message(data, size);
    for (int way = 0; way < FUZZ_WAYS; way++) {
        struct far far = {.io = {.ops = &far_ops, .server = &server},
                          .listener = (first & REDIS) != 0 ? -1 : listener,
                          .fd = -1,
                          .cuts = fuzz_cuts_of(way, data, size),
                          .stalls = (first & STALLS) != 0};

        run(&far, uri, first, data, size, &all[way]);
        FUZZ_CHECK(lowest() == free_fd);
        if (all[way].result == 0 && all[0].result == 0)
            FUZZ_CHECK(memcmp(all[way].rows, all[0].rows, sizeof all[0].rows) == 0);
    }
    return 0;
}
