/* SPDX-License-Identifier: MIT
 *
 * GET /stream?chunks=N&ms=M&size=B: a chunked answer made by a generator, one
 * chunk every M ms.
 *
 * What is sent and when it is sent are kept apart: the generator is a plain loop
 * that yields each chunk and knows neither HTTP nor time; the handler pulls,
 * writes and waits. A generator has a stack of its own but needs no loop, so this
 * is the same under every model. When the client goes away in the middle, freeing
 * the generator closes it: its yield fails, and it gives back what it holds.
 */
#include "handler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coro/generator.h"

struct chunk_plan {
    uint64_t count; /* of chunks */
    size_t size;    /* bytes of each */
};

/*
 * Writes chunk number of count into buffer: "chunk 3 of 10 ", then letters, size bytes
 * in all, the last a line feed. A text that does not fit is cut.
 */
static void chunk_write(char *buffer, size_t size, uint64_t number, uint64_t count)
{
    char label[64];
    int length = snprintf(label, sizeof label, "chunk %" PRIu64 " of %" PRIu64 " ", number, count);
    size_t used = (size_t)length < size ? (size_t)length : size;

    memcpy(buffer, label, used);
    for (size_t i = used; i < size; i++)
        buffer[i] = (char)('a' + (i - used) % 26);
    buffer[size - 1] = '\n';
}

/* The generator: yields each chunk's text, which is valid until the next resume. */
static void *generate_chunks(void *arg)
{
    const struct chunk_plan *plan = arg;
    char *buffer = malloc(plan->size);
    int error = 0;

    if (buffer == NULL)
        return coro_raise((struct coro_error){-ENOMEM, "no memory for a chunk"});
    for (uint64_t number = 1; error == 0 && number <= plan->count; number++) {
        chunk_write(buffer, plan->size, number, plan->count);
        error = coro_yield(buffer, NULL);
    }
    free(buffer);
    return error == 0 ? NULL : coro_raise_again();
}

/* Answers with what the generator yields, size bytes each, ms milliseconds apart. */
static int send_chunks(struct http_exchange *x, struct coro_gen *generator, size_t size, int64_t ms)
{
    void *chunk;
    enum coro_status status = coro_send(generator, NULL, &chunk);
    int error;

    if (status == CORO_FAILED)
        return http_error(x, 503, "%s", coro_gen_error(generator).message);
    error = http_begin(x, 200, "text/plain", HTTP_UNKNOWN_LENGTH);
    while (error == 0 && status == CORO_YIELDED) {
        error = http_write(x, chunk, size);
        if (error == 0)
            error = http_flush(x);
        if (error != 0)
            break;
        status = coro_send(generator, NULL, &chunk);
        if (status == CORO_YIELDED)
            error = io_sleep(x->io, ms);
    }
    return error;
}

int handler_stream(struct http_exchange *x)
{
    static const char *const names[] = {"chunks", "ms", "size"};
    uint64_t count, ms, size;
    int error;
    struct chunk_plan plan;
    struct coro_gen *generator;

    if (!http_query_check(x, names, 3, &error) ||
        !http_query_number(x, "chunks", 0, 100000, 10, &count, &error) ||
        !http_query_number(x, "ms", 0, 60000, 100, &ms, &error) ||
        !http_query_number(x, "size", 1, 65536, 64, &size, &error))
        return error;
    if (count * ms > HANDLER_MAX_TOTAL_MS)
        return http_error(x, 400, "chunks times ms: expected at most %d", HANDLER_MAX_TOTAL_MS);

    plan = (struct chunk_plan){.count = count, .size = size};
    if (x->request->method == HTTP_METHOD_HEAD)
        plan.count = 0; /* nobody would see the chunks */
    generator = coro_gen_new(NULL, generate_chunks, &plan, "stream");
    if (generator == NULL)
        return http_error(x, 503, "no memory for a generator");
    error = send_chunks(x, generator, size, (int64_t)ms);
    coro_gen_free(generator);
    return error;
}
