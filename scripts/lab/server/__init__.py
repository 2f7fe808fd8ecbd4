# SPDX-License-Identifier: MIT
"""Servers: ours and others, what they serve and what they ask.

    client      an HTTP client that keeps the answer's bytes
    site        the folder of files that all of them serve
    servers     starting one for a measurement
    backend     the database behind some workloads
    peers       other servers: which are installed, how they are started; their configurations are
                in peer_conf/, what gunicorn serves in peer_app
"""
