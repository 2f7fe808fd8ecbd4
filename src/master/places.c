/* SPDX-License-Identifier: MIT
 *
 * Taking places and giving them back.
 */
#include "master/places.h"

#include <errno.h>
#include <stdlib.h>

#include "expect.h"

int places_init(struct places *places, unsigned filled, unsigned slots_each, struct slots *slots)
{
    int result = 0;

    *places = (struct places){.most = 2 * filled, .slots_each = slots_each};
    places->each = calloc(places->most, sizeof *places->each);
    if (places->each == NULL)
        return -ENOMEM;
    for (unsigned i = 0; result == 0 && i < filled; i++)
        result = places_add(places, NULL, slots);
    return result;
}

void places_term(struct places *places, struct slots *slots)
{
    for (struct process *p = NULL; (p = places_next(places, p)) != NULL;)
        places_remove(places, p, slots);
    free(places->each);
}

struct process *places_next(const struct places *places, const struct process *p)
{
    unsigned number = p == NULL ? 0 : p->number + 1;

    while (number < places->end && !places->each[number].used)
        number++;
    return number < places->end ? &places->each[number] : NULL;
}

int places_add(struct places *places, struct process *old, struct slots *slots)
{
    struct process *p;
    int first;

    while (places->from < places->most && places->each[places->from].used)
        places->from++;
    /* One that replaces another may be spent while that still finishes, and so on. */
    if (places->from == places->most)
        return -EAGAIN;
    first = slots_take(slots, places->slots_each);
    if (first < 0)
        return first;
    p = &places->each[places->from];
    *p = (struct process){.used = true,
                          .first = (unsigned)first,
                          .number = places->from,
                          .seat = old != NULL ? old->seat : places->from,
                          .replaces = old};
    if (old != NULL)
        old->replacement = p;
    if (p->number >= places->end)
        places->end = p->number + 1;
    return 0;
}

void places_remove(struct places *places, struct process *p, struct slots *slots)
{
    expect(p->used && p->pid == 0, "place %u is taken away while process %d has it", p->number,
           (int)p->pid);
    if (p->replacement != NULL)
        p->replacement->replaces = NULL;
    if (p->replaces != NULL)
        p->replaces->replacement = NULL;
    slots_give(slots, p->first, places->slots_each);
    p->used = false;
    if (p->number < places->from)
        places->from = p->number;
}

struct process *places_find(const struct places *places, pid_t pid)
{
    struct process *p = NULL;

    while ((p = places_next(places, p)) != NULL && p->pid != pid)
        ;
    return p;
}

unsigned places_alive(const struct places *places)
{
    unsigned alive = 0;

    for (const struct process *p = NULL; (p = places_next(places, p)) != NULL;)
        alive += p->pid != 0;
    return alive;
}
