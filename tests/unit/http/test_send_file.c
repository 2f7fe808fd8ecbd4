/* SPDX-License-Identifier: MIT
 *
 * stream_send_file(): in few calls, with others' turn before each that moves much; and what a file
 * system, or a sandbox, does that has no sendfile().
 */
#include "rig.h"

#include "http/stream.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

enum { MEGABYTE = 1024 * 1024 };

/* The kernel's sendfile(), in the hands of the test. */
static struct {
    unsigned calls;
    unsigned good; /* calls before it fails */
    int error;     /* as errno; 0: it never fails */
    bool swallows; /* takes all, and sends nothing */
} sending;

static unsigned pauses;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved */
ssize_t sendfile(int out, int in, off_t *at, size_t count)
{
    if (sending.calls++ >= sending.good && sending.error != 0) {
        errno = sending.error;
        return -1;
    }
    if (sending.swallows) {
        *at += (off_t)count;
        return (ssize_t)count;
    }
    return syscall(SYS_sendfile, out, in, at, count < 5000 ? count : 5000);
}

static void count_pause(struct io *io)
{
    (void)io;
    pauses++;
}

static struct io_ops ops;

static int begin(void **state)
{
    static struct rig rig;

    rig_init(&rig, SOCK_STREAM);
    ops = rig_ops;
    ops.pause = count_pause;
    rig.io.ops = &ops;
    memset(&sending, 0, sizeof sending);
    pauses = 0;
    *state = &rig;
    return 0;
}

static int end(void **state)
{
    rig_term(*state);
    return 0;
}

static char pattern(size_t i)
{
    return (char)(i * 7 + i / 253);
}

static int make_file(size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    char *bytes = malloc(size);

    if (fd < 0 || bytes == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(i);
    assert_int_equal(write(fd, bytes, size), size);
    free(bytes);
    return fd;
}

static int reads(struct rig *rig, int events)
{
    assert_int_equal(events, IO_WRITE);
    rig_receive(rig);
    return IO_WRITE;
}

/* Sends length bytes from offset of a file of that size; the client reads. */
static int send_part(struct rig *rig, size_t size, uint64_t offset, uint64_t length)
{
    struct connection_stream s;
    int fd = make_file(size);
    int result;

    rig->on_wait = reads;
    rig_forget(rig);
    stream_open(&s, &rig->conn, &rig->io);
    result = stream_send_file(&s, fd, offset, length);
    stream_close(&s);
    close(fd);
    rig_receive(rig);
    return result;
}

static void check_received(const struct rig *rig, size_t offset, size_t length)
{
    assert_int_equal(rig->received_length, length);
    for (size_t i = 0; i < length; i++)
        if (rig->received[i] != pattern(offset + i))
            fail_msg("byte %zu", i);
}

static void a_megabyte_is_one_call(void **state)
{
    sending.swallows = true;
    assert_int_equal(send_part(*state, 16, 0, MEGABYTE), 0);
    assert_int_equal(sending.calls, 1);
    assert_int_equal(pauses, 1);
    assert_int_equal(send_part(*state, 16, 0, 3 * MEGABYTE), 0);
    assert_int_equal(sending.calls, 1 + 3);
    assert_int_equal(pauses, 1 + 3);
    assert_int_equal(send_part(*state, 16, 0, FAIR_SHARE), 0); /* a share needs no turn */
    assert_int_equal(pauses, 1 + 3);
}

static void where_there_is_no_sendfile(void **state)
{
    static const int errors[] = {EINVAL, ENOSYS, EOPNOTSUPP, EPERM};
    enum { SIZE = 300000, OFFSET = 1000, LENGTH = 280000 };
    struct rig *rig = *state;

    for (size_t i = 0; i < COUNT(errors); i++) {
        sending.error = errors[i];
        sending.calls = 0;
        for (sending.good = 0; sending.good < 3; sending.good++) { /* at once, or after a while */
            assert_int_equal(send_part(rig, SIZE, OFFSET, LENGTH), 0);
            check_received(rig, OFFSET, LENGTH);
            assert_int_equal(sending.calls, sending.good + 1);
            sending.calls = 0;
        }
    }
    assert_true(pauses > 0); /* others have their turn there too */
}

/* The file is shorter than announced, or cannot be read: the client must not be sent other bytes.
 */
static void what_is_missing_is_not_made_up(void **state)
{
    struct rig *rig = *state;

    sending.error = EINVAL;
    assert_int_equal(send_part(rig, 50000, 0, 60000), -EIO);
    check_received(rig, 0, 50000);
    sending.error = 0;
    assert_int_equal(send_part(rig, 50000, 0, 60000), -EIO);
    check_received(rig, 0, 50000);
    sending.error = EIO;
    sending.good = 0;
    assert_int_equal(send_part(rig, 50000, 0, 50000), -EIO);
    check_received(rig, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_megabyte_is_one_call),
        TEST(where_there_is_no_sendfile),
        TEST(what_is_missing_is_not_made_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
