#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stand-in for scripts/load: the same command line and JSON, at once, of a server that carries
FAKE_CAPACITY requests a second, or, where FAKE_PORTS is set, its port's number of thousands. Its 99 %
latency is 1 ms where it idles and 50 ms at its capacity.

FAKE_LOAD in the environment stages one fault:
  exit      fails with a line           garbage   writes no JSON
  nothing   writes nothing              hang      does not end
  void      lags in every run           behind    can do no more than 1500/s
  refused   answers are 503 above 1500/s
  stop      tells the lab to stop, by SIGINT, at more than 3000/s
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from urllib.parse import urlsplit

FORTY_TWO = "HISTFAAAAB542pNpmSzMwMDAxAABzFCaEUoz2X+AMIKZAEARAtM="  # HdrHistogram's: one sample, of 42
FAULT = os.environ.get("FAKE_LOAD", "")


def times(p99_us: float) -> dict[str, object]:
    names = {"p50": 0.5, "p90": 0.7, "p99": 1.0, "p999": 1.2, "p9999": 1.5, "max": 2.0, "mean": 0.5}
    return {**{name: p99_us * part for name, part in names.items()}, "hdr": FORTY_TWO}


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("rate", "duration"):
        parser.add_argument(f"--{name}", type=float, required=True)
    for name in ("ramp", "connections", "threads", "give-up", "body", "spin"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", required=True)
    parser.add_argument("--close", action="store_true")
    parser.add_argument("url")
    options = parser.parse_args()
    if FAULT == "exit":
        sys.exit("load: cannot connect to 127.0.0.1:1: Connection refused")
    if FAULT == "hang":
        time.sleep(3600)
    if FAULT == "nothing":
        return
    if FAULT == "stop" and options.rate > 3000:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(3600)
    rate, port = options.rate, urlsplit(options.url).port or 80
    capacity = 1e3 * port if os.environ.get("FAKE_PORTS") else float(os.environ.get("FAKE_CAPACITY", "5000"))
    part = rate / capacity * random.Random(options.seed).gauss(1.0, 0.01)
    late = FAULT == "behind" and rate > 1500
    offered = rate * (0.9 if late else 1.0)
    void = ["lag"] if FAULT == "void" else ["offered"] if late else []
    requests = round(offered * options.duration)
    latency = min(60e3, 1e3 + 49e3 * min(part, 2.0) ** 40)
    document = {
        "schema": 1, "version": "fake", "command": sys.argv, "url": options.url, "paths": {}, "seed": options.seed,
        "spacing": "poisson", "threads": 1, "share": [0, 1], "started": time.time(),
        "seconds_asked": options.duration, "seconds": options.duration, "requests": requests,
        "answered": requests, "rate_asked": rate, "rate_offered": offered, "rate_answered": offered,
        "lag_us": times(10.0), "latency_us": times(latency), "service_us": times(latency),
        "statuses": {"503" if FAULT == "refused" and rate > 1500 else "200": requests},
        "errors": dict.fromkeys(("connect", "reset", "short", "malformed", "timeout", "unfinished"), 0),
        "unfinished": {"count": 0, "oldest_us": 0},
        "connections": {"asked": 1000, "most": 10, "opened": 10, "queued_most": 0},
        "bytes": 1, "cpu": {"busy": 0.95 if late else 0.3}, "backlog": [[1, latency]],
        "stopped": "give-up" if part > 1.5 and options.give_up else None, "void": void,
    }  # fmt: skip
    with open(options.json, "w") as file:
        file.write("{" if FAULT == "garbage" else json.dumps(document))
    sys.exit(3 if void else 0)


main()
