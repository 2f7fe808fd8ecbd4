/* SPDX-License-Identifier: MIT
 *
 * See requests.h. Those that wait are a ring that doubles when it is full; those that are out are
 * in the memory of their connections.
 */
#include "load/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1024 }; /* a power of two, as all that follow */

static void advance(struct requests *r)
{
    if (!arrivals_next(&r->arrivals, &r->next))
        r->next.at_ns = INT64_MAX;
}

int requests_init(struct requests *r, const struct arrivals_plan *plan, int64_t start_ns,
                  struct figures *figures)
{
    *r = (struct requests){.figures = figures, .start_ns = start_ns, .room = FIRST_ROOM};
    r->ring = malloc(r->room * sizeof *r->ring);
    if (r->ring == NULL)
        return -ENOMEM;
    arrivals_init(&r->arrivals, plan);
    advance(r);
    return 0;
}

void requests_term(struct requests *r)
{
    free(r->ring);
}

/* ---- taking up ---- */

/* The next of the schedule, which is due. */
static struct waiting take_up(struct requests *r, int64_t now_ns)
{
    struct waiting taken = {r->start_ns + r->next.at_ns, r->next.path, r->next.measured};

    if (taken.measured) {
        r->figures->due++;
        r->figures->requests++;
        histogram_record(&r->figures->lag, now_ns - taken.intended_ns);
    }
    advance(r);
    return taken;
}

static struct waiting *waits_at(const struct requests *r, size_t place)
{
    return &r->ring[(r->first + place) & (r->room - 1)];
}

static struct waiting pop(struct requests *r)
{
    struct waiting first = *waits_at(r, 0);

    r->first = (r->first + 1) & (r->room - 1);
    r->count--;
    return first;
}

bool requests_take(struct requests *r, int64_t now_ns, struct request *request)
{
    struct waiting taken;

    if (r->count > 0)
        taken = pop(r);
    else if (requests_next_ns(r) <= now_ns)
        taken = take_up(r, now_ns);
    else
        return false;
    request->intended_ns = taken.intended_ns;
    request->path = taken.path;
    request->measured = taken.measured;
    request->sent_ns = now_ns;
    coro_list_append(&r->out, &request->link);
    return true;
}

/* Twice the room, the first that waits at its beginning. */
static int grow(struct requests *r)
{
    struct waiting *ring = malloc(2 * r->room * sizeof *ring);

    if (ring == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < r->count; i++)
        ring[i] = *waits_at(r, i);
    free(r->ring);
    r->ring = ring;
    r->room *= 2;
    r->first = 0;
    return 0;
}

int requests_queue(struct requests *r, int64_t now_ns)
{
    if (r->count == r->room && grow(r) < 0)
        return -ENOMEM;
    *waits_at(r, r->count) = take_up(r, now_ns);
    r->count++;
    if (r->count > r->figures->queued_most)
        r->figures->queued_most = r->count;
    return 0;
}

/* ---- done ---- */

void requests_answered(struct requests *r, struct request *request, int64_t now_ns, unsigned status)
{
    coro_list_remove(&r->out, &request->link);
    if (!request->measured)
        return;
    r->figures->answered++;
    r->figures->statuses[status]++;
    histogram_record(&r->figures->latency, now_ns - request->intended_ns);
    histogram_record(&r->figures->service, now_ns - request->sent_ns);
}

/* What has no answer yet is at least so old; when what failed would have been answered nobody
 * knows. */
static bool has_age(enum figures_error error)
{
    return error == FIGURES_TIMEOUT || error == FIGURES_UNFINISHED;
}

static void count_failed(struct figures *figures, int64_t age_ns, enum figures_error error)
{
    figures->errors[error]++;
    if (has_age(error))
        histogram_record(&figures->latency, age_ns);
    if (error == FIGURES_UNFINISHED && age_ns > figures->oldest_ns)
        figures->oldest_ns = age_ns;
}

void requests_failed(struct requests *r, struct request *request, int64_t now_ns,
                     enum figures_error error)
{
    coro_list_remove(&r->out, &request->link);
    if (!request->measured)
        return;
    count_failed(r->figures, now_ns - request->intended_ns, error);
    if (has_age(error))
        histogram_record(&r->figures->service, now_ns - request->sent_ns);
}

static void fail_first(struct requests *r, int64_t now_ns, enum figures_error error)
{
    struct waiting first = pop(r);

    if (first.measured)
        count_failed(r->figures, now_ns - first.intended_ns, error);
}

void requests_expire(struct requests *r, int64_t now_ns, int64_t before_ns)
{
    while (r->count > 0 && waits_at(r, 0)->intended_ns < before_ns)
        fail_first(r, now_ns, FIGURES_TIMEOUT);
}

int64_t requests_oldest_ns(const struct requests *r, int64_t now_ns)
{
    int64_t intended_ns = requests_next_ns(r);

    if (r->out.first != NULL)
        intended_ns = requests_oldest(r)->intended_ns;
    else if (r->count > 0)
        intended_ns = waits_at(r, 0)->intended_ns;
    return intended_ns < now_ns ? now_ns - intended_ns : 0;
}

void requests_close(struct requests *r, int64_t end_ns)
{
    while (requests_next_ns(r) <= end_ns) {
        r->figures->due += r->next.measured;
        advance(r);
    }
    r->next.at_ns = INT64_MAX;
}

void requests_abandon(struct requests *r, int64_t now_ns)
{
    while (r->count > 0)
        fail_first(r, now_ns, FIGURES_UNFINISHED);
}
