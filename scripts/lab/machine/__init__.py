# SPDX-License-Identifier: MIT
"""The machine: processes and what the kernel says of them, before anything is measured.

    errors      what the user is meant to read
    program     what every program shares: options, messages, exit statuses, signals
    procfs      what the kernel counted of processes and of the whole machine
    sockets     what it knows of the load's connections
    priority    servers and load before other programs
    cgroup      a server with a limit of memory
    children    child processes: started on their cores, none left behind
    agent, hosts   the same on other hosts, over ssh
"""
