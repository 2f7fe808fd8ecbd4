/* SPDX-License-Identifier: MIT
 *
 * Generators with the semantics of Python's: a function that yields values to whoever resumes it
 * and is sent values, or thrown errors, back. Each has a stack of its own, so functions that the
 * body calls may yield for it, and a body inside a task may suspend that whole task.
 *
 *              first send            body yields
 *     CREATED ───────────► RUNNING ───────────────► SUSPENDED
 *        │                  │   ▲                     │
 *        │ throw, close     │   └─────────────────────┘ send, throw, close
 *        ▼                  ▼
 *      CLOSED ◄─────────────┘ body returns or raises
 *
 * Every call in every state (each cell has a test, and the same table is compared with CPython):
 *
 *                CREATED            RUNNING     SUSPENDED                       CLOSED
 *  send(NULL)    runs the body      busy        resumes: yield gives NULL       RETURNED, NULL
 *  send(value)   invalid, stays     busy        resumes: yield gives the value  RETURNED, NULL
 *  throw(error)  CLOSED, FAILED     busy        resumes: yield gives the error  FAILED with
 *                with that error                                                that error
 *  close()       CLOSED, 0          busy        resumes: yield gives CORO_EXIT; 0
 *                                               0 if the body then ends, -EPROTO
 *                                               if it yields (stays SUSPENDED),
 *                                               its error if it raises another
 *
 *  invalid: FAILED with -EINVAL, as TypeError "can't send non-None value to a just-started
 *  generator". busy: FAILED with -EBUSY (close: -EBUSY), as ValueError "generator already
 *  executing". -EPROTO: as RuntimeError "generator ignored GeneratorExit".
 *
 * What a resumed body does is told by the status apart from the value: YIELDED (value: what it
 * yielded), RETURNED (what it returned), FAILED (NULL; coro_gen_error() says why).
 *
 * No loop and no task is needed; any thread and any process may use generators. A generator
 * belongs to the thread that made it. Nothing here is async-signal-safe.
 */
#ifndef CORO_GENERATOR_H
#define CORO_GENERATOR_H

#include "coro/stack.h"

#include <stdbool.h>

enum coro_gen_state { CORO_GEN_CREATED, CORO_GEN_RUNNING, CORO_GEN_SUSPENDED, CORO_GEN_CLOSED };
enum coro_status { CORO_YIELDED, CORO_RETURNED, CORO_FAILED };

enum { CORO_EXIT = -4096 }; /* what close() makes a yield return; no errno has this value */

/* code: negative, an errno or the user's own, not CORO_EXIT. message: borrowed, must live as
 * long as anyone may ask for it, in practice a literal; may be NULL. */
struct coro_error {
    int code;
    const char *message;
};

struct coro_gen;
typedef void *coro_gen_fn(void *arg);

/* ---- outside the body ------------------------------------------------------------------ */

/* Makes a generator of fn(arg), not yet begun. pool: where its stack comes from, and must outlive
 * it; NULL: a pool of this thread's with stacks of CORO_STACK_DEFAULT. name: for overflow
 * reports, borrowed. NULL with errno ENOMEM. Free it with coro_gen_free(). */
struct coro_gen *coro_gen_new(struct coro_stack_pool *pool, coro_gen_fn *fn, void *arg,
                              const char *name) __attribute__((warn_unused_result));

/* Closes and frees. A body that answers the closing with a yield is abandoned where it is; what
 * it held leaks. Not while it runs (assert). NULL allowed. */
void coro_gen_free(struct coro_gen *g);

/* Resumes the body; its yield returns 0 and gives `value`. The first send begins the body and
 * must carry NULL. *out (may be NULL): see the status. */
static inline enum coro_status coro_send(struct coro_gen *g, void *value, void **out);

/* Resumes the body; its yield returns error.code. */
enum coro_status coro_throw(struct coro_gen *g, struct coro_error error, void **out);

/* Asks the body to end: its yield returns CORO_EXIT. 0 if it did (or had), else see the table;
 * coro_gen_error() has the message. */
int coro_close(struct coro_gen *g);

enum coro_gen_state coro_gen_state(const struct coro_gen *g);

/* Why the last call on g that reported a failure did so. */
struct coro_error coro_gen_error(const struct coro_gen *g);

/* ---- in the body, and in what it calls ------------------------------------------------- */

/* Suspends the running generator and hands `value` to whoever resumed it. On a send returns 0
 * with *sent (may be NULL) set; on a throw or close returns the error's code, and the body either
 * handles it and goes on, or ends, usually by `return coro_raise_again();`. */
__attribute__((warn_unused_result)) static inline int coro_yield(void *value, void **sent);

/* Runs another generator in this one's place: what it yields is yielded, what is sent or thrown
 * goes to it, a close closes it first. 0 when it has returned, with *result (may be NULL) set;
 * else the code of the error it ended with, or of the closing. sub stays the caller's to free. */
int coro_yield_from(struct coro_gen *sub, void **result) __attribute__((warn_unused_result));

/* Makes the body end with an error, when it returns, which it must do without another yield:
 * `return coro_raise(error);`. Returns NULL. */
void *coro_raise(struct coro_error error);

/* The same with the error that this generator's last yield or yield_from returned. */
void *coro_raise_again(void);

/* That error; code 0 if there was none. */
struct coro_error coro_thrown(void);

/* The generator whose body is running, or NULL. */
struct coro_gen *coro_gen_self(void);

#include "coro/generator_inline.h"

#endif
