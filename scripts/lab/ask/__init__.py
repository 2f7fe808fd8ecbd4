# SPDX-License-Identifier: MIT
"""What is asked: workloads, and which configurations meet in which cells, in which order.

    kinds       how a cell is measured, and what follows
    workloads   what one request asks of a server
    plan        configurations, cells, blocks and their random order
    presets     the cells that --quick, --full and the others run
"""
