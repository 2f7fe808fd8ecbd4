# SPDX-License-Identifier: MIT
"""Judging: from samples to what can be said of them. All of it takes data and returns data.

    stats       medians, paired ratios, intervals
    words       figures as text, the same wherever they are shown
    gates       may a sample be believed?
    ceilings    what the best possible server would reach
    distance    what it costs that a hypervisor moved the cores apart
    analysis    samples to rows
    best        the best of each model, and who is ahead
    queueing, curves   how long requests wait in theory; latency against offered load
    capacity    the highest rate that keeps a promise, and what limits it
    verdict     a cell in a sentence and notes
    goals       a figure judged by its whole interval; the speed goals
    crossover, external   where one model overtakes another; published shapes
    conclusions what a preset was run for
    claims      what textbooks say of processes, threads and coroutines
    ladder      the ways to get a worker, in a table, and the claims that they decide
"""
