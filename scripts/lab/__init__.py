# SPDX-License-Identifier: MIT
"""The lab: runs the concurrency models under load and compares them.

Data flows one way through the modules:

    options     what was asked for  (workloads, presets, peers)
    plan        what to run: configurations, cells, blocks, their random order
    measure     one server, one load, one Sample  (servers, peers, wrk, parked, faulted, steady;
                priority and cgroup: what of the machine they get)
    gates       may the sample be believed?
    analysis    samples to rows: medians, paired ratios (stats), ceilings, limiters
    verdict     rows to sentences
    conclusions what a preset is for: goals, crossover, external
    table       rows and sentences to text and Markdown  (columns)
    document    a run as JSON, described by schema; reading takes it back
    report      all files of a run: csv_table, charts (draw_svg, theme), page (page_style)
    readme      results/README.md and the README's table, from the newest reference run
    run         the loop over the plan, the progress line, what is written

compare, advise and claims are programs beside bench: the first reads two documents, the others
run plans of their own. claims judges (with best, for which model wins where), claims_run
measures (with microbench and suspended).

Everything from gates to page, claims and best included, is pure: it takes data and returns data.
"""
