/* SPDX-License-Identifier: MIT
 *
 * The routes that are workloads: fixed answers (hello.c, json.c), computing (cpu.c), waiting
 * (sleep.c, mix.c, fanout.c), blocking (block.c); what they answer, how they wait, and how a wait
 * ends that is cancelled.
 */
#include "serving.h"

static void test_fixed(void **state)
{
    struct fake fake;

    (void)state;
    get(&fake, "/hello");
    assert_text(&fake, 200, "Hello, World!");
    assert_string_equal(fake.type, "text/plain");
    fake_term(&fake);

    get(&fake, "/json");
    assert_text(&fake, 200, "{\"message\":\"Hello, World!\"}");
    assert_string_equal(fake.type, "application/json");
    fake_term(&fake);
}

/* The definition of a round, spelt out once more. */
static uint64_t reference_rounds(uint64_t state, unsigned rounds)
{
    for (unsigned i = 0; i < rounds * 720; i++) {
        state ^= state >> 29;
        state *= UINT64_C(0x9e3779b97f4a7c15);
    }
    return state;
}

static void test_cpu(void **state)
{
    struct fake fake;
    char expected[32];

    (void)state;
    get(&fake, "/cpu?n=250");
    snprintf(expected, sizeof expected, "%016llx\n",
             (unsigned long long)reference_rounds(CPU_SEED, 250));
    assert_text(&fake, 200, expected);
    assert_int_equal(fake.checkpoints, 2);
    assert_int_equal(cpu_burn(&fake.io, CPU_SEED, 0), CPU_SEED);
    assert_int_equal(cpu_burn(&fake.io, cpu_burn(&fake.io, CPU_SEED, 3), 4),
                     cpu_burn(&fake.io, CPU_SEED, 7));
    fake_term(&fake);

    get(&fake, "/cpu"); /* n=1000 */
    assert_int_equal(fake.checkpoints, 10);
    fake_term(&fake);
}

static void test_waits(void **state)
{
    struct fake fake;
    char expected[64];

    (void)state;
    get(&fake, "/sleep?ms=1234");
    assert_text(&fake, 200, "slept 1234\n");
    assert_int_equal(fake.slept_ms, 1234);
    fake_term(&fake);

    get(&fake, "/sleep");
    assert_text(&fake, 200, "slept 20\n");
    fake_term(&fake);

    get(&fake, "/block?ms=0");
    assert_text(&fake, 200, "blocked 0\n");
    assert_int_equal(fake.sleeps + fake.offloads, 0);
    fake_term(&fake);

    get(&fake, "/block?ms=0&offload=1");
    assert_text(&fake, 200, "blocked 0\n");
    assert_int_equal(fake.offloads, 1);
    fake_term(&fake);

    get(&fake, "/mix?rounds=4&wait=7&cpu=2");
    snprintf(expected, sizeof expected, "mixed 4 rounds of 2 + 7 ms: %016llx\n",
             (unsigned long long)reference_rounds(CPU_SEED, 8));
    assert_text(&fake, 200, expected);
    assert_int_equal(fake.sleeps, 4);
    assert_int_equal(fake.slept_ms, 28);
    fake_term(&fake);

    get(&fake, "/fanout?n=1000&ms=3");
    assert_text(&fake, 200, "1000 waits of 3 ms: in no time\n");
    assert_int_equal(fake.gathered, 1000);
    assert_int_equal(fake.slept_ms, 3000);
    fake_term(&fake);
}

/* The one wait that is real: never shorter than asked for. */
static void test_block_blocks(void **state)
{
    struct fake fake;
    int64_t before_ns = io_now_ns();

    (void)state;
    get(&fake, "/block?ms=30");
    assert_true(io_now_ns() - before_ns >= INT64_C(30000000));
    fake_term(&fake);
}

/* A wait that is cancelled ends the request with that error and without an answer. */
static void test_cancelled(void **state)
{
    static const char *const targets[] = {"/sleep?ms=5", "/mix?rounds=3", "/fanout?n=3"};

    (void)state;
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct fake fake;
        fake_init(&fake, HTTP_METHOD_GET, "GET", targets[i], 1);
        fake.fail_sleep = i == 0 ? 1 : 2;
        assert_int_equal(serve(&fake), -ECANCELED);
        assert_int_equal(fake.status, 0);
        fake_term(&fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),     cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_waits),     cmocka_unit_test(test_block_blocks),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests_name("handler/workloads", tests, NULL, NULL);
}
