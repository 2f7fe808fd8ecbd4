/* SPDX-License-Identifier: MIT
 *
 * The places of a generation's processes.
 *
 * As many as its plan says are to be filled. Beside those there are, for some moments, places of
 * processes that retire because they have served --max-requests; as many again at most. They lie in
 * an array, in which who is used is found by its number.
 */
#ifndef MASTER_PLACES_H
#define MASTER_PLACES_H

#include <sys/types.h>

#include "master/process.h"
#include "master/slots.h"

struct places {
    struct process *each;
    unsigned most;       /* that may be used */
    unsigned slots_each; /* that each process needs */
    unsigned from;       /* all below are used */
    unsigned end;        /* none from here on has been */
};

/* Opens `filled` of them. Returns 0 or a negative errno; places_term() in either case. */
int places_init(struct places *places, unsigned filled, unsigned slots_each, struct slots *slots)
    __attribute__((warn_unused_result));
void places_term(struct places *places, struct slots *slots);

/* The one in use behind p, NULL: the first. NULL when there is none. p may have been removed. */
struct process *places_next(const struct places *places, const struct process *p);

/* Opens one more, of a process that is to replace `old`, or NULL. 0 or a negative errno: -EAGAIN
 * while as many processes that retire as there are places have not ended. */
int places_add(struct places *places, struct process *old, struct slots *slots)
    __attribute__((warn_unused_result));

/* Takes the place of an ended process away. */
void places_remove(struct places *places, struct process *p, struct slots *slots);

/* The one whose process has that pid, or NULL. */
struct process *places_find(const struct places *places, pid_t pid);

/* How many have a process. */
unsigned places_alive(const struct places *places);

#endif
