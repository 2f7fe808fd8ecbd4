/* SPDX-License-Identifier: MIT
 *
 * stream.h: how long a client is waited for, either way, and reading ahead for one
 * that sends all before it reads.
 */
#include "routes.h"

/* --- a client that does not read ---------------------------------------------- */

/* The client takes nothing until the wait ends. */
static int stuck(struct rig *rig, int events)
{
    assert_true(events & IO_WRITE);
    clocks_advance(rig->wait_deadline_ms - rig_now());
    return -ETIMEDOUT;
}

static void make_send_buffer_small(struct rig *rig)
{
    int small = 1;

    assert_return_code(setsockopt(rig->conn.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small),
                       errno);
}

static void send_many_requests(struct rig *rig)
{
    char requests[500 * sizeof GET_HI];
    size_t length = 0;

    for (int i = 0; i < 500; i++)
        length += (size_t)sprintf(requests + length, "%s", GET_HI);
    rig_send_bytes(rig, requests, length);
}

/* A client that pipelines and does not read: the server waits for it, then gives up. */
static void back_pressure(void **state)
{
    struct rig *rig = *state;
    int64_t began = rig_now();

    make_send_buffer_small(rig);
    rig->on_wait = stuck;
    send_many_requests(rig);
    assert_int_equal(rig_serve(rig), CONN_PARK); /* for what it may still take */
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig_now() - began, RIG_WRITE_MS);
    assert_true(stats_get(&rig->stats->requests) < 500);
    assert_int_equal(stats_get(&rig->stats->bytes_out), rig_receive_once(rig));
}

/* --- a client that reads steadily though room is not reported ------------------ */

/* Reads a piece a second. Room is reported when it has read all: Linux reports none before a good
 * part of the buffer is free. */
static int sips(struct rig *rig, int events)
{
    const int *until_empty = rig->script;
    size_t head = strlen(HEAD_OF("100000"));
    char bytes[1000];

    assert_true(events & IO_WRITE);
    clocks_advance(1000);
    if (rig->waits == 1)
        assert_int_equal(recv(rig->client, bytes, head, MSG_DONTWAIT), head);
    assert_int_equal(recv(rig->client, bytes, sizeof bytes, MSG_DONTWAIT), sizeof bytes);
    return recv(rig->client, bytes, 1, MSG_DONTWAIT | MSG_PEEK) > 0 ? *until_empty : IO_WRITE;
}

static void serve_to_sips(struct rig *rig, int until_empty)
{
    int64_t began = rig_now();

    make_send_buffer_small(rig);
    rig->config.write_timeout_ms = 1500;
    rig->script = &until_empty;
    rig->on_wait = sips;
    rig_send(rig, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_IDLE);
    assert_in_range(rig_now() - began, 80 * 1000, 100 * 1000);
    assert_int_equal(stats_get(&rig->stats->responses[2]), 1);
}

static void a_steady_reader_is_served_whatever_room_is_reported(void **state)
{
    serve_to_sips(*state, -ETIMEDOUT);
}

/* Who was to make way for others, and has gone on reading since it was last looked at, is judged
 * again by that. */
static void a_steady_reader_does_not_make_way(void **state)
{
    serve_to_sips(*state, -EBUSY);
}

static int makes_way(struct rig *rig, int events)
{
    (void)rig;
    assert_true(events & IO_WRITE);
    return -EBUSY;
}

static void who_reads_nothing_makes_way(void **state)
{
    struct rig *rig = *state;

    make_send_buffer_small(rig);
    rig->on_wait = makes_way;
    send_many_requests(rig);
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig->conn.phase, CONN_LINGER);
    assert_int_equal(rig->waits, 1);
}

/* --- how long a client is waited for -------------------------------------------- */

/* A client that sends a little each time it is waited for, after a while. */
struct drip {
    int64_t after_ms;
    size_t bytes;
    int64_t waited_ms; /* in all */
};

static int drips(struct rig *rig, int events)
{
    struct drip *drip = rig->script;
    int64_t allowed = rig->wait_deadline_ms - rig_now();
    char bytes[20000];

    rig_receive(rig);
    assert_int_equal(events, IO_READ);
    assert_true(allowed > 0 && allowed <= RIG_BODY_MS);
    if (drip->after_ms >= allowed) {
        clocks_advance(allowed);
        drip->waited_ms += allowed;
        return -ETIMEDOUT;
    }
    clocks_advance(drip->after_ms);
    drip->waited_ms += drip->after_ms;
    memset(bytes, 'd', sizeof bytes);
    rig_send_bytes(rig, bytes, drip->bytes);
    return IO_READ;
}

static void a_slow_body_is_ended_by_the_rate(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 1000, .bytes = 100};

    rig->script = &drip;
    rig->on_wait = drips;
    rig_send(rig, POST("/echo", "100000"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    /* Five seconds of grace, and what the bytes sent meanwhile pay for at 500 a second. */
    assert_in_range(drip.waited_ms, 5000, 5000 + 2000);
}

static void a_body_at_the_rate_is_served(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 1000, .bytes = 500};

    rig->script = &drip;
    rig->on_wait = drips;
    rig_send(rig, POST("/echo", "50000"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 200 ", 13), 0);
    assert_int_equal(drip.waited_ms, 100000);
}

/* One silence is bounded by the time-out, the first one too: longer than the grace period is no
 * fault, and neither is going on slowly after it. */
static void a_pause_is_no_silence_for_too_long(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 8000, .bytes = 5};

    rig->script = &drip;
    rig->on_wait = drips;
    rig_send(rig, POST("/echo", "5"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 200 ", 13), 0);
    assert_int_equal(drip.waited_ms, 8000);
}

static void silence_is_ended_by_the_body_timeout(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = RIG_BODY_MS, .bytes = 5};

    rig->script = &drip;
    rig->on_wait = drips;
    rig_send(rig, POST("/echo", "5"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    assert_int_equal(drip.waited_ms, RIG_BODY_MS);
}

/* What decides who is given up first: time waited beyond what 32 KB/s take, over the request. */
static int64_t most_spent_ms;

static int notes_spent(struct io *io, int fd, int events, int64_t deadline_ms, int64_t spent_ms)
{
    if (spent_ms > most_spent_ms)
        most_spent_ms = spent_ms;
    assert_int_equal(fd, rig_of(io)->conn.fd);
    rig_of(io)->wait_deadline_ms = deadline_ms;
    return drips(rig_of(io), events);
}

static void a_trickle_adds_up_and_a_good_pace_does_not(void **state)
{
    static const struct {
        struct drip drip;
        int64_t least_ms, most_ms;
    } rows[] = {
        {{.after_ms = 2, .bytes = 2}, 19000, 20000},  /* 1,000 bytes/s: never waited for long */
        {{.after_ms = 100, .bytes = 1600}, 500, 700}, /* half a good pace, for a second or so */
        {{.after_ms = 100, .bytes = 4000}, 0, 0},     /* a good one */
        {{.after_ms = 1, .bytes = 32}, 0, 0},         /* in small pieces */
    };
    struct io_ops ops = rig_ops;

    ops.wait_client = notes_spent;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig *rig = *state;
        struct drip drip = rows[i].drip;

        again(rig);
        most_spent_ms = 0;
        rig->io.ops = &ops;
        rig->script = &drip;
        rig_send(rig, POST("/echo", "20000"));
        assert_int_equal(rig_serve(rig), CONN_PARK);
        assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 200 ", 13), 0);
        assert_in_range(most_spent_ms, rows[i].least_ms, rows[i].most_ms);
    }
}

static int drips_once(struct rig *rig, int events)
{
    struct drip *drip = rig->script;
    int result = drips(rig, events);

    drip->after_ms = INT64_MAX;
    return result;
}

/* Bytes that would be enough for forty seconds do not buy that much silence. */
static void bytes_buy_no_silence(void **state)
{
    struct rig *rig = *state;
    struct drip drip = {.after_ms = 1000, .bytes = 20000};

    rig->config.body_timeout_ms = 3000;
    rig->script = &drip;
    rig->on_wait = drips_once;
    rig_send(rig, POST("/echo", "30000"));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(strncmp(rig_receive(rig), "HTTP/1.1 408 ", 13), 0);
    assert_int_equal(drip.waited_ms, 1000 + 3000);
}

/* --- sending all before reading any --------------------------------------------- */

enum { WHOLE = 150000 };

/* The client sends what is left of its body and reads only then. */
static int reads_last(struct rig *rig, int events)
{
    struct pieces *p = rig->script;

    if ((events & IO_READ) && send_piece(rig))
        return IO_READ;
    assert_true(p->sent == p->length);
    assert_true(events & IO_WRITE);
    rig_receive(rig);
    return IO_WRITE;
}

/* The same at its own pace, which takes longer than it may be silent. */
static int reads_last_and_sends_slowly(struct rig *rig, int events)
{
    clocks_advance(2000);
    return reads_last(rig, events);
}

/* The client sends two pieces for each time that it reads. */
static int reads_now_and_then(struct rig *rig, int events)
{
    if (rig->waits % 3 != 0 && (events & IO_READ) && send_piece(rig))
        return IO_READ;
    if (!(events & IO_WRITE)) /* all has been answered that was sent */
        return send_piece(rig) ? IO_READ : -ETIMEDOUT;
    rig_receive(rig);
    return IO_WRITE;
}

/* Sends a large body as wait does, then a request, and checks all that comes back. Without reading
 * ahead a handler that answers meanwhile and the client would wait for each other for ever. */
static void check_through(struct rig *rig, rig_wait *wait)
{
    static const char head[] =
        "POST /through HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n";
    static char text[WHOLE + sizeof GET_HI];
    static struct pieces p;
    size_t length = 0;
    const char *at;

    make_send_buffer_small(rig);
    for (size_t i = 0; i < WHOLE; i++)
        text[i] = (char)('a' + (i / 7) % 26);
    memcpy(text + WHOLE, GET_HI, strlen(GET_HI));
    p = (struct pieces){.text = text, .length = WHOLE + strlen(GET_HI), .piece = 20000};
    rig->script = &p;
    rig->on_wait = wait;
    rig_send(rig, head);
    assert_true(send_piece(rig));
    assert_int_equal(rig_serve(rig), CONN_PARK);
    while (send_piece(rig))
        assert_int_equal(rig_serve(rig), CONN_PARK);
    assert_int_equal(rig_serve(rig), CONN_PARK); /* readable still, if the request was left */
    rig_receive(rig);
    assert_int_equal(rig->conn.requests, 2);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), 0);
    assert_int_equal(stats_get(&rig->stats->read_ahead), 0);
    assert_int_equal(stats_get(&rig->stats->bytes_in), strlen(head) + p.length);

    at = strstr(rig->received, "\r\n\r\n") + 4;
    while (*at != '0') { /* chunk by chunk against what was sent */
        char *end;
        unsigned long chunk = strtoul(at, &end, 16);

        assert_memory_equal(end, "\r\n", 2);
        assert_true(chunk > 0 && length + chunk <= WHOLE);
        assert_memory_equal(end + 2, text + length, chunk);
        assert_memory_equal(end + 2 + chunk, "\r\n", 2);
        length += chunk;
        at = end + 4 + chunk;
    }
    assert_int_equal(length, WHOLE);
    assert_string_equal(at, "0\r\n\r\n" HI);
}

static void a_client_that_sends_all_before_it_reads(void **state)
{
    check_through(*state, reads_last);
}

/* It is judged by what it sends, as it takes none of the answer yet. */
static void a_slow_client_that_sends_all_before_it_reads(void **state)
{
    struct rig *rig = *state;
    int64_t began = rig_now();

    rig->config.write_timeout_ms = 3000;
    check_through(rig, reads_last_and_sends_slowly);
    assert_true(rig_now() - began > 10000);
}

static void a_client_that_reads_less_than_it_sends(void **state)
{
    check_through(*state, reads_now_and_then);
}

/* Memory taken for reading ahead is given back when the connection breaks. */
static int reads_ahead_then_breaks(struct rig *rig, int events)
{
    if ((events & IO_READ) && send_piece(rig))
        return IO_READ;
    assert_true(atomic_load(&rig->server.shared->read_ahead) > 0);
    return -ETIMEDOUT;
}

static void a_broken_connection_gives_its_memory_back(void **state)
{
    static char text[WHOLE];
    struct rig *rig = *state;
    struct pieces p = {.text = text, .length = WHOLE, .piece = 20000};

    make_send_buffer_small(rig);
    memset(text, 'x', sizeof text);
    rig->script = &p;
    rig->on_wait = reads_ahead_then_breaks;
    rig_send(rig, POST("/through", "150000"));
    assert_true(send_piece(rig));
    (void)rig_serve(rig);
    assert_true(rig->waits > 1);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), 0);
    assert_int_equal(stats_get(&rig->stats->read_ahead), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(back_pressure),
        PLAIN(a_slow_body_is_ended_by_the_rate),
        PLAIN(a_body_at_the_rate_is_served),
        PLAIN(a_trickle_adds_up_and_a_good_pace_does_not),
        PLAIN(a_steady_reader_is_served_whatever_room_is_reported),
        PLAIN(a_steady_reader_does_not_make_way),
        PLAIN(who_reads_nothing_makes_way),
        PLAIN(a_pause_is_no_silence_for_too_long),
        PLAIN(silence_is_ended_by_the_body_timeout),
        PLAIN(bytes_buy_no_silence),
        PLAIN(a_client_that_sends_all_before_it_reads),
        PLAIN(a_slow_client_that_sends_all_before_it_reads),
        PLAIN(a_client_that_reads_less_than_it_sends),
        PLAIN(a_broken_connection_gives_its_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
