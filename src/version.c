/* SPDX-License-Identifier: MIT
 *
 * The version in a file of its own: the Makefile passes it to this one only, so
 * that a new commit recompiles one line.
 */
#include "server.h"

const char server_version[] = SERVER_VERSION;
