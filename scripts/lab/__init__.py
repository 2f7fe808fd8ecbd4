# SPDX-License-Identifier: MIT
"""The lab: runs the concurrency models under load and compares them.

Data flows one way through the modules:

    plan        what to run: workloads, configurations, blocks, their random order
    measure     one server, one load, one Sample  (servers, wrk, client, procfs, sockets)
    gates       may the sample be believed?
    analysis    samples to rows: medians, paired ratios (stats), ceilings, limiters
    verdict     rows to sentences
    table       rows and sentences to text and Markdown
    run         the loop over the plan, the progress line, what is written

Everything from gates downwards is pure: it takes data and returns data.
"""
