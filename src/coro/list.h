/* SPDX-License-Identifier: MIT
 *
 * A list of things that hold their own links, first come first served: putting in and taking
 * out cannot fail, and whoever is in it leaves from wherever he stands.
 */
#ifndef CORO_LIST_H
#define CORO_LIST_H

#include <stddef.h>

struct coro_link {
    struct coro_link *prev, *next;
};

/* All zero: empty. */
struct coro_list {
    struct coro_link *first, *last;
};

/* The struct that a link, not NULL, is the named member of. */
#define CORO_HOLDER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* link must not be in a list. */
static inline void coro_list_append(struct coro_list *list, struct coro_link *link)
{
    link->next = NULL;
    link->prev = list->last;
    if (list->last != NULL)
        list->last->next = link;
    else
        list->first = link;
    list->last = link;
}

/* Takes the first out of it; NULL if it is empty. */
static inline struct coro_link *coro_list_take(struct coro_list *list)
{
    struct coro_link *link = list->first;

    if (link == NULL)
        return NULL;
    list->first = link->next;
    if (link->next != NULL)
        link->next->prev = NULL;
    else
        list->last = NULL;
    return link;
}

/* link must be in this very list. */
static inline void coro_list_remove(struct coro_list *list, struct coro_link *link)
{
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        list->first = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    else
        list->last = link->prev;
}

#endif
