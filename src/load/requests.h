/* SPDX-License-Identifier: MIT
 *
 * The requests of one loop from the time at which they are due until they are done: those still to
 * come (arrivals.h), those that wait for a connection, in order, and those that are out. All of
 * them are older, the further they have come; so the oldest that has no answer is found at once.
 *
 *     schedule ──due──► taken up ──────────────────────► out ──► answered, or failed
 *                          └──► waits for a connection ──┘
 *
 * What becomes of each is counted here, in one place.
 */
#ifndef LOAD_REQUESTS_H
#define LOAD_REQUESTS_H

#include "coro/list.h"
#include "load/arrivals.h"
#include "load/figures.h"

/* Times are on coro_now_ns()'s clock. */
struct request {
    int64_t intended_ns;
    int64_t sent_ns; /* 0: not sent */
    unsigned path;
    bool measured;
    struct coro_link link; /* in requests.out, while it is */
};

struct waiting {
    int64_t intended_ns;
    unsigned path;
    bool measured;
};

/* All but figures is for requests.c. */
struct requests {
    struct figures *figures; /* the caller's */
    struct arrivals arrivals;
    struct arrival next; /* of the schedule; at_ns INT64_MAX: there are no more */
    int64_t start_ns;
    struct waiting *ring; /* those that wait, from `first` on */
    size_t room, first, count;
    struct coro_list out;
};

/* start_ns: when the schedule begins. 0 or -ENOMEM. requests_term() it. */
int requests_init(struct requests *requests, const struct arrivals_plan *plan, int64_t start_ns,
                  struct figures *figures) __attribute__((warn_unused_result));
void requests_term(struct requests *requests);

/* When the next one of the schedule is due; INT64_MAX: there are no more. */
static inline int64_t requests_next_ns(const struct requests *requests)
{
    return requests->next.at_ns == INT64_MAX ? INT64_MAX
                                             : requests->start_ns + requests->next.at_ns;
}

/* A connection is free: gives it the first that waits, or else the next of the schedule if that is
 * due, which is thereby out, sent at now_ns. False: there is none. */
bool requests_take(struct requests *requests, int64_t now_ns, struct request *request);

/* No connection is free: the next of the schedule, which is due, waits for one. 0 or -ENOMEM. */
int requests_queue(struct requests *requests, int64_t now_ns) __attribute__((warn_unused_result));

/* One that is out is so no more. */
void requests_answered(struct requests *requests, struct request *request, int64_t now_ns,
                       unsigned status);
void requests_failed(struct requests *requests, struct request *request, int64_t now_ns,
                     enum figures_error error);

/* Those that wait and were due before before_ns are timed out. */
void requests_expire(struct requests *requests, int64_t now_ns, int64_t before_ns);

/* The oldest that is out; NULL: none is. */
static inline struct request *requests_oldest(const struct requests *requests)
{
    return requests->out.first == NULL ? NULL
                                       : CORO_HOLDER(requests->out.first, struct request, link);
}

/* The age of the oldest that was due and is not done; 0: there is none. */
int64_t requests_oldest_ns(const struct requests *requests, int64_t now_ns);

/* Whether any is out or waits. */
static inline bool requests_pending(const struct requests *requests)
{
    return requests->out.first != NULL || requests->count > 0;
}

/* The window has ended, at end_ns: what the schedule has until then, and was not taken up, is
 * counted as due; no more will come. */
void requests_close(struct requests *requests, int64_t end_ns);

/* The run has ended: those that wait are unfinished. */
void requests_abandon(struct requests *requests, int64_t now_ns);

#endif
