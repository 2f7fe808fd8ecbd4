# SPDX-License-Identifier: MIT
"""Measuring: a server, a load, and everything that was seen, before anybody judges it.

    sample      what was seen in one run of one configuration
    wrk         the load, and what wrk says of it
    counted, faulted   a load that accounts for each request: killed workers, ending servers
    parked      idle connections beside a load
    steady      how long to warm up
    measure     one measurement of one server
    syscalls_count, syscalls   system calls per request, in runs of their own
    suspended, microbench      memory of a request in progress; what switches cost
    environment the machine and the build, recorded once
"""
