/* SPDX-License-Identifier: MIT
 *
 * Completing a future takes all who wait off its list and tells them at once, in the order they
 * came. Tasks are woken by that (await.c); a done callback moves on to the loop's list of things to
 * call on its next turn. Whatever is on a list is there exactly as long as its memory is needed.
 */
#include "coro/future.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "coro/expect.h"
#include "coro/loop.h"

struct coro_future *coro_future_new(struct coro_loop *loop)
{
    struct coro_future *f = calloc(1, sizeof *f);

    if (f == NULL)
        return NULL;
    f->loop = loop;
    f->refs = 1;
    return f;
}

void coro_future_unref(struct coro_future *f)
{
    if (f == NULL || --f->refs > 0)
        return;
    assert(f->waiters.first == NULL);
    if (f->hooks != NULL)
        f->hooks->release(f);
    else
        free(f);
}

/* ---- done callbacks ---- */

static void call_soon(struct coro_waiter *waiter)
{
    struct coro_done *done = CORO_HOLDER(waiter, struct coro_done, waiter);

    done->told = true;
    coro_list_append(&done->future->loop->soon, &waiter->link);
}

void coro_future_add_done(struct coro_future *f, struct coro_done *done, coro_done_fn *fn,
                          void *arg)
{
    *done = (struct coro_done){
        .fn = fn, .arg = arg, .future = coro_future_ref(f), .waiter.tell = call_soon};
    if (f->state >= CORO_DONE)
        call_soon(&done->waiter);
    else
        coro_list_append(&f->waiters, &done->waiter.link);
}

void coro_future_remove_done(struct coro_done *done)
{
    struct coro_future *f = done->future;

    if (f == NULL)
        return;
    coro_list_remove(done->told ? &f->loop->soon : &f->waiters, &done->waiter.link);
    done->future = NULL;
    coro_future_unref(f);
}

void coro_future_run_soon(struct coro_loop *loop)
{
    size_t now = 0; /* those added meanwhile are for the next turn */

    for (const struct coro_link *link = loop->soon.first; link != NULL; link = link->next)
        now++;
    for (; now > 0 && loop->soon.first != NULL; now--) {
        struct coro_link *link = coro_list_take(&loop->soon);
        struct coro_done *done = CORO_HOLDER(link, struct coro_done, waiter.link);
        struct coro_future *f = done->future;

        done->future = NULL;
        done->fn(f, done->arg); /* may free done */
        coro_future_unref(f);
    }
}

/* ---- completion ---- */

void coro_future_complete(struct coro_future *f, enum coro_future_state state, void *value,
                          int error)
{
    struct coro_link *link;

    f->state = state;
    f->value = value;
    f->error = error;
    while ((link = coro_list_take(&f->waiters)) != NULL) {
        struct coro_waiter *waiter = CORO_HOLDER(link, struct coro_waiter, link);

        waiter->tell(waiter);
    }
}

static int complete_plain(struct coro_future *f, enum coro_future_state state, void *value,
                          int error)
{
    assert(f->hooks == NULL);
    if (f->state != CORO_PENDING)
        return -EALREADY;
    coro_future_complete(f, state, value, error);
    return 0;
}

int coro_future_set_result(struct coro_future *f, void *value)
{
    return complete_plain(f, CORO_DONE, value, 0);
}

int coro_future_set_error(struct coro_future *f, int error)
{
    assert(error < 0 && error != -ECANCELED);
    return complete_plain(f, CORO_DONE, NULL, error);
}

int coro_future_cancel(struct coro_future *f)
{
    if (f->hooks != NULL)
        return f->hooks->cancel(f);
    return complete_plain(f, CORO_CANCELLED, NULL, -ECANCELED);
}

enum coro_future_state coro_future_state(const struct coro_future *f)
{
    return f->state;
}
