# SPDX-License-Identifier: MIT
"""Measuring: a server, a load, and everything that was seen, before anybody judges it.

    sample      what was seen in one run of one configuration
    wrk         the load, and what wrk says of it
    histogram   latencies as scripts/load writes them, and those of several blocks in one
    load        the same at an offered rate: scripts/load, and what it says
    offered     one measurement of one server at an offered rate
    apart       how far the server's core is from the load's meanwhile
    counted     a load that accounts for each request: killed workers, ending servers
    parked      idle connections beside a load
    steady      how long to warm up
    measurement one measurement of one server
    duet        two servers under the same load at the same time, on the same cores
    syscalls    system calls per request, in runs of their own
    environment the machine and the build, recorded once
    contexts    what a process, a thread and a coroutine cost: a switch, a request in progress
"""
