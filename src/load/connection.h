/* SPDX-License-Identifier: MIT
 *
 * The connections of one loop, each with a coroutine of its own, which sends a request, reads the
 * answer, counts it, and takes the next that waits or is due; when there is none it is idle. What
 * was closed is opened again when there is a request for it.
 *
 * A watch on a connection stays active while that is open, so that a request costs one send() and
 * one recv(), and the waiting for many answers one epoll_wait(). What is read is not kept: one
 * buffer serves all.
 */
#ifndef LOAD_CONNECTION_H
#define LOAD_CONNECTION_H

#include "coro/loop.h"
#include "coro/task.h"
#include "load/answer.h"
#include "load/requests.h"
#include "load/target.h"

struct connections;

/* All private. */
struct connection {
    struct connections *all;
    struct coro_task *task;
    struct coro_watch watch;
    struct coro_link link; /* in connections.idle or .closed, while it is in one */
    struct request request;
    struct answer answer;
    int fd;       /* -1: not open */
    bool busy;    /* has a request */
    bool expired; /* that request's time is up */
    int watched;  /* for what, where the watch is active */
    int ready;    /* what the watch has told since it was last waited for */
};

/* All but what is said to be the caller's is private. */
struct connections {
    struct coro_loop *loop; /* the caller's, as the next three */
    struct requests *requests;
    struct figures *figures;
    const struct target *target;
    unsigned first;          /* the caller's: how many other loops of this process may open */
    unsigned most;           /* the caller's: so many at a time */
    struct connection *each; /* `most` of them, of which `made` were in use; those that never
                                were cost no memory */
    unsigned made, open;
    struct coro_list idle; /* open, without a request; the last is taken first: the warmest */
    struct coro_list closed;
    char *buffer;
    uint64_t events;            /* times that any went on: its descriptor was ready or failed */
    struct connection *handing; /* whoever gave it a request waits until it has been sent */
    struct coro_task *giver;    /* who that is */
    int shortage;               /* errno of the first that could not be opened for want of
                                   something here; 0: none */
};

/* The caller's fields are set. 0 or -ENOMEM. */
int connections_init(struct connections *all) __attribute__((warn_unused_result));
void connections_term(struct connections *all); /* after the loop has ended */

/* Gives the request that requests_take() gives to a connection, if one is idle or can be opened,
 * and waits until it has been sent. In a task. Whether there is such a connection. */
bool connections_send(struct connections *all, int64_t now_ns);

/* Those whose request was intended before before_ns are closed and the request is timed out. From a
 * callback. */
void connections_expire(struct connections *all, int64_t before_ns);

#endif
