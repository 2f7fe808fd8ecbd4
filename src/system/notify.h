/* SPDX-License-Identifier: MIT
 *
 * Telling a service manager how the service fares: the datagrams of sd_notify(3) to the
 * socket that NOTIFY_SOCKET names, without systemd's library.
 */
#ifndef SYSTEM_NOTIFY_H
#define SYSTEM_NOTIFY_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Each sends one message. Returns 0, also when nobody wants to be told (NOTIFY_SOCKET is not
 * set), or a negative errno; waits at most a second for a receiver that is behind. Any thread.
 */
int notify_ready(pid_t main_pid);       /* started, or done with reloading */
int notify_reloading(void);             /* the configuration is being read again */
int notify_stopping(int64_t within_ms); /* to end in that time */
int notify_main_pid(pid_t successor);   /* another process, alive, goes on with the service */
int notify_watchdog(void);              /* still alive; never waits */

/* How often the manager expects notify_watchdog(), in milliseconds; 0: it does not. */
int64_t notify_watchdog_interval_ms(void);

/* In a child that is about to execute the successor: what the manager expects of the parent is
 * expected of this process. Returns 0 or a negative errno. */
int notify_pass_watchdog(void);

#endif
