/* SPDX-License-Identifier: MIT
 *
 * How many cores this process may use: what the default of --workers counts.
 *
 * The machine's may be many more: a process can be bound to some of them (taskset, a cpuset), and
 * its cgroup, or one above it, can have a quota, as a container's CPU limit is.
 */
#ifndef SYSTEM_CORES_H
#define SYSTEM_CORES_H

/* The cores that the calling thread may run on, or fewer where a quota does not allow for all of
 * them; at least 1. Reads files below /proc and /sys. */
unsigned cores_available(void);

/*
 * The quota alone, in whole cores, rounded up; 0: there is none. cgroup and mountinfo are the
 * paths of /proc/self/cgroup and /proc/self/mountinfo, which say where to look: cpu.max of
 * version 2, cpu.cfs_quota_us of version 1 (cgroups(7)). What cannot be read is no limit.
 */
unsigned cores_quota(const char *cgroup, const char *mountinfo);

#endif
