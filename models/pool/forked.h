/* SPDX-License-Identifier: MIT
 *
 * What a spawner makes in prefork: processes, with memory and descriptors of their own.
 *
 * The master knows the spawner only. So that is who notes what has become of them, kills one that
 * has been stopped for --stopped-timeout, and passes on the order to reopen the access log; they
 * die with it.
 */
#ifndef MODELS_POOL_FORKED_H
#define MODELS_POOL_FORKED_H

#include "models/pool/spawner.h"

extern const struct spawner_kind forked_processes;

#endif
