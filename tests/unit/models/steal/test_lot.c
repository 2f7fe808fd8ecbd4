/* SPDX-License-Identifier: MIT
 *
 * models/steal/lot.c: who gets a connection, what is told of it to whom, and how it moves.
 */
#include "rig.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include "tests/unit/aborts.h"

#define FIRST  (&rig.thieves[0])
#define SECOND (&rig.thieves[1])

static bool full;         /* no descriptor is let into an epoll set */
static unsigned controls; /* calls of epoll_ctl() */

/* In place of the C library's. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    controls++;
    if (full && operation == EPOLL_CTL_ADD) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, set, operation, fd, event);
}

/* The one entry that t finds in home's set. */
static uint32_t fetch_one(struct thief *t, const struct thief *home)
{
    uint32_t entry = 0, another = 0;

    steal_fetch(t, home, READY_MOST);
    assert_true(ready_take(&t->ready, &entry));
    assert_false(ready_take(&t->ready, &another));
    return entry;
}

static bool finds_nothing(struct thief *t, const struct thief *home)
{
    steal_fetch(t, home, READY_MOST);
    return ready_is_empty(&t->ready);
}

static void one_that_is_readable_is_for_one(void **state)
{
    struct steal_conn *r = rig_asking(FIRST);
    uint32_t entry = fetch_one(FIRST, FIRST);

    (void)state;
    assert_int_equal(entry, r->c.conn.fd);
    assert_ptr_equal(steal_claim(&rig.team, entry), r);
    assert_null(steal_claim(&rig.team, entry));
}

static void input_is_told_once(void **state)
{
    struct steal_conn *r = rig_asking(FIRST);

    (void)state;
    assert_ptr_equal(steal_claim(&rig.team, fetch_one(FIRST, FIRST)), r);
    controls = 0;
    steal_put_back(&FIRST->loop, &r->c, CONN_PARK);
    assert_int_equal(controls, 0); /* parking where it was costs nothing */
    assert_true(finds_nothing(FIRST, FIRST));
    assert_int_equal(write(rig.clients[0], "x", 1), 1);
    assert_int_equal(fetch_one(FIRST, FIRST), r->c.conn.fd);
}

/* Whoever serves it may not have seen it. */
static void what_comes_while_it_is_served_is_told_after(void **state)
{
    struct steal_conn *r = rig_asking(FIRST);

    (void)state;
    assert_ptr_equal(steal_claim(&rig.team, fetch_one(FIRST, FIRST)), r);
    assert_int_equal(write(rig.clients[0], "x", 1), 1);
    assert_null(steal_claim(&rig.team, fetch_one(FIRST, FIRST)));
    steal_put_back(&FIRST->loop, &r->c, CONN_PARK);
    assert_ptr_equal(steal_claim(&rig.team, fetch_one(FIRST, FIRST)), r);
}

static void the_end_behind_input_is_told_after(void **state)
{
    int client;
    struct steal_conn *r = rig_open(FIRST, &client);
    char byte[2];

    (void)state;
    steal_park_new(&rig.team, r);
    assert_int_equal(write(client, "x", 1), 1);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    assert_ptr_equal(steal_claim(&rig.team, fetch_one(FIRST, FIRST)), r);
    assert_int_equal(recv(r->c.conn.fd, byte, 2, 0), 1); /* short: it reads no further */
    steal_put_back(&FIRST->loop, &r->c, CONN_PARK);
    assert_ptr_equal(steal_claim(&rig.team, fetch_one(FIRST, FIRST)), r);
    assert_int_equal(recv(r->c.conn.fd, byte, 2, 0), 0);
}

/* One that is only drained is not read to its end at once. */
static void what_lingers_is_told_as_long_as_there_is_input(void **state)
{
    struct steal_conn *r = rig_asking(FIRST);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(steal_claim(&rig.team, fetch_one(FIRST, FIRST)), r);
        r->c.conn.phase = CONN_LINGER;
        steal_put_back(&FIRST->loop, &r->c, CONN_PARK);
    }
}

static void one_that_is_stolen_stays_with_the_thief(void **state)
{
    struct steal_conn *r = rig_asking(FIRST);

    (void)state;
    assert_ptr_equal(steal_claim(&rig.team, fetch_one(SECOND, FIRST)), r);
    controls = 0;
    steal_put_back(&SECOND->loop, &r->c, CONN_PARK);
    assert_int_equal(controls, 2); /* what a steal costs: out of one set, into another */
    assert_ptr_equal(r->home, SECOND);
    assert_int_equal(fetch_one(SECOND, SECOND), r->c.conn.fd); /* nobody has read it yet */
    assert_true(finds_nothing(FIRST, FIRST));
}

static void one_that_was_closed_is_nobodys(void **state)
{
    struct steal_conn *r = rig_asking(FIRST);
    uint32_t entry = fetch_one(FIRST, FIRST);
    int fd = r->c.conn.fd;

    (void)state;
    assert_ptr_equal(steal_claim(&rig.team, entry), r);
    assert_aborts("is new, but its record is in state 2",
                  (void)steal_open_conn(&rig.team, FIRST, fd, &(struct in6_addr){0}));
    steal_put_back(&SECOND->loop, &r->c, CONN_CLOSE);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(atomic_load(&rig.server.shared->open_connections), 0);
    assert_null(steal_claim(&rig.team, entry));
}

static void a_newcomer_goes_where_there_are_few(void **state)
{
    struct steal_conn *r[20];
    int client;

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        r[i] = rig_open(FIRST, &client);
    assert_ptr_equal(steal_choose_home(&rig.team, FIRST), SECOND);
    assert_ptr_equal(steal_choose_home(&rig.team, SECOND), SECOND);
    atomic_store(&SECOND->behind, BEHIND_BUSY);
    assert_ptr_equal(steal_choose_home(&rig.team, FIRST), FIRST);
    atomic_store(&SECOND->behind, BEHIND_NOT);
    for (unsigned i = 0; i < 9; i++)
        steal_put_back(&SECOND->loop, &r[i]->c, CONN_PARK); /* as one that was stolen */
    assert_ptr_equal(steal_choose_home(&rig.team, FIRST), FIRST);
    assert_ptr_equal(steal_choose_home(&rig.team, NULL), SECOND);
    steal_put_back(&FIRST->loop, &r[0]->c, CONN_CLOSE);
    assert_ptr_equal(steal_choose_home(&rig.team, FIRST), SECOND);
}

static void what_has_expired_is_ended_by_the_sweep(void **state)
{
    int client;
    struct steal_conn *r = rig_open(FIRST, &client);

    (void)state;
    atomic_store(&r->c.conn.deadline_ms, io_now_ms());
    steal_sweep(&rig.team);
    assert_true(r->c.open); /* it is being served */
    atomic_store(&r->c.conn.deadline_ms, io_now_ms() + 1);
    steal_park_new(&rig.team, r);
    steal_sweep(&rig.team);
    assert_true(r->c.open);
    clocks_advance(1);
    steal_sweep(&rig.team);
    assert_false(r->c.open);
}

static void what_has_come_before_the_sweep_is_served(void **state)
{
    struct steal_conn *r = rig_asking(FIRST);

    (void)state;
    atomic_store(&r->c.conn.deadline_ms, io_now_ms());
    steal_sweep(&rig.team);
    assert_true(r->c.open);
    assert_ptr_equal(steal_claim(&rig.team, fetch_one(FIRST, FIRST)), r);
}

static void while_draining_what_is_idle_is_closed(void **state)
{
    int client;
    struct steal_conn *r = rig_open(FIRST, &client);

    (void)state;
    steal_park_new(&rig.team, r);
    clocks_advance(1000); /* it has not connected just now */
    steal_sweep(&rig.team);
    assert_true(r->c.open);
    atomic_store(&rig.team.draining, true);
    steal_sweep(&rig.team);
    assert_false(r->c.open);
}

static void what_cannot_be_watched_is_served(void **state)
{
    int client;
    struct steal_conn *r = rig_open(FIRST, &client);

    (void)state;
    full = true;
    steal_park_new(&rig.team, r);
    full = false;
    steal_serve_unheard(SECOND);
    assert_int_equal(rig_served(SECOND), 1);
    r->c.queued = false;
    steal_put_back(&SECOND->loop, &r->c, CONN_PARK); /* now there is room */
    rig.thieves[1].loop.queue = NULL;
    steal_serve_unheard(SECOND);
    assert_int_equal(rig_served(SECOND), 0);
    assert_int_equal(write(client, "x", 1), 1);
    assert_int_equal(fetch_one(SECOND, SECOND), r->c.conn.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(one_that_is_readable_is_for_one),
        RIG_TEST(input_is_told_once),
        RIG_TEST(what_comes_while_it_is_served_is_told_after),
        RIG_TEST(the_end_behind_input_is_told_after),
        RIG_TEST(what_lingers_is_told_as_long_as_there_is_input),
        RIG_TEST(one_that_is_stolen_stays_with_the_thief),
        RIG_TEST(one_that_was_closed_is_nobodys),
        RIG_TEST(a_newcomer_goes_where_there_are_few),
        RIG_TEST(what_has_expired_is_ended_by_the_sweep),
        RIG_TEST(what_has_come_before_the_sweep_is_served),
        RIG_TEST(while_draining_what_is_idle_is_closed),
        RIG_TEST(what_cannot_be_watched_is_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
