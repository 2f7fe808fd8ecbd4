# SPDX-License-Identifier: MIT
"""The programs: what scripts/bench and the others beside it do when they are called.

    progress    the line that says how long it takes, and what is known so far
    report      scripts/report: all files of a run, made again
    readme      scripts/results: the texts that follow from the reference run
    budget      how long a run takes, and of what it measures more
    run         a whole run: what it needs, every step of its plan, its folder
    resume      a run that was stopped, to be gone on with
    options, bench   scripts/bench
    against     scripts/bench --against: two servers as duets
    compare     scripts/compare: two runs side by side
    advise      scripts/advise: which model fits a service
    claims_run  scripts/claims: what textbooks say, checked here
"""
