# SPDX-License-Identifier: MIT
"""Judging: from samples to what can be said of them. All of it takes data and returns data.

    stats       medians, paired ratios, intervals
    words       figures as text, the same wherever they are shown
    gates       may a sample be believed?
    ceilings    what the best possible server would reach
    analysis    samples to rows
    verdict     rows to sentences
    judging, goals   speed goals: met or missed
    crossover, external   where one model overtakes another; published shapes
    conclusions what a preset was run for
    best, claims   which model wins where; what textbooks say
"""
