/* SPDX-License-Identifier: MIT
 *
 * ahead.h: what is read ahead comes out as it went in, and no more memory is
 * taken for it than the server as a whole allows.
 */
#include "rig.h"

#include "http/ahead.h"

static int begin(void **state)
{
    static struct rig rig;

    rig_init(&rig, SOCK_STREAM);
    *state = &rig;
    return 0;
}

static int end(void **state)
{
    rig_term(*state);
    return 0;
}

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 7 + i / 253);
}

/* What has gone in and come out so far, in bytes. */
struct stretch {
    size_t in, out;
};

static void put(struct rig *rig, struct ahead *ahead, struct stretch *s, size_t count)
{
    char bytes[20000] = {0};

    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)pattern(s->in + i);
    rig_send_bytes(rig, bytes, count);
    while (count > 0) {
        ssize_t got = ahead_fill(ahead, &rig->io, rig->conn.fd, count);

        assert_true(got > 0 && (size_t)got <= count);
        count -= (size_t)got;
        s->in += (size_t)got;
    }
}

static void take(struct rig *rig, struct ahead *ahead, struct stretch *s, size_t count)
{
    char bytes[20000];
    size_t got = ahead_take(ahead, &rig->io, bytes, count);

    assert_int_equal(got, count < s->in - s->out ? count : s->in - s->out);
    for (size_t i = 0; i < got; i++)
        if ((unsigned char)bytes[i] != pattern(s->out + i))
            fail_msg("byte %zu", s->out + i);
    s->out += got;
}

static int64_t held(const struct rig *rig)
{
    int64_t total = atomic_load(&rig->server.shared->read_ahead);

    assert_int_equal(total, stats_get(&rig->stats->read_ahead));
    return total;
}

/* More goes in than comes out, and then all of it: the buffer is filled, moved and grown. */
static void bytes_come_out_as_they_went_in(void **state)
{
    struct rig *rig = *state;
    struct ahead ahead = {0};
    struct stretch s = {0};

    for (int i = 0; i < 60; i++) {
        put(rig, &ahead, &s, 9000 + (size_t)i);
        take(rig, &ahead, &s, 6001);
        assert_int_equal(held(rig), ahead.size);
    }
    while (s.out < s.in)
        take(rig, &ahead, &s, 20000);
    assert_int_equal(held(rig), 0);
    assert_null(ahead.data);
    assert_int_equal(stats_get(&rig->stats->bytes_in), s.in);
    put(rig, &ahead, &s, 100); /* and it can be used again */
    take(rig, &ahead, &s, 200);
    assert_int_equal(held(rig), 0);
}

/* What comes out makes room: a steady flow needs no more than one step. */
static void a_steady_flow_does_not_grow(void **state)
{
    struct rig *rig = *state;
    struct ahead ahead = {0};
    struct stretch s = {0};

    put(rig, &ahead, &s, 20000);
    for (int i = 0; i < 50; i++) {
        put(rig, &ahead, &s, 10000);
        take(rig, &ahead, &s, 10000);
    }
    assert_int_equal(ahead.size, AHEAD_STEP);
    ahead_term(&ahead, &rig->io);
    assert_int_equal(held(rig), 0);
}

static void no_more_than_the_limit_is_read(void **state)
{
    struct rig *rig = *state;
    struct ahead ahead = {0};
    char bytes[10];

    rig_send(rig, "0123456789");
    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 4), 4);
    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 1), 1);
    assert_int_equal(ahead_take(&ahead, &rig->io, bytes, sizeof bytes), 5);
    assert_memory_equal(bytes, "01234", 5);
    assert_int_equal(recv(rig->conn.fd, bytes, sizeof bytes, 0), 5);
    assert_memory_equal(bytes, "56789", 5);
}

static void nothing_there_and_the_end(void **state)
{
    struct rig *rig = *state;
    struct ahead ahead = {0};

    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 100), -EAGAIN);
    assert_return_code(shutdown(rig->client, SHUT_WR), errno);
    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 100), 0);
    ahead_term(&ahead, &rig->io);
    assert_int_equal(held(rig), 0);
    ahead_term(&ahead, &rig->io); /* of nothing, it does nothing */
    assert_int_equal(held(rig), 0);
}

/* When others hold all that the server allows, the client is left to wait. */
static void the_total_is_bounded(void **state)
{
    struct rig *rig = *state;
    struct ahead ahead = {0};
    struct stretch s = {0};
    int64_t others = AHEAD_TOTAL - AHEAD_STEP;

    atomic_store(&rig->server.shared->read_ahead, others);
    for (int i = 0; i < AHEAD_STEP / 16384; i++)
        put(rig, &ahead, &s, 16384); /* the last step that is allowed, to its end */
    rig_send(rig, "x");
    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 1), -ENOBUFS);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), AHEAD_TOTAL);
    assert_int_equal(stats_get(&rig->stats->read_ahead), AHEAD_STEP);
    take(rig, &ahead, &s, 1); /* a byte taken is room for a byte */
    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 1), 1);
    ahead_term(&ahead, &rig->io);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), others);

    atomic_store(&rig->server.shared->read_ahead, others + 1);
    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 1), -ENOBUFS);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), others + 1);
}

/* What is left of that is taken too, where it is less than twice what there is; and no more than
 * the body needs. */
static void all_that_is_left_is_used(void **state)
{
    enum { PIECE = 16384 };
    struct rig *rig = *state;
    struct ahead ahead = {0};
    struct stretch s = {0};
    int64_t others = AHEAD_TOTAL - 11 * AHEAD_STEP;

    atomic_store(&rig->server.shared->read_ahead, others);
    for (int i = 0; i < 11 * AHEAD_STEP / PIECE; i++)
        put(rig, &ahead, &s, PIECE);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), AHEAD_TOTAL);
    rig_send(rig, "x");
    assert_int_equal(ahead_fill(&ahead, &rig->io, rig->conn.fd, 1), -ENOBUFS);
    while (s.out < s.in)
        take(rig, &ahead, &s, PIECE);
    assert_int_equal(atomic_load(&rig->server.shared->read_ahead), others);
}

static void no_more_is_taken_than_the_body_needs(void **state)
{
    enum { PIECE = 16384, WHOLE = 9 * AHEAD_STEP };
    struct rig *rig = *state;
    struct ahead ahead = {0};
    char bytes[PIECE] = {0};
    ssize_t count;

    for (size_t left = WHOLE; left > 0; left -= (size_t)count) {
        rig_send_bytes(rig, bytes, sizeof bytes);
        count = ahead_fill(&ahead, &rig->io, rig->conn.fd, left);
        assert_int_equal(count, PIECE);
    }
    assert_int_equal(held(rig), WHOLE);
    ahead_term(&ahead, &rig->io);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_come_out_as_they_went_in),
        TEST(a_steady_flow_does_not_grow),
        TEST(no_more_than_the_limit_is_read),
        TEST(nothing_there_and_the_end),
        TEST(the_total_is_bounded),
        TEST(all_that_is_left_is_used),
        TEST(no_more_is_taken_than_the_body_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
