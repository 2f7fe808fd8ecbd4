/* SPDX-License-Identifier: MIT
 *
 * redis.c: what is sent to the byte, what replies mean, and after which a connection is not used
 * again. The other side is a socket of the test: its replies lie there before the question is
 * asked.
 */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "db/backend.h"
#include "io.h"
#include "server.h"

static const struct io_ops blocks; /* a context that is a process to itself */
static struct io io = {.ops = &blocks};
static struct db_conn conn;
static int listener, far_end;
static int64_t until;

static int begin(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "redis"};

    if (scratch_begin(state) < 0)
        return -1;
    until = io_now_ms() + 60000;
    conn = (struct db_conn){.uri = "unix:redis", .fd = -1};
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1) < 0 || db_redis.open(&conn, &io, until) < 0)
        return -1;
    far_end = accept(listener, NULL, NULL);
    return far_end < 0 ? -1 : 0;
}

static int end(void **state)
{
    db_redis.close(&conn, &io);
    close(far_end);
    close(listener);
    return scratch_end(state);
}

static void reply(const char *text)
{
    assert_int_equal(send(far_end, text, strlen(text), 0), (ssize_t)strlen(text));
}

static const char *asked(void)
{
    static char text[1000];
    ssize_t length = recv(far_end, text, sizeof text - 1, MSG_DONTWAIT);

    text[length < 0 ? 0 : length] = '\0';
    return text;
}

static int read_one(int *number)
{
    struct db_row row = {.id = 7, .number = -1};
    int result = db_redis.read(&conn, &io, &row, 1, until);

    *number = row.number;
    return result;
}

static void rows_are_asked_for_together(void **state)
{
    struct db_row rows[] = {{.id = 7}, {.id = 10000}};

    (void)state;
    reply("$2\r\n42\r\n$-1\r\n");
    assert_int_equal(db_redis.read(&conn, &io, rows, 2, until), 0);
    assert_string_equal(asked(), "*2\r\n$3\r\nGET\r\n$7\r\nworld:7\r\n"
                                 "*2\r\n$3\r\nGET\r\n$11\r\nworld:10000\r\n");
    assert_int_equal(rows[0].number, 42);
    assert_int_equal(rows[1].number, 0); /* a miss */
    assert_false(conn.broken);
}

static void rows_are_set_together(void **state)
{
    const struct db_row rows[] = {{7, 42}, {8, 1}};

    (void)state;
    reply("+OK\r\n+OK\r\n");
    assert_int_equal(db_redis.update(&conn, &io, rows, 2, until), 0);
    assert_string_equal(asked(), "*3\r\n$3\r\nSET\r\n$7\r\nworld:7\r\n$2\r\n42\r\n"
                                 "*3\r\n$3\r\nSET\r\n$7\r\nworld:8\r\n$1\r\n1\r\n");
    assert_false(conn.broken);
}

/* What is no number from 1 to DB_ROWS is a miss, and so is what one command was refused for. */
static void replies_that_are_misses(void **state)
{
    static const char *const replies[] = {"$-1\r\n",
                                          "$0\r\n\r\n",
                                          "$1\r\n0\r\n",
                                          "$5\r\n10001\r\n",
                                          "$3\r\n12x\r\n",
                                          "$2\r\n-1\r\n",
                                          "-WRONGTYPE of value\r\n"};
    int number;

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        reply(replies[i]);
        assert_int_equal(read_one(&number), 0);
        assert_int_equal(number, 0);
        assert_false(conn.broken);
    }
    assert_string_equal(conn.reason, "unix:redis: WRONGTYPE of value");
}

static void broken_by(const char *text, int result, const char *reason)
{
    int number;

    reply(text);
    assert_int_equal(read_one(&number), result);
    assert_int_equal(number, 0);
    assert_true(conn.broken);
    assert_false(conn.lost);
    assert_contains(conn.reason, reason);
}

static void a_reply_to_another_question(void **state)
{
    (void)state;
    broken_by("+OK\r\n", -EPROTO, "a reply to another question");
}

static void more_replies_than_questions(void **state)
{
    (void)state;
    broken_by("$1\r\n5\r\n$1\r\n", -EPROTO, "more replies than questions");
}

static void what_announces_elements_is_no_reply(void **state)
{
    (void)state;
    broken_by("*1000000000\r\n", -EPROTO, "no reply to GET or SET");
}

static void garbage(void **state)
{
    (void)state;
    broken_by(":1x\r\n", -EPROTO, "unix:redis: ");
}

static void a_set_is_not_answered_with_a_value(void **state)
{
    const struct db_row row = {7, 42};

    (void)state;
    reply("$1\r\n5\r\n");
    assert_int_equal(db_redis.update(&conn, &io, &row, 1, until), -EPROTO);
    assert_true(conn.broken);
}

static void silence_ends_with_the_time(void **state)
{
    struct db_row row = {.id = 7};

    (void)state;
    assert_int_equal(db_redis.read(&conn, &io, &row, 1, io_now_ms() + 20), -ETIMEDOUT);
    assert_true(conn.broken && !conn.lost);
    assert_string_equal(conn.reason, "unix:redis: no answer within --db-timeout");
}

static void the_other_side_has_gone(void **state)
{
    int number;

    (void)state;
    assert_int_equal(shutdown(far_end, SHUT_WR), 0);
    assert_int_equal(read_one(&number), -ECONNRESET);
    assert_true(conn.broken && conn.lost);
}

static void nobody_is_there(void **state)
{
    struct db_conn other = {.uri = "unix:missing", .fd = -1};

    (void)state;
    assert_int_equal(db_redis.open(&other, &io, until), -ENOENT);
    assert_string_equal(other.reason, "unix:missing: No such file or directory");
    assert_null(other.handle);
    other = (struct db_conn){.uri = "127.0.0.1", .fd = -1};
    assert_int_equal(db_redis.open(&other, &io, until), -EINVAL);
}

#define ASKED(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASKED(rows_are_asked_for_together),
        ASKED(rows_are_set_together),
        ASKED(replies_that_are_misses),
        ASKED(a_reply_to_another_question),
        ASKED(more_replies_than_questions),
        ASKED(what_announces_elements_is_no_reply),
        ASKED(garbage),
        ASKED(a_set_is_not_answered_with_a_value),
        ASKED(silence_ends_with_the_time),
        ASKED(the_other_side_has_gone),
        ASKED(nobody_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
