// SPDX-License-Identifier: MIT
/* Offload: blocking calls on a small pool of threads while the task that wants them waits.
 *
 * A job lives in the waiting function's frame. It is queued, running or done; the state changes
 * under the mutex, and the frame is left only after the job was taken off the queue or is done,
 * so a thread never writes to a stack that has gone. Threads hand finished jobs to the loop
 * through a list and one wake-up; only the loop's thread touches tasks.
 */
#include "coro/internal.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct job {
    struct job *next;
    void *(*fn)(void *);
    void *arg;
    void *result;
    struct coro_task *task;
    enum job_state state;
    bool told; /* the loop's thread has seen that it is done; not under the mutex */
};

struct coro_offload {
    struct coro_loop *loop;
    struct coro_notifier *notifier;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t work;
    struct job *queue, **queue_end;
    struct job *done, **done_end;
    unsigned idle, queued, threads;
    bool closing;
    pthread_t ids[];
};

static void *thread_main(void *arg)
{
    struct coro_offload *o = arg;
    pthread_mutex_lock(&o->mutex);
    for (;;) {
        while (o->queue == NULL && !o->closing) {
            o->idle++;
            pthread_cond_wait(&o->work, &o->mutex);
            o->idle--;
        }
        if (o->closing)
            break;
        struct job *job = o->queue;
        o->queue = job->next;
        if (o->queue == NULL)
            o->queue_end = &o->queue;
        o->queued--;
        job->state = JOB_RUNNING;
        pthread_mutex_unlock(&o->mutex);
        void *result = job->fn(job->arg);
        pthread_mutex_lock(&o->mutex);
        job->result = result;
        job->state = JOB_DONE;
        job->next = NULL;
        *o->done_end = job;
        o->done_end = &job->next;
        coro_notifier_send(o->notifier);
    }
    pthread_mutex_unlock(&o->mutex);
    return NULL;
}

/* On the loop's stack: tells the tasks whose jobs are done. */
static void on_done(void *arg)
{
    struct coro_offload *o = arg;
    pthread_mutex_lock(&o->mutex);
    struct job *job = o->done;
    o->done = NULL;
    o->done_end = &o->done;
    pthread_mutex_unlock(&o->mutex);
    while (job != NULL) {
        struct job *next = job->next; /* the frame may go once its task has run */
        job->told = true;
        o->loop->active--;
        coro_wake(job->task);
        job = next;
    }
}

static struct coro_offload *offload_new(struct coro_loop *loop)
{
    unsigned max = loop->config.offload_threads;
    struct coro_offload *o = calloc(1, sizeof *o + max * sizeof o->ids[0]);
    if (o == NULL)
        return NULL;
    o->loop = loop;
    o->queue_end = &o->queue;
    o->done_end = &o->done;
    o->notifier = coro_notifier_new(loop, on_done, o);
    if (o->notifier == NULL) {
        free(o);
        return NULL;
    }
    pthread_mutex_init(&o->mutex, NULL);
    pthread_cond_init(&o->work, NULL);
    return o;
}

void coro_offload_free(struct coro_offload *o)
{
    if (o == NULL)
        return;
    pthread_mutex_lock(&o->mutex);
    o->closing = true;
    pthread_cond_broadcast(&o->work);
    pthread_mutex_unlock(&o->mutex);
    for (unsigned i = 0; i < o->threads; i++)
        pthread_join(o->ids[i], NULL);
    coro_notifier_free(o->notifier);
    pthread_mutex_destroy(&o->mutex);
    pthread_cond_destroy(&o->work);
    free(o);
}

/* One more thread unless one is idle for this job or the limit is reached; the mutex is held. 0,
 * or -EAGAIN if there is no thread at all. Threads are started with every signal blocked: signals
 * are the loop's. */
static int grow(struct coro_offload *o)
{
    sigset_t all, old;
    if (o->idle > o->queued || o->threads == o->loop->config.offload_threads)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&o->ids[o->threads], NULL, thread_main, o) == 0)
        o->threads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return o->threads > 0 ? 0 : -EAGAIN;
}

static int submit(struct coro_offload *o, struct job *job)
{
    pthread_mutex_lock(&o->mutex);
    int rc = grow(o);
    if (rc == 0) {
        job->next = NULL;
        *o->queue_end = job;
        o->queue_end = &job->next;
        o->queued++;
        pthread_cond_signal(&o->work);
        o->loop->active++;
    }
    pthread_mutex_unlock(&o->mutex);
    return rc;
}

/* Takes a job that has not begun off the queue. */
static bool withdraw(struct coro_offload *o, struct job *job)
{
    bool found = false;
    pthread_mutex_lock(&o->mutex);
    if (job->state == JOB_QUEUED) {
        struct job **link = &o->queue;
        while (*link != job)
            link = &(*link)->next;
        *link = job->next;
        if (job->next == NULL)
            o->queue_end = link;
        o->queued--;
        o->loop->active--;
        found = true;
    }
    pthread_mutex_unlock(&o->mutex);
    return found;
}

int coro_offload(void *(*fn)(void *), void *arg, void **result)
{
    struct coro_task *t = coro_thread.task;
    assert(t != NULL);
    struct coro_loop *loop = t->loop;
    struct job job = {.fn = fn, .arg = arg, .task = t, .state = JOB_QUEUED};
    int rc = coro_cancellation_point();
    if (rc != 0)
        return rc;
    if (loop->offload == NULL && (loop->offload = offload_new(loop)) == NULL)
        return -ENOMEM;
    rc = submit(loop->offload, &job);
    if (rc != 0)
        return rc;
    while (!job.told) {
        if (!(t->hot.flags & CORO_CANCEL)) {
            coro_block_uncancellable();
        } else if (withdraw(loop->offload, &job)) {
            return coro_cancellation_point();
        } else {
            coro_block_uncancellable();
        }
    }
    if (result != NULL)
        *result = job.result;
    return 0;
}
