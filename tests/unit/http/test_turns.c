/* SPDX-License-Identifier: MIT
 *
 * connection.h: a client that sends many requests at once and others who wait for
 * the context that serves it. Each /sleep lets the clock tick.
 */
#include "routes.h"

#define GET_SLEEP "GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n"
#define SLEPT     HEAD_OF("2") "zz"

static bool others_wait(struct io *io)
{
    (void)io;
    return true;
}

/* Has others wait from now on. */
static void let_others_wait(struct rig *rig)
{
    static struct io_ops ops;

    ops = rig_ops;
    ops.give_way = others_wait;
    rig->io.ops = &ops;
}

static void all_are_served_while_nobody_waits(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_SLEEP GET_SLEEP GET_SLEEP GET_SLEEP);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_IDLE);
    rig_expect(rig, SLEPT SLEPT SLEPT SLEPT);
}

/* The turn ends with a tick of the clock, which begins with the first look at it. */
static void one_after_another_in_turns(void **state)
{
    struct rig *rig = *state;

    let_others_wait(rig);
    rig_send(rig, GET_SLEEP GET_SLEEP GET_SLEEP GET_HI GET_HI "GET /h");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, SLEPT SLEPT);
    assert_int_equal(rig->conn.phase, CONN_MORE);
    assert_int_equal(rig->conn.spilled, strlen(GET_SLEEP GET_HI GET_HI "GET /h"));
    assert_true(rig->conn.dirty);
    assert_int_equal(rig_deadline(rig), rig_now() + RIG_WRITE_MS);

    assert_int_equal(rig_serve(rig), CONN_PARK); /* within one tick all that is there */
    rig_expect(rig, SLEPT HI HI);
    assert_int_equal(rig->conn.phase, CONN_HEAD);
    assert_int_equal(rig->conn.spilled, strlen("GET /h"));
    rig_send(rig, "i HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    assert_int_equal(rig->conn.phase, CONN_IDLE);
    assert_int_equal(rig->conn.requests, 6);
}

/* What follows a single request decides: nothing is asked of others when nothing does. */
static void a_single_request_is_no_turn(void **state)
{
    struct rig *rig = *state;

    let_others_wait(rig);
    for (int i = 0; i < 3; i++) {
        rig_send(rig, GET_SLEEP);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_expect(rig, SLEPT);
        assert_int_equal(rig->conn.phase, CONN_IDLE);
    }
}

/* More than a buffer holds, bodies among it, in turns of two requests: nothing is lost or moved. */
static void a_full_buffer_is_kept(void **state)
{
    enum { ROUNDS = 300 };
    static char text[ROUNDS * 400], expected[ROUNDS * 400];
    struct rig *rig = *state;
    size_t length = 0, answers = 0;
    unsigned turns = 0;

    let_others_wait(rig);
    for (int i = 0; i < ROUNDS; i++) {
        length += (size_t)sprintf(text + length, GET_SLEEP POST("/echo", "7") "%07d", i);
        answers += (size_t)sprintf(expected + answers, SLEPT HEAD_OF("7") "%07d", i);
    }
    rig_send_bytes(rig, text, length);
    do {
        assert_int_equal(rig_serve(rig), CONN_PARK);
        turns += rig->conn.phase == CONN_MORE;
        rig_receive(rig);
    } while (rig->conn.phase == CONN_MORE);
    assert_true(turns >= ROUNDS / 3);
    assert_string_equal(rig->received, expected);
}

/* It waits for the server as long as it must, but not for a client that takes no answers. */
static void its_deadline_is_for_a_full_socket(void **state)
{
    static char fill[16384];
    struct rig *rig = *state;

    let_others_wait(rig);
    rig_send(rig, GET_SLEEP GET_SLEEP GET_SLEEP);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_MORE);
    clocks_advance(RIG_WRITE_MS);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_MORE);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    while (send(rig->conn.fd, fill, sizeof fill / 4, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
    for (int looks = 0; looks < 3; looks++) { /* one that goes on taking them may be slow */
        assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
        assert_int_equal(rig_deadline(rig), rig_now() + RIG_WRITE_MS);
        clocks_advance(RIG_WRITE_MS);
        assert_int_equal(recv(rig->client, fill, sizeof fill, 0), sizeof fill);
    }
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
}

/* The client sends all it has before it reads. */
static int reads_last(struct rig *rig, int events)
{
    if ((events & IO_READ) && send_piece(rig))
        return IO_READ;
    rig_receive(rig);
    return IO_WRITE;
}

/* What was read ahead cannot be kept without a context: the connection closes after an answer, as
 * a server may at any time, and the client asks again for what was not answered. */
static void what_was_read_ahead_is_not_kept(void **state)
{
    enum { BODY = 60000, REQUESTS = 2000 };
    static char text[BODY + 100 + REQUESTS * sizeof GET_SLEEP];
    struct rig *rig = *state;
    struct pieces p = {.text = text, .piece = 20000};
    int small = 1;

    assert_return_code(setsockopt(rig->conn.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                       errno);
    p.length = (size_t)sprintf(text, "%x\r\n", BODY);
    memset(text + p.length, 'x', BODY);
    p.length += BODY;
    p.length += (size_t)sprintf(text + p.length, "\r\n0\r\n\r\n");
    for (int i = 0; i < REQUESTS; i++)
        p.length += (size_t)sprintf(text + p.length, GET_SLEEP);
    let_others_wait(rig);
    rig->script = &p;
    rig->on_wait = reads_last;
    rig_send(rig, POST_CHUNKED("/through"));
    assert_true(send_piece(rig));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_receive(rig);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig_deadline(rig), rig_now() + CLOSE_LINGER_MS);
    assert_true(rig->conn.requests > 1 && rig->conn.requests < REQUESTS);
    assert_true(rig->end);
    assert_string_equal(rig->received + rig->received_length - strlen(SLEPT), SLEPT);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(all_are_served_while_nobody_waits), PLAIN(one_after_another_in_turns),
        PLAIN(a_single_request_is_no_turn),       PLAIN(a_full_buffer_is_kept),
        PLAIN(its_deadline_is_for_a_full_socket), PLAIN(what_was_read_ahead_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
