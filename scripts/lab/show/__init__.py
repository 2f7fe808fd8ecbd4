# SPDX-License-Identifier: MIT
"""Showing: rows and sentences as text, JSON, plots and pages.

    columns, table   the tables, as text, as Markdown and as CSV
    overview    a run in one table
    theme, forest, series, draw_svg, draw_curves, charts   the plots
    schema, document, reading   run.json: its shape, written, read back
    omission    what an open and a closed loop say of a server that stands still
    capacities  what scripts/capacity found
    page        report.html; its markup, style and script are files in templates/
"""
