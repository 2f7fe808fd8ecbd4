/* SPDX-License-Identifier: MIT
 *
 * connection.h: what becomes of a parked connection when its time is over, when others need its
 * place, and when the server is stopping.
 */
#include "routes.h"

enum { LINGER_DRAIN_MS = 500, RECENT_MS = 250 };

/* --- deadlines of parked connections -------------------------------------------- */

static void expire_before_a_request(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
    rig_expect(rig, "");
    assert_int_equal(stats_get(&rig->stats->requests), 0);
    again(rig);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
    rig_expect(rig, "");
}

/* Answers that are on their way keep a connection for as long as the client goes on taking them,
 * whatever it is parked for; then they are dropped with it. */
static void expire_with_answers_on_their_way(void **state)
{
    static const struct {
        const char *request;
        int64_t then_ms; /* once all has been taken */
    } rows[] = {
        {GET_HI GET_HI GET_HI, RIG_KEEPALIVE_MS},
        {GET_HI GET_HI "GET /hi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", CLOSE_LINGER_MS},
        {GET_HI GET_HI "BAD\r\n\r\n", CLOSE_LINGER_MS},
    };

    for (size_t i = 0; i < 2 * COUNT(rows); i++) {
        struct rig *rig = *state;
        char bytes[16384];

        rig_term(rig);
        rig_init_routes(rig, SOCK_STREAM);
        for (int sends = 0; sends < 3; sends++) /* each of them can be read alone */
            assert_int_equal(send(rig->conn.fd, bytes, sizeof bytes, 0), sizeof bytes);
        rig_send(rig, rows[i / 2].request);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        for (int looks = 0; looks < 3; looks++) {
            assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
            assert_int_equal(rig_deadline(rig), rig_now() + RIG_WRITE_MS);
            assert_int_equal(recv(rig->client, bytes, sizeof bytes, 0), sizeof bytes);
        }
        if (i % 2 == 0)
            rig_receive(rig);
        assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
        assert_int_equal(rig_deadline(rig),
                         rig_now() + (i % 2 == 0 ? rows[i / 2].then_ms : RIG_WRITE_MS));
        assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
    }
}

/* The minimum rate holds for them, too. */
static void expire_with_answers_taken_too_slowly(void **state)
{
    struct rig *rig = *state;
    char bytes[4096];

    rig_term(rig);
    rig_init_routes(rig, SOCK_STREAM);
    for (int sends = 0; sends < 6; sends++)
        assert_int_equal(send(rig->conn.fd, bytes, sizeof bytes, 0), sizeof bytes);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    for (int pieces = 0; pieces < 4; pieces++) /* 16 KB in 30 s, then 4 KB */
        assert_int_equal(recv(rig->client, bytes, sizeof bytes, 0), sizeof bytes);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(recv(rig->client, bytes, sizeof bytes, 0), sizeof bytes);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_CLOSE);
}

static void expire_within_a_head(void **state)
{
    static const struct {
        const char *input;
        bool body;
    } rows[] = {
        {"G", true}, {"GET /hi HTTP/1.1\r\nHost: a\r\n", true}, {"HEAD /", false}, {"HEAD", true}};
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *body;

        again(rig);
        rig_send(rig, rows[i].input);
        assert_int_equal(rig_serve(rig), CONN_PARK);
        rig_scribble(rig);
        clocks_advance(RIG_HEADER_MS);
        assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
        rig_receive(rig);
        assert_int_equal(strncmp(rig->received, "HTTP/1.1 408 Request Timeout\r\n", 30), 0);
        assert_non_null(strstr(rig->received, "\r\nConnection: close\r\n"));
        body = strstr(rig->received, "\r\n\r\n");
        assert_non_null(body);
        assert_int_equal(body[4] != '\0', rows[i].body);
        assert_true(rig->end);
        assert_int_equal(rig->conn.phase, CONN_LINGER);
        assert_int_equal(rig_deadline(rig), rig_now() + LINGER_MS);
        assert_int_equal(stats_get(&rig->stats->responses[4]), 1);
    }
}

/* The server may be the one that is late: what has come is served first. */
static void expire_with_input_that_waits(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, GET_HI);
    clocks_advance(RIG_HEADER_MS + 1);
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    rig_expect(rig, "");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);

    rig_send(rig, "GET /h");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    clocks_advance(RIG_HEADER_MS + 1);
    rig_send(rig, "i HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
}

/* One that sends a byte now and then gains no time by it. */
static void a_late_head_is_refused_when_it_is_read(void **state)
{
    struct rig *rig = *state;

    rig_send(rig, "GET /h");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    clocks_advance(RIG_HEADER_MS);
    rig_send(rig, "i");
    assert_int_equal(connection_expire(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_HEAD);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
}

/* --- making room for others ----------------------------------------------------- */

/* An idle connection goes when a place is wanted, and takes it once; any other stays. */
static void who_makes_room(void **state)
{
    static const struct {
        const char *input;
        int64_t idle_ms;
        int32_t wanted, left;
        enum conn_next next;
        bool takes_answers, asks;
    } rows[] = {
        {"", 1000, 1, 0, CONN_CLOSE, true, false},
        {GET_HI, 1000, 2, 1, CONN_CLOSE, true, false},
        {GET_HI, 1000, 0, 0, CONN_PARK, true, false},  /* no place is wanted */
        {GET_HI, 999, 1, 1, CONN_PARK, true, false},   /* it was in use a moment ago */
        {GET_HI, 1000, 1, 1, CONN_PARK, false, false}, /* its answer is on its way */
        {GET_HI, 1000, 1, 1, CONN_PARK, true, true},   /* it has just asked again */
        {"GET /h", 1000, 1, 1, CONN_PARK, true, false},
        {"BAD\r\n\r\n", 1000, 1, 1, CONN_PARK, true, false},
    };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        _Atomic int32_t *wanted;

        again(rig);
        wanted = &rig->server.shared->places_of_idle;
        atomic_store(wanted, rows[i].wanted);
        rig_send(rig, rows[i].input);
        if (rows[i].input[0] != '\0')
            assert_int_equal(rig_serve(rig), CONN_PARK);
        if (rows[i].takes_answers)
            rig_receive(rig);
        clocks_advance(rows[i].idle_ms);
        if (rows[i].asks)
            rig_send(rig, GET_HI);
        if (connection_make_room(&rig->conn, &rig->io) != rows[i].next ||
            atomic_load(wanted) != rows[i].left)
            fail_msg("row %zu", i);
    }
}

/* Where that is not enough the next answers are the last of their connections, one for each place.
 */
static void an_answer_gives_up_its_place(void **state)
{
    struct rig *rig = *state;

    atomic_store(&rig->server.shared->places_of_any, 1);
    rig_send(rig, GET_HI GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_non_null(strstr(rig_receive(rig), "\r\nConnection: close\r\n"));
    assert_int_equal(rig->conn.requests, 1);
    assert_int_equal(atomic_load(&rig->server.shared->places_of_any), 0);
}

/* --- draining ------------------------------------------------------------------- */

static void drain_closes_what_is_idle(void **state)
{
    struct rig *rig = *state;

    clocks_advance(RECENT_MS);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    again(rig);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI);
    clocks_advance(RECENT_MS);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    rig_expect(rig, "");
}

/* Its client may be asking just now. */
static void drain_leaves_what_was_used_a_moment_ago(void **state)
{
    struct rig *rig = *state;

    clocks_advance(RECENT_MS - 1);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, HI); /* which promises that the connection stays */
    clocks_advance(RECENT_MS - 1);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    atomic_store(&rig->server.shared->draining, true);
    assert_int_equal(rig_serve(rig), CONN_PARK); /* as when it began during the last request */
    rig_send(rig, GET_HI);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_non_null(strstr(rig_receive(rig), "\r\nConnection: close\r\n"));
    assert_true(rig->end);
}

/* A pool's connections outlive the settings by which their time was set. */
static void drain_is_not_delayed_by_other_timeouts(void **state)
{
    struct rig *rig = *state;

    rig->config.header_timeout_ms = RIG_HEADER_MS / 2;
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_CLOSE);
    rig->config.header_timeout_ms = RIG_HEADER_MS;
}

static void drain_leaves_what_has_begun(void **state)
{
    struct rig *rig = *state;

    atomic_store(&rig->server.shared->draining, true);
    rig_send(rig, GET_HI GET_HI);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    rig_expect(rig, "HTTP/1.1 200 OK\r\n" RIG_DATE TEXT
                    "Content-Length: 2\r\nConnection: close\r\n\r\nhi");
    assert_true(rig->end);
    assert_int_equal(rig->conn.requests, 1);

    again(rig);
    rig_send(rig, "GET /hi HT");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    atomic_store(&rig->server.shared->draining, true);
    rig_send(rig, "TP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_non_null(strstr(rig_receive(rig), "\r\nConnection: close\r\n"));
    assert_true(rig->end);
}

static void drain_shortens_lingering(void **state)
{
    struct rig *rig = *state;
    int64_t deadline;

    rig_send(rig, "BAD\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_non_null(strstr(rig_receive(rig), "HTTP/1.1 400 "));
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    deadline = rig_now() + LINGER_DRAIN_MS;
    assert_int_equal(rig_deadline(rig), deadline);
    clocks_advance(100);
    assert_int_equal(connection_drain(&rig->conn, &rig->io), CONN_PARK);
    assert_int_equal(rig_deadline(rig), deadline); /* and never makes it longer again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(expire_before_a_request),
        PLAIN(who_makes_room),
        PLAIN(an_answer_gives_up_its_place),
        PLAIN(expire_with_answers_on_their_way),
        PLAIN(expire_with_answers_taken_too_slowly),
        PLAIN(expire_within_a_head),
        PLAIN(expire_with_input_that_waits),
        PLAIN(a_late_head_is_refused_when_it_is_read),
        PLAIN(drain_closes_what_is_idle),
        PLAIN(drain_leaves_what_was_used_a_moment_ago),
        PLAIN(drain_is_not_delayed_by_other_timeouts),
        PLAIN(drain_leaves_what_has_begun),
        PLAIN(drain_shortens_lingering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
