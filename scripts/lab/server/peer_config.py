# SPDX-License-Identifier: MIT
"""Configurations of the other servers, as text: the same answers, pools, cores, no logs.

All listen on 127.0.0.1 only, stay in the foreground, and keep their files in one temporary
folder. folder/site holds what they serve: hello, json and files/. Those that refuse to serve
as root are told to serve as USER.
"""

from __future__ import annotations

import os
from pathlib import Path

USER, GROUP = "nobody", "nogroup"
APACHE_MODULES = "/usr/lib/apache2/modules"
KEEPALIVE_S = 75
CONNECTIONS = 16384  # that an event loop accepts


def as_root() -> bool:
    return os.geteuid() == 0


def nginx(folder: Path, port: int, loops: int) -> str:
    return "\n".join(
        [
            f"user {USER} {GROUP};" if as_root() else "",
            f"worker_processes {loops};",
            "daemon off;",
            f"pid {folder}/nginx.pid;",
            "error_log stderr error;",
            f"worker_rlimit_nofile {CONNECTIONS};",
            f"events {{ worker_connections {CONNECTIONS}; multi_accept on; }}",
            "http {",
            "  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;",
            f"  keepalive_timeout {KEEPALIVE_S}; keepalive_requests 1000000000;",
            "  default_type application/octet-stream;",
            *(
                f"  {kind}_temp_path {folder}/{kind};"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            ),
            f"  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/site;",
            '    location = /hello { default_type text/plain; return 200 "Hello, World!"; }',
            "    location = /json { default_type application/json;",
            """      return 200 '{"message":"Hello, World!"}'; }""",
            "  }",
            "}",
            "",
        ]
    )


def apache(folder: Path, port: int, mpm: str, workers: int) -> str:
    """mpm: prefork, worker or event. A pool of exactly so many processes or threads."""
    if mpm == "prefork":
        pool = [
            f"ServerLimit {workers}", f"StartServers {workers}", f"MaxRequestWorkers {workers}",
            f"MinSpareServers {workers}", f"MaxSpareServers {workers}",
        ]  # fmt: skip
    else:
        pool = [
            "ServerLimit 1", "StartServers 1", f"ThreadLimit {workers}",
            f"ThreadsPerChild {workers}", f"MaxRequestWorkers {workers}",
            f"MinSpareThreads {workers}", f"MaxSpareThreads {workers}",
        ]  # fmt: skip
        if mpm == "event":
            pool.append(f"AsyncRequestWorkerFactor {max(2, CONNECTIONS // workers)}")
    modules = {
        f"mpm_{mpm}_module": f"mod_mpm_{mpm}.so",
        "authz_core_module": "mod_authz_core.so",
    }
    return "\n".join(
        [
            f'ServerRoot "{folder}"',
            *(f"LoadModule {name} {APACHE_MODULES}/{file}" for name, file in modules.items()),
            f"Listen 127.0.0.1:{port}",
            "ListenBacklog 4096",
            "ServerName 127.0.0.1",
            f'PidFile "{folder}/apache.pid"',
            f'DefaultRuntimeDir "{folder}"',
            f"User {USER}\nGroup {GROUP}" if as_root() else "",
            f'DocumentRoot "{folder}/site"',
            # For all directories above the site too, or each request looks there for .htaccess.
            "<Directory />\n  Require all denied\n  AllowOverride None\n</Directory>",
            f'<Directory "{folder}/site">\n  Require all granted\n</Directory>',
            'ErrorLog "/dev/stderr"',
            "LogLevel crit",
            "KeepAlive On",
            "MaxKeepAliveRequests 0",
            f"KeepAliveTimeout {KEEPALIVE_S}",
            "EnableSendfile On",
            "EnableMMAP Off",
            *pool,
            "",
        ]
    )


def lighttpd(folder: Path, port: int, loops: int) -> str:
    """loops: 1 is one process; more are workers below a master."""
    lines = [
        f'server.document-root = "{folder}/site"',
        'server.bind = "127.0.0.1"',
        f"server.port = {port}",
        "server.listen-backlog = 4096",
        f"server.max-connections = {CONNECTIONS}",
        f"server.max-fds = {CONNECTIONS + 1024}",
        "server.max-keep-alive-requests = 65535",  # the most that every release takes
        f"server.max-keep-alive-idle = {KEEPALIVE_S}",
        f'server.upload-dirs = ( "{folder}" )',
        'mimetype.assign = ( "" => "application/octet-stream" )',
    ]
    if as_root():
        lines += [f'server.username = "{USER}"', f'server.groupname = "{GROUP}"']
    if loops > 1:
        lines.append(f"server.max-worker = {loops}")
    return "\n".join([*lines, ""])


def h2o(folder: Path, port: int, loops: int) -> str:
    lines = [
        f"user: {USER}" if as_root() else "",
        f"num-threads: {loops}",
        f"max-connections: {CONNECTIONS}",
        f"pid-file: {folder}/h2o.pid",
        "error-log: /dev/stderr",
        f"http1-request-timeout: {KEEPALIVE_S}",
        "file.send-compressed: OFF",
        "listen:",
        "  host: 127.0.0.1",
        f"  port: {port}",
        "hosts:",
        "  default:",
        "    paths:",
        "      /:",
        f"        file.dir: {folder}/site",
        "",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def gunicorn(folder: Path, port: int, kind: str, workers: int) -> str:
    """kind: sync (so many processes), gthread (so many threads) or gevent (one loop)."""
    lines = [
        f"bind = '127.0.0.1:{port}'",
        f"worker_class = '{kind}'",
        f"workers = {workers if kind == 'sync' else 1}",
        f"threads = {workers if kind == 'gthread' else 1}",
        f"worker_connections = {CONNECTIONS}",
        "backlog = 4096",
        f"keepalive = {KEEPALIVE_S}",
        "preload_app = True",
        "accesslog = None",
        "errorlog = '-'",
        "loglevel = 'error'",
        f"pythonpath = '{folder}'",
        f"worker_tmp_dir = '{folder}'",
        "timeout = 60",
        "graceful_timeout = 2",
    ]
    if as_root():
        lines += [f"user = '{USER}'", f"group = '{GROUP}'"]
    return "\n".join([*lines, ""])
