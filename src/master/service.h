/* SPDX-License-Identifier: MIT
 *
 * The server as those see it who supervise it: the ready line, the pid file, and what a
 * service manager is told. Everything here is called by the master alone.
 */
#ifndef MASTER_SERVICE_H
#define MASTER_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "system/pid_file.h"

struct server;

/* The master's own; zeroed at first. */
struct service {
    struct pid_file pid_file;
    int64_t watchdog_ms;     /* how often to say that the master is alive; 0: never */
    int64_t watchdog_due_ms; /* when next */
    bool handed_over;        /* a successor goes on with the service */
};

/* All workers can serve for the first time: writes the ready line and the pid file, tells the
 * service manager, and from now on, with service_tick(), that the master is alive. */
void service_ready(struct service *service, const struct server *server);

/* To be called at each look of the master, at least four times a second. */
void service_tick(struct service *service);

/* The configuration is being read again, and: is in force, or was refused and the old one is. */
void service_reloading(void);
void service_reloaded(void);

/* The server was told to stop. within_ms: how long its settings let that take. */
void service_stopping(const struct service *service, int64_t within_ms);

/* Another process goes on with the service: the pid file is the successor's, and no word of this
 * one's draining is said. */
void service_hand_over(struct service *service, pid_t successor);

/* The server has ended: removes the pid file, if it is still this one's. */
void service_end(struct service *service);

#endif
