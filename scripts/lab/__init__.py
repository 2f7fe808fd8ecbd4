# SPDX-License-Identifier: MIT
"""The lab: runs the concurrency models under load and compares them.

It has seven rooms, and each uses only what stands in those before it:

    machine     processes, cores, memory, and what the kernel says of them
    ask         what is to be run: workloads, configurations, cells, presets
    server      the servers, the files they serve, the databases they ask
    measure     one server under one load, and everything that was seen of it
    judge       may it be believed, and what follows: rows, ratios, ceilings, verdicts
    show        tables, plots, pages, and the run as a document
    programs    what scripts/bench and the programs beside it do

Each room lists its modules in reading order. judge and show are pure: data in, data out.
"""
