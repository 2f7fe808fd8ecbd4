/* SPDX-License-Identifier: MIT
 *
 * strays.h: what a killed worker left open is closed, and nothing else ever is.
 */
#include "tests/unit/models/pool/rig.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sys/syscall.h>

#include "master/strays.h"

/* A parking lot, and what was open when its workers were about to start. */
struct harbour {
    struct rig rig; /* first */
    struct strays strays;
    int early; /* a file that was open then */
};

static int begin(void **state)
{
    static struct harbour harbour;

    rig_init(&harbour.rig);
    *state = &harbour;
    harbour.early = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(harbour.early >= 0);
    strays_init(&harbour.strays);
    return 0;
}

/* A worker is killed in the middle of opening something. */
static void kill_opening(struct harbour *h)
{
    io_opening(&h->rig.workers[3].pool_io.io);
    rig_kill(&h->rig, 3);
}

static int end(void **state)
{
    struct harbour *h = *state;

    strays_term(&h->strays);
    close(h->early);
    rig_term(&h->rig);
    return 0;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static bool owned(const void *arg, int fd)
{
    return pool_owns(((const struct rig *)arg)->pool, fd);
}

static void look(struct harbour *h)
{
    strays_close(&h->strays, h->rig.server.shared, owned, &h->rig);
}

static void a_stray_is_closed_after_a_death(void **state)
{
    struct harbour *h = *state;
    int stray = dup(STDIN_FILENO), second = dup(STDIN_FILENO);

    assert_true(stray >= 0 && second >= 0);
    kill_opening(h);
    look(h);
    assert_false(is_open(stray));
    assert_false(is_open(second));
}

static void without_a_death_nothing_is_closed(void **state)
{
    struct harbour *h = *state;
    int stray = dup(STDIN_FILENO);

    look(h);
    assert_true(is_open(stray));
    kill_opening(h);
    look(h);
    assert_false(is_open(stray));
    stray = dup(STDIN_FILENO); /* one death, one look */
    look(h);
    assert_true(is_open(stray));
    close(stray);
}

/* What it opens it records: nobody looks. */
static void a_worker_that_opened_nothing_leaves_nothing(void **state)
{
    struct harbour *h = *state;
    int unannounced = dup(STDIN_FILENO);

    rig_kill(&h->rig, 3);
    look(h);
    assert_true(is_open(unannounced));
    close(unannounced);
}

/* A number is not exempt for what it was of: the master closes files of its own too. */
static void a_number_known_from_the_start_may_become_a_strays(void **state)
{
    struct harbour *h = *state;
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(dup2(client, h->early), h->early);
    close(client);
    strays_init(&h->strays); /* as a reload does: nothing new is learnt */
    kill_opening(h);
    look(h);
    assert_false(is_open(h->early));
}

static void what_was_open_from_the_start_stays(void **state)
{
    struct harbour *h = *state;

    kill_opening(h);
    look(h);
    assert_true(is_open(STDIN_FILENO));
    assert_true(is_open(STDERR_FILENO));
    assert_true(is_open(h->early));
    assert_true(is_open(h->rig.server.listen_fd));
    assert_true(is_open(h->rig.pool->lot->epoll_fd));
    assert_true(is_open(h->rig.stop_fd));
}

static void what_has_an_owner_stays(void **state)
{
    struct harbour *h = *state;
    int held = dup(STDIN_FILENO), client, fd;

    io_opening(&h->rig.workers[0].pool_io.io);
    io_hold(&h->rig.workers[0].pool_io.io, held);
    client = rig_connect(&h->rig);
    pool_take_backlog(h->rig.pool, &h->rig.master_io);
    fd = rig_find(&h->rig, client);
    assert_true(fd >= 0);
    close(client);
    kill_opening(h);
    look(h);
    assert_true(is_open(held));
    assert_true(is_open(fd));
    rig_seize(&h->rig, fd, OWNER_WORKERS); /* nor while it is served */
    kill_opening(h);
    look(h);
    assert_true(is_open(fd));

    io_close(&h->rig.workers[0].pool_io.io, held);
    held = dup(STDIN_FILENO); /* the number again, without an owner */
    kill_opening(h);
    look(h);
    assert_false(is_open(held));
}

/* Between opening and recording a descriptor has no owner, and yet it is no stray. */
static void while_a_worker_opens_something_nothing_is_closed(void **state)
{
    struct harbour *h = *state;
    int stray = dup(STDIN_FILENO), opened;

    io_opening(&h->rig.workers[2].pool_io.io);
    opened = dup(STDIN_FILENO);
    kill_opening(h);
    look(h);
    assert_true(is_open(opened));
    assert_true(is_open(stray));
    io_hold(&h->rig.workers[2].pool_io.io, opened);
    look(h); /* the death is not forgotten */
    assert_true(is_open(opened));
    assert_false(is_open(stray));
}

/* Nor while one is on its way in or out, when libraries open files that nobody records. */
static void while_a_worker_comes_or_goes_nothing_is_closed(void **state)
{
    struct harbour *h = *state;
    int opened;

    shared_toggle_passing(h->rig.workers[2].pool_io.io.stats);
    opened = dup(STDIN_FILENO);
    kill_opening(h);
    look(h);
    assert_true(is_open(opened));
    close(opened);
    shared_toggle_passing(h->rig.workers[2].pool_io.io.stats);
    look(h);
    assert_false(h->rig.server.shared->strays);
}

/* Two calls of a look, replaced so that a living worker can do something just then. */
static struct {
    struct harbour *harbour; /* NULL: nothing happens */
    int fd;                  /* held by worker 0 */
    bool reopened;
} meanwhile;

/* The list has been made: what is on it is closed. */
int closing_directory(DIR *directory) __asm__("closedir");
int closing_directory(DIR *directory)
{
    int (*real)(DIR *) = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");

    if (meanwhile.harbour != NULL)
        io_close(&meanwhile.harbour->rig.workers[0].pool_io.io, meanwhile.fd);
    return real(directory);
}

/* It was seen to have no owner: it is opened anew, and recorded. */
int controlling_file(int fd, int command, ...) __asm__("fcntl");
int controlling_file(int fd, int command, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, command);
    argument = va_arg(arguments, long);
    va_end(arguments);
    if (meanwhile.harbour != NULL && fd == meanwhile.fd && command == F_GETFD) {
        struct rig *rig = &meanwhile.harbour->rig;

        meanwhile.harbour = NULL;
        io_opening(&rig->workers[0].pool_io.io);
        meanwhile.reopened = dup(STDIN_FILENO) == fd;
        io_hold(&rig->workers[0].pool_io.io, fd);
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

/* A number that is closed and taken again during the look was never a stray's. */
static void a_number_that_changes_hands_during_the_look_stays(void **state)
{
    struct harbour *h = *state;
    int held = dup(STDIN_FILENO);

    io_opening(&h->rig.workers[0].pool_io.io);
    io_hold(&h->rig.workers[0].pool_io.io, held);
    kill_opening(h);
    meanwhile.harbour = h;
    meanwhile.fd = held;
    meanwhile.reopened = false;
    look(h);
    meanwhile.harbour = NULL;
    assert_true(meanwhile.reopened);
    assert_true(is_open(held));
    assert_true(h->rig.server.shared->strays); /* it could not be told this time */
    look(h);
    assert_true(is_open(held));
    assert_false(h->rig.server.shared->strays);
}

/* Workers that open, hold and close all the time, and a master that looks all the time. */
struct opener {
    struct rig *rig;
    struct io *io;
    _Atomic bool *stop;
    unsigned rounds, lost;
    pthread_t thread;
};

static void *open_and_close(void *arg)
{
    struct opener *o = arg;

    while (!atomic_load(o->stop)) {
        int fd;

        io_opening(o->io);
        fd = dup(STDIN_FILENO);
        io_hold(o->io, fd);
        if (fd < 0 || fcntl(fd, F_GETFD) < 0)
            o->lost++;
        io_close(o->io, fd);
        o->rounds++;
    }
    return NULL;
}

static void what_living_workers_open_is_never_closed(void **state)
{
    enum { LOOKS = 2000 };
    struct harbour *h = *state;
    struct opener openers[2];
    _Atomic bool stop = false;

    for (unsigned i = 0; i < 2; i++) {
        openers[i] = (struct opener){&h->rig, &h->rig.workers[i].pool_io.io, &stop, 0, 0, 0};
        assert_int_equal(pthread_create(&openers[i].thread, NULL, open_and_close, &openers[i]), 0);
    }
    for (int i = 0; i < LOOKS; i++) {
        kill_opening(h);
        look(h);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(openers[i].thread, NULL), 0);
        assert_int_equal(openers[i].lost, 0);
        assert_true(openers[i].rounds > 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_stray_is_closed_after_a_death),
        TEST(without_a_death_nothing_is_closed),
        TEST(a_worker_that_opened_nothing_leaves_nothing),
        TEST(a_number_known_from_the_start_may_become_a_strays),
        TEST(what_was_open_from_the_start_stays),
        TEST(what_has_an_owner_stays),
        TEST(while_a_worker_opens_something_nothing_is_closed),
        TEST(while_a_worker_comes_or_goes_nothing_is_closed),
        TEST(a_number_that_changes_hands_during_the_look_stays),
        TEST(what_living_workers_open_is_never_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
