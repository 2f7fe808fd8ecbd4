# SPDX-License-Identifier: MIT
"""The programs: what scripts/bench and the others beside it do when they are called. Each of them is a
link to scripts/launch.py, which runs the module of that name.

    progress    the line that says how long it takes, and what is known so far
    report      scripts/report: all files of a run, made again
    results     scripts/results: the texts that follow from the reference run
    budget      how long a run takes, and of what it measures more
    options     of scripts/bench, and the plan they ask for
    run         a whole run: what it needs, every step of its plan, its folder
    bench       scripts/bench, also of a run that was stopped
    compare     scripts/compare: two runs side by side
    against     scripts/bench --against: two servers as duets
    seeking     windows of load for one server after the other, until their capacities are known
    capacity    scripts/capacity: the highest rate that keeps a promise
    advise      scripts/advise: which model fits a service
    omission    scripts/omission: what a closed loop does not see
    claims      scripts/claims: what textbooks say, checked here
"""
