/* SPDX-License-Identifier: MIT
 *
 * The signals that the master takes: blocked, and read from a descriptor.
 */
#ifndef MASTER_SIGNALS_H
#define MASTER_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Makes that descriptor, which does not block and is the caller's; -errno. *before: the signal mask
 * until now, which workers are to have. */
int signals_take(sigset_t *before);

/* Whether a signal has come that says to stop, and nobody has read it. */
bool signals_told_to_stop(void);

#endif
