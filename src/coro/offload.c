/* SPDX-License-Identifier: MIT
 *
 * A job lives in the waiting function's frame. It is queued, running or done; the state changes
 * under the mutex, and the frame is left only after the job was taken off the queue or is done,
 * so a thread never writes to a stack that has gone. Threads hand finished jobs to the loop
 * through a list and one wake-up; only the loop's thread touches tasks.
 */
#include "coro/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "coro/loop.h"
#include "coro/task.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct job {
    struct coro_link link; /* in one of the lists */
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
    unsigned most;         /* threads */
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t work;
    struct coro_list queue, done;
    unsigned idle, queued, threads;
    bool closing;
    pthread_t ids[];
};

static void *thread_main(void *arg)
{
    struct coro_offload *o = arg;

    pthread_mutex_lock(&o->mutex);
    for (;;) {
        struct job *job;
        void *result;

        while (o->queue.first == NULL && !o->closing) {
            o->idle++;
            pthread_cond_wait(&o->work, &o->mutex);
            o->idle--;
        }
        if (o->closing)
            break;
        job = CORO_HOLDER(coro_list_take(&o->queue), struct job, link);
        o->queued--;
        job->state = JOB_RUNNING;
        pthread_mutex_unlock(&o->mutex);
        result = job->fn(job->arg);
        pthread_mutex_lock(&o->mutex);
        job->result = result;
        job->state = JOB_DONE;
        coro_list_append(&o->done, &job->link);
        coro_notifier_send(o->notifier);
    }
    pthread_mutex_unlock(&o->mutex);
    return NULL;
}

/* On the loop's stack: tells the tasks whose jobs are done. */
static void on_done(void *arg)
{
    struct coro_offload *o = arg;
    struct coro_list done;
    struct coro_link *link;

    pthread_mutex_lock(&o->mutex);
    done = o->done;
    o->done = (struct coro_list){0};
    pthread_mutex_unlock(&o->mutex);
    while ((link = coro_list_take(&done)) != NULL) {
        struct job *job = CORO_HOLDER(link, struct job, link);

        job->told = true;
        o->loop->active--;
        coro_wake(job->task);
    }
}

struct coro_offload *coro_offload_new(struct coro_loop *loop, unsigned threads)
{
    struct coro_offload *o = calloc(1, sizeof *o + threads * sizeof o->ids[0]);

    if (o == NULL)
        return NULL;
    o->loop = loop;
    o->most = threads;
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

    if (o->idle > o->queued || o->threads == o->most)
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
    int rc;

    pthread_mutex_lock(&o->mutex);
    rc = grow(o);
    if (rc == 0) {
        coro_list_append(&o->queue, &job->link);
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
    bool queued;

    pthread_mutex_lock(&o->mutex);
    queued = job->state == JOB_QUEUED;
    if (queued) {
        coro_list_remove(&o->queue, &job->link);
        o->queued--;
        o->loop->active--;
    }
    pthread_mutex_unlock(&o->mutex);
    return queued;
}

int coro_offload(void *(*fn)(void *), void *arg, void **result, int64_t deadline_ms)
{
    int rc = coro_cancellation_point();
    struct coro_task *t = coro_thread.task;
    struct coro_offload *o = coro_task_loop(t)->offload;
    struct job job = {.fn = fn, .arg = arg, .task = t, .state = JOB_QUEUED};

    if (rc != 0)
        return rc;
    rc = submit(o, &job);
    if (rc != 0)
        return rc;
    while (!job.told) {
        if (t->flags & CORO_CANCEL)
            rc = -ECANCELED;
        if (rc != 0 && withdraw(o, &job))
            return rc == -ECANCELED ? coro_cancellation_point() : rc;
        if (rc == 0)
            rc = coro_block(coro_ms_to_ns(deadline_ms));
        else
            coro_block_uncancellable(); /* it has begun */
    }
    if (result != NULL)
        *result = job.result;
    return 0;
}
